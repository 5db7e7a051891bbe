//! The replicas of one primary: which one answers the next read, and how far each one is.
//!
//! Replication is asynchronous: the primary confirms a `COMMIT` before any replica has received
//! it. A read directly after a write therefore often finds the old row on a replica. So a write
//! waits here after its commit, for a limited time, until each replica has *replayed* it. The
//! position in the primary's log, the LSN, makes this a comparison of two numbers
//! (<https://www.postgresql.org/docs/17/functions-admin.html#FUNCTIONS-RECOVERY-CONTROL>).
//!
//! A replica that fails or is late gets ejected. It gets no reads from this process until a
//! background task finds that it has replayed every write of this process.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use sqlx::Error;
use sqlx::postgres::PgPool;

use super::lsn::{InvalidLsn, Lsn};
use crate::postgres::{QUERY_TIMEOUT, REPLICA_QUERY_TIMEOUT, with_timeout};

/// The time between two checks of an ejected replica.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// The longest pause between two questions for a replica's position.
const MAX_POLL_PAUSE: Duration = Duration::from_millis(20);

/// The replicas of one primary.
pub(crate) struct Replicas {
    all: Vec<Arc<Replica>>,
    next: AtomicUsize,
}

/// One replica.
pub(crate) struct Replica {
    /// Counted from 1.
    pub(crate) number: usize,
    pub(crate) pool: PgPool,
    state: Mutex<State>,
}

/// Both fields share one lock. So a write either waits for a replica or finds it ejected, and an
/// ejected replica returns only after it has reached the latest write.
#[derive(Default)]
struct State {
    is_ejected: bool,
    required_lsn: Lsn,
}

impl Replicas {
    /// The replicas behind these pools, counted from 1.
    pub(crate) fn new(pools: Vec<PgPool>) -> Self {
        let replica = |(index, pool)| {
            Arc::new(Replica {
                number: index + 1,
                pool,
                state: Mutex::default(),
            })
        };
        Replicas {
            all: pools.into_iter().enumerate().map(replica).collect(),
            next: AtomicUsize::new(0),
        }
    }

    /// The replicas that may answer a read. Each call starts with the next one.
    pub(crate) fn round_robin(&self) -> impl Iterator<Item = &Arc<Replica>> {
        let first = self.next.fetch_add(1, Ordering::Relaxed) % self.all.len().max(1);
        let (earlier, later) = self.all.split_at(first);
        later
            .iter()
            .chain(earlier)
            .filter(|replica| !replica.state.lock().is_ejected)
    }

    // ANCHOR: wait_for_replay
    /// Call this after a commit on the primary. Returns when every available replica has replayed
    /// the commit, or after `timeout`.
    pub(crate) async fn wait_for_replay(&self, primary: &PgPool, timeout: Duration) {
        if self.all.is_empty() {
            return;
        }
        match current_lsn(QUERY_TIMEOUT, primary).await {
            Ok(lsn) => {
                let replicas = self.all.iter();
                join_all(replicas.map(|replica| replica.wait_for_replay(lsn, timeout))).await;
            }
            // The write is committed, so an error would be wrong. This write does not wait.
            Err(error) => tracing::warn!(
                %error,
                "the primary did not report its LSN; replicas may return old data"
            ),
        }
    }
    // ANCHOR_END: wait_for_replay
}

impl Replica {
    /// Stops sending reads to this replica. A background task checks the replica until it has
    /// recovered, so that no read has to try it.
    pub(crate) fn eject(self: &Arc<Self>, reason: &str) {
        let was_ejected = std::mem::replace(&mut self.state.lock().is_ejected, true);
        if !was_ejected {
            tracing::warn!(replica = self.number, reason, "replica ejected from reads");
            tokio::spawn(restore_when_caught_up(Arc::downgrade(self)));
        }
    }

    async fn wait_for_replay(self: &Arc<Self>, lsn: Lsn, timeout: Duration) {
        {
            let mut state = self.state.lock();
            state.required_lsn = state.required_lsn.max(lsn);
            if state.is_ejected {
                return;
            }
        }
        match tokio::time::timeout(timeout, self.poll_until_replayed(lsn)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.eject(&error.to_string()),
            Err(_) => self.eject(&format!(
                "it has not replayed {lsn} within {} ms",
                timeout.as_millis()
            )),
        }
    }

    /// Returns when the replica has replayed this position. PostgreSQL 17 has no command that waits
    /// for a position (PostgreSQL 19 has `WAIT FOR LSN`), so this asks repeatedly.
    async fn poll_until_replayed(&self, lsn: Lsn) -> Result<(), Error> {
        let mut pause = Duration::from_millis(1);
        while current_lsn(REPLICA_QUERY_TIMEOUT, &self.pool).await? < lsn {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(MAX_POLL_PAUSE);
        }
        Ok(())
    }
}

/// Checks an ejected replica until it has caught up, or until its `Replicas` are dropped.
async fn restore_when_caught_up(replica: Weak<Replica>) {
    loop {
        tokio::time::sleep(CHECK_INTERVAL).await;
        let Some(replica) = replica.upgrade() else {
            return;
        };
        let replayed = current_lsn(REPLICA_QUERY_TIMEOUT, &replica.pool).await;
        let mut state = replica.state.lock();
        if replayed.is_ok_and(|lsn| lsn >= state.required_lsn) {
            state.is_ejected = false;
            tracing::info!(replica = replica.number, "replica answers reads again");
            return;
        }
    }
}

/// The position of a server: the last byte that a primary has written or a replica has replayed.
pub(crate) async fn current_lsn(timeout: Duration, server: &PgPool) -> Result<Lsn, Error> {
    let query = sqlx::query_scalar::<_, String>(
        "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() \
         ELSE pg_current_wal_lsn() END::text",
    );
    let lsn = with_timeout(timeout, query.fetch_one(server)).await?;
    lsn.parse()
        .map_err(|error: InvalidLsn| Error::Decode(error.into()))
}
