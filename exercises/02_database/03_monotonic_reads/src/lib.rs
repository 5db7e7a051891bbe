//! # Monotonic reads
//!
//! Ada watches the reviews of a new game. A reload shows 12 reviews, the next one 11, and then 12
//! again. Nobody has deleted a review. Her requests go to two replicas, and one of them is behind
//! the other. Each answer was allowed, but together they let time go back.
//!
//! So the session of a user has a *token*: the newest position in the log that an answer to this
//! user can contain. The next read must come from a server that has replayed at least the token.
//! Then no answer is older than the one before it. Other users still read from any replica.
//!
//! ## Rules
//!
//! 1. An answer comes from a server that has reached the token. Without a token, any replica may
//!    answer. The primary answers only if no replica may.
//! 2. After a read, the token is the position that this server has *after* the read. While the
//!    server reads, it replays more of the log, so the answer can be newer than its position
//!    before.
//! 3. A token never becomes older. Two requests of a user may run at the same time, in two clones,
//!    and the one with the older answer may end last.
//! 4. Positions are numbers. Their text is the one of PostgreSQL: `0/FF` comes before `0/100`,
//!    and `0/FFFFFFFF` before `1/0`.
//! 5. If no replica has reached the token, the read waits for one: it pauses and asks all of them
//!    again, until [`MAX_WAIT`] has passed on the clock. Then the primary answers.
//! 6. A server that does not answer a question is passed over, also if it dies after the read and
//!    before it has told its position. If no server is left, the result is [`Unavailable`]: an
//!    answer that is older than the token would be worse.
//! 7. A user's next request may reach another clone, and a clone serves many users. So a reader
//!    remembers nothing itself: everything is in the [`Session`].
//!
//! ## Predict
//!
//! One replica is 5 ms behind the primary, the other one 500 ms. There is a new review every 10 ms.
//! Ada reloads ten times, once in 100 ms, and her reads go to the two replicas in turn, to the
//! faster one first. How often does the number of reviews go down? How often with a token, and
//! which replica answers her then?
//!
//! ## What to do
//!
//! Write [`Reader::read`]: about 35 lines, with two functions that help. Every method of
//! [`Session`] is one atomic command of a store that all clones share; between two of them, another
//! clone may do anything. `cargo workshop check monotonic_reads` runs the tests. They fail now;
//! that is expected.
//!
//! Left out: the replica with the least load, the user's own writes (`consistency_token`), and a
//! new primary after a fail-over. Chapter 2 has them, in `chapters/02-database/src/replication/`.

#![warn(missing_docs)]
#![allow(dead_code, unused_variables, reason = "delete when finished")]

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;
use std::time::Duration;

/// How long a read waits for a replica.
pub const MAX_WAIT: Duration = Duration::from_millis(50);

/// A position in the primary's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lsn(pub u64);

/// Two hexadecimal numbers of 32 bits, such as `16/B374D848`.
impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

/// Reads what `Display` writes.
impl FromStr for Lsn {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        let (high, low) = text.split_once('/').unwrap_or(("", text));
        let number = |part| u32::from_str_radix(part, 16).map(u64::from);
        Ok(Lsn(number(high)? << 32 | number(low)?))
    }
}

/// A server of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// Is never behind.
    Primary,
    /// The replica with this index, from 0.
    Replica(usize),
}

/// No server that may answer is there. This becomes 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no server has reached the reader's token; try again later")]
pub struct Unavailable;

/// The servers, and a clock.
pub trait Servers {
    /// The number of replicas.
    fn replicas(&self) -> usize;

    /// The position that this server has reached now. `None` if it does not answer.
    fn position(&self, server: Server) -> Option<Lsn>;

    /// Asks this server for the reviews. `None` if it does not answer.
    fn read(&self, server: Server) -> Option<String>;

    /// The time on a clock that never steps back.
    fn now(&self) -> Duration;

    /// Lets 10 ms pass.
    fn pause(&self);
}

/// The session of one user, in a store that all clones share. Each method is one atomic command.
pub trait Session {
    /// The token: the text of an [`Lsn`]. `None` before the user's first read.
    fn token(&self) -> Option<String>;

    /// Replaces the token, whatever it is.
    fn set(&self, token: &str);

    /// Replaces the token if it is still `expected`. Returns whether it was.
    fn compare_and_set(&self, expected: Option<&str>, token: &str) -> bool;
}

/// Reads for many users. Each clone has a reader of its own.
pub struct Reader<S> {
    servers: S,
}

impl<S: Servers> Reader<S> {
    /// The reader of one clone.
    pub fn new(servers: S) -> Self {
        Reader { servers }
    }

    /// The reviews, for the user of this session.
    pub fn read(&self, session: &impl Session) -> Result<String, Unavailable> {
        todo!("read from a server that has reached the token, and raise the token to what was read")
    }
}
