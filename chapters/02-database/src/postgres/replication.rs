//! The replicas of the catalogue: whose turn it is to answer, who is left out, and how far each has come.
//!
//! Replication is asynchronous: the primary answers a `COMMIT` before any replica has heard of it. On an idle machine, nearly every read
//! that follows a write at once finds the old row on a replica. So a write waits here, after its commit and for a bounded time, until
//! each replica has *replayed* it. Positions in the primary's log, LSNs, make that a comparison of two numbers
//! (<https://www.postgresql.org/docs/17/functions-admin.html#FUNCTIONS-RECOVERY-CONTROL>).
//!
//! A replica that does not answer, or is not there in time, is left out: it gets no reads from this process until a look in the background
//! finds that it has replayed all that this process has written.
//!
//! Left out: the other processes. A replica that this one leaves out may answer a read of another one, from before the write. To know
//! better there, the LSN would have to travel with the session of whoever wrote, which a later lesson does. And a replica that is
//! overloaded looks like one that is away, so its reads make the others' load worse.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use sqlx::Error;
use sqlx::postgres::PgPool;

use super::pool::{PATIENCE, REPLICA_PATIENCE, within};

/// How long after a look at a replica that is left out comes the next one.
const NEXT_LOOK: Duration = Duration::from_millis(500);

/// A position in the primary's log: how many bytes were written before it since the cluster was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lsn(u64);

/// The replicas of one primary.
pub(super) struct Replicas {
    all: Vec<Arc<Replica>>,
    turn: AtomicUsize,
}

/// One replica.
pub(super) struct Replica {
    /// Counted from 1.
    pub(super) number: usize,
    pub(super) pool: PgPool,
    state: Mutex<State>,
}

/// In one lock, for the two are compared: a replica comes back only if it has reached what was written last, and a write that does not
/// see it left out waits for it.
#[derive(Default)]
struct State {
    left_out: bool,
    must_reach: Lsn,
}

impl Replicas {
    /// The replicas behind these pools, counted from 1.
    pub(super) fn new(pools: Vec<PgPool>) -> Self {
        let replica = |(index, pool)| {
            Arc::new(Replica {
                number: index + 1,
                pool,
                state: Mutex::default(),
            })
        };
        Replicas {
            all: pools.into_iter().enumerate().map(replica).collect(),
            turn: AtomicUsize::new(0),
        }
    }

    /// Those that may be asked, each time beginning with the next one.
    pub(super) fn in_turn(&self) -> impl Iterator<Item = &Arc<Replica>> {
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % self.all.len().max(1);
        let (earlier, later) = self.all.split_at(first);
        later
            .iter()
            .chain(earlier)
            .filter(|replica| !replica.state().left_out)
    }

    // ANCHOR: catch_up
    /// Call this after a commit on the primary: returns when every replica that answers has replayed it, or after `patience`.
    pub(super) async fn catch_up(&self, primary: &PgPool, patience: Duration) {
        if self.all.is_empty() {
            return;
        }
        match position(PATIENCE, primary).await {
            Ok(lsn) => {
                join_all(self.all.iter().map(|replica| replica.reach(lsn, patience))).await;
            }
            // The write is done, and it would be wrong to report it as failed. This one time nobody waits.
            Err(error) => {
                tracing::warn!(%error, "the primary did not say what to wait for; replicas may show old data");
            }
        }
    }
    // ANCHOR_END: catch_up
}

impl Replica {
    /// Gives this replica no reads until it is found to be well. Looks after it in the background meanwhile, so that no reader
    /// has to be the one who finds out.
    pub(super) fn leave_out(self: &Arc<Self>, reason: &str) {
        let already = std::mem::replace(&mut self.state().left_out, true);
        if !already {
            tracing::warn!(replica = self.number, reason, "left out of the reads");
            tokio::spawn(look_after(Arc::downgrade(self)));
        }
    }

    async fn reach(self: &Arc<Self>, lsn: Lsn, patience: Duration) {
        {
            let mut state = self.state();
            state.must_reach = state.must_reach.max(lsn);
            if state.left_out {
                return;
            }
        }
        match tokio::time::timeout(patience, self.replayed(lsn)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.leave_out(&error.to_string()),
            Err(_) => self.leave_out(&format!(
                "it has not replayed {lsn} within {} ms",
                patience.as_millis()
            )),
        }
    }

    /// Returns when the replica has replayed this position. PostgreSQL 17 can only be asked again and again; 19 can be told to wait.
    async fn replayed(&self, lsn: Lsn) -> Result<(), Error> {
        let mut pause = Duration::from_millis(1);
        while position(REPLICA_PATIENCE, &self.pool).await? < lsn {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(20));
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave the two fields half written.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at a replica that is left out until it can come back, or until nobody uses it any more.
async fn look_after(replica: Weak<Replica>) {
    loop {
        tokio::time::sleep(NEXT_LOOK).await;
        let Some(replica) = replica.upgrade() else {
            return;
        };
        let reached = position(REPLICA_PATIENCE, &replica.pool).await;
        let mut state = replica.state();
        if reached.is_ok_and(|lsn| lsn >= state.must_reach) {
            state.left_out = false;
            tracing::info!(replica = replica.number, "answers reads again");
            return;
        }
    }
}

/// How far a server's log goes: what a primary has written, what a replica has replayed.
async fn position(patience: Duration, server: &PgPool) -> Result<Lsn, Error> {
    let question = sqlx::query_scalar::<_, String>(
        "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END::text",
    );
    let answer = within(patience, question.fetch_one(server)).await?;
    answer
        .parse()
        .map_err(|()| Error::Decode(format!("{answer:?} is no LSN").into()))
}

/// Two hexadecimal numbers, the upper and the lower half: `16/B374D848`.
impl FromStr for Lsn {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let half = |half: &str| u64::from_str_radix(half, 16).map_err(drop);
        let (upper, lower) = text.split_once('/').ok_or(())?;
        Ok(Lsn(half(upper)? << 32 | half(lower)?))
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_compared_as_numbers_and_not_as_text() {
        let lsn = |text: &str| text.parse::<Lsn>().unwrap();
        assert!(lsn("0/9FFFFFF") < lsn("0/10000000"));
        assert!(lsn("9/0") < lsn("10/0"));
        assert!(lsn("0/FFFFFFFF") < lsn("1/0"));
        assert_eq!(lsn("16/B374D848").to_string(), "16/B374D848");
    }
}
