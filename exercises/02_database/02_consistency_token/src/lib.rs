//! # The consistency token
//!
//! Ada changes her review, and the page that follows shows the old text. Her write went to the
//! primary, and the next read to a replica that had not replayed it yet. The developers want to
//! send all reads to the primary again, but then the replicas are useless.
//!
//! Only Ada has to wait for Ada's write. So each write leaves a *consistency token*: its LSN, the
//! position of the write in the primary's log. The token is stored under the user's name, in a
//! store that all clones share. As long as a user has a token, a clone chooses only servers that
//! have replayed the log up to there.
//!
//! ## Rules
//!
//! 1. A write stores its LSN as the token of its user. A token never becomes older: two clones may
//!    record writes of the same user in any order, and at the same time.
//! 2. A user with a token reads from a replica that has replayed at least the token. Only if there
//!    is no such replica, the user reads from the primary.
//! 3. A user without a token reads from a replica, however far behind it is. The tokens of other
//!    users change nothing.
//! 4. A token is removed when *every* replica has replayed it, and not before: the next read may
//!    go to another replica. A read that finds this removes the token.
//! 5. A read removes only the token that it has compared. Meanwhile, another clone may have stored
//!    a newer one, which must stay.
//! 6. A replica that does not answer gets no reads, and counts as one that has not replayed the
//!    token. If no replica answers, the primary is chosen.
//! 7. A user's next request may reach another clone. So a router remembers nothing itself:
//!    everything is in [`Tokens`].
//!
//! ## Predict
//!
//! There are two replicas, and the reads go to them in turn. One of them is a minute behind. Ada
//! writes. How many of her reads in the next minute are stale if her token is removed as soon as
//! *one* replica has replayed it? And how many if there are no LSNs, and Ada reads from the primary
//! for two seconds after her write?
//!
//! ## What to do
//!
//! Write the bodies of [`Router::record_write`] and [`Router::choose`]: about 15 lines together.
//! Every method of [`Tokens`] is one atomic command of the shared store; between two of them,
//! another clone may do anything. `cargo workshop check consistency_token` runs the tests. They
//! fail now; that is expected.
//!
//! Left out: waiting a moment for a replica, choosing the replica with the least load, and tokens
//! of an old primary after a fail-over. Chapter 2 has them, in
//! `chapters/02-database/src/replication/`.

#![warn(missing_docs)]
#![allow(dead_code, unused_variables, reason = "delete when finished")]

/// A position in the primary's log. A write with a greater LSN came later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lsn(pub u64);

/// The server that answers a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// Has every confirmed write.
    Primary,
    /// The replica with this index.
    Replica(usize),
}

/// The tokens of all users, in a store that all clones share. Each method is one atomic command.
pub trait Tokens {
    /// The token of this user.
    fn get(&self, user: &str) -> Option<Lsn>;

    /// Stores a token, and replaces the one that the user had.
    fn set(&self, user: &str, token: Lsn);

    /// Stores a token, unless the user has one that is newer.
    fn set_if_newer(&self, user: &str, token: Lsn);

    /// Removes the token of this user, whatever it is.
    fn delete(&self, user: &str);

    /// Removes the token of this user if it is equal to `token`.
    fn delete_if_equal(&self, user: &str, token: Lsn);
}

/// Chooses the server for each read. Each clone has a router of its own.
pub struct Router<T> {
    tokens: T,
}

impl<T: Tokens> Router<T> {
    /// The router of one clone.
    pub fn new(tokens: T) -> Self {
        Router { tokens }
    }

    /// Records that the primary has confirmed a write of this user at `lsn`.
    pub fn record_write(&self, user: &str, lsn: Lsn) {
        todo!("store the token, unless the user has a newer one")
    }

    /// Chooses the server for a read of this user. `replayed` has an entry for each replica: the
    /// position up to which it has replayed the log, or `None` if it does not answer.
    pub fn choose(&self, user: &str, replayed: &[Option<Lsn>]) -> Server {
        todo!("return a server that is fresh enough, and remove a token that is needed no more")
    }
}
