//! One replica: its connections, and what this process knows about it.

use std::pin::pin;
use std::time::Duration;

use parking_lot::Mutex;
use sqlx::Error;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::consistency::ConsistencyToken;
use super::lag::{Lag, LagLimits};
use super::position::Position;
use super::primary::refusal_as_replica;
use crate::postgres::{REPLICA_QUERY_TIMEOUT, ReadPool, with_timeout};

/// One replica.
pub(crate) struct Replica {
    /// Counted from 1; in a cluster, its place in the list of all servers.
    pub(crate) number: usize,
    /// The connections for reads.
    pub(crate) pool: ReadPool,
    /// The connection for checks.
    checks: ReadPool,
    state: Mutex<State>,
    /// When the last question of a waiting reader was answered. Who has the lock may ask, so that
    /// many waiting readers cost one question at a time.
    last_answer: tokio::sync::Mutex<Option<Instant>>,
    /// Tells the waiting readers that the replica is known to have replayed more.
    progress: watch::Sender<()>,
}

/// What this process knows about a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaStatus {
    /// Counted from 1. In a cluster it is the place in the list of all servers.
    pub number: usize,
    /// Whether the replica gets reads.
    pub is_in_rotation: bool,
    /// The largest position that the replica is known to have replayed; the beginning of the log
    /// after a new connection.
    pub replayed: ConsistencyToken,
    /// The lag at the last successful check.
    pub lag: Lag,
}

struct State {
    status: ReplicaStatus,
    /// The number of connections when `status.replayed` was known. A server that was killed and
    /// started again may be behind its former position, and a new connection is the sign of it.
    connects: u64,
    /// An ejected replica returns only after it has replayed this.
    required: ConsistencyToken,
    /// How often the replica was ejected.
    ejections: u64,
}

impl State {
    fn forget_position_after(&mut self, connects: u64) {
        // A slower caller may bring a smaller number.
        if self.connects < connects {
            self.connects = connects;
            self.status.replayed = ConsistencyToken::START;
        }
    }
}

/// The limit for a check in the server.
const CHECK_STATEMENT_TIMEOUT: Duration = Duration::from_millis(100);

/// The limit for a check with its connection. A replica that needs longer gets no reads.
const CHECK_TIMEOUT: Duration = Duration::from_millis(400);

/// The pause between two questions for a position. PostgreSQL 17 has no command that waits for a
/// position (PostgreSQL 19 has `WAIT FOR LSN`).
const PAUSE: Duration = Duration::from_millis(1);

impl Replica {
    /// A replica that gets no reads before its first successful check.
    pub(crate) fn new(number: usize, pool: ReadPool) -> Self {
        Replica {
            number,
            checks: pool.for_checks(CHECK_STATEMENT_TIMEOUT),
            pool,
            state: Mutex::new(State {
                status: ReplicaStatus {
                    number,
                    is_in_rotation: false,
                    replayed: ConsistencyToken::START,
                    lag: Lag::default(),
                },
                connects: 0,
                required: ConsistencyToken::START,
                ejections: 0,
            }),
            last_answer: tokio::sync::Mutex::default(),
            progress: watch::Sender::default(),
        }
    }

    pub(crate) fn status(&self) -> ReplicaStatus {
        let connects = self.pool.connects();
        let mut state = self.state.lock();
        state.forget_position_after(connects);
        state.status
    }

    /// Stops sending reads to this replica, until a check finds that it is well again.
    pub(crate) fn eject(&self, reason: &str) {
        let mut state = self.state.lock();
        state.ejections += 1;
        if std::mem::replace(&mut state.status.is_in_rotation, false) {
            tracing::warn!(replica = self.number, reason, "replica ejected from reads");
        }
    }

    // ANCHOR: check
    /// Asks the replica for its position and decides whether it gets reads.
    ///
    /// `cluster_epoch` is the current one if another server may become the primary.
    pub(crate) async fn check(
        &self,
        primary: ConsistencyToken,
        limits: &LagLimits,
        cluster_epoch: Option<u32>,
    ) {
        let ejections = self.state.lock().ejections;
        let connects = self.pool.connects();
        let position = match with_timeout(CHECK_TIMEOUT, position(&self.checks)).await {
            Ok(position) => position,
            Err(error) => return self.eject(&format!("its check failed: {error}")),
        };
        let lag = Lag::between(primary, position.complete, position.last_replay);
        let refusal = cluster_epoch.and_then(|epoch| refusal_as_replica(&position, epoch));
        let reason = if let Some(refusal) = refusal {
            Some(refusal.to_owned())
        } else if !position.is_replica && position.complete.epoch() <= primary.epoch() {
            // It writes its own log now, so its position says nothing about the primary's.
            Some("it was promoted without a new epoch".to_owned())
        } else if !limits.allow(lag) {
            Some(format!(
                "it is late by {} bytes and {:?}",
                lag.bytes, lag.time
            ))
        } else {
            None
        };
        self.state.lock().status.lag = lag;
        self.advance(position.complete, connects);
        match reason {
            Some(reason) => self.eject(&reason),
            None => self.restore(ejections),
        }
    }
    // ANCHOR_END: check

    /// Asks the server for its position while it is the primary. As a replica it gets no reads.
    pub(crate) async fn check_as_primary(&self) -> Result<Position, Error> {
        {
            let mut state = self.state.lock();
            state.ejections += 1;
            state.status.is_in_rotation = false;
        }
        with_timeout(CHECK_TIMEOUT, position(&self.checks)).await
    }

    /// Sends reads to this replica again, if it was not ejected while the check was on its way.
    fn restore(&self, ejections: u64) {
        let mut state = self.state.lock();
        let may_return = state.ejections == ejections
            && state.status.replayed >= state.required
            && !state.status.is_in_rotation;
        if may_return {
            state.status.is_in_rotation = true;
            tracing::info!(replica = self.number, "replica answers reads");
        }
    }

    /// Asks the replica for its position, over the connections for reads.
    pub(crate) async fn position(&self) -> Result<Position, Error> {
        let connects = self.pool.connects();
        let position = with_timeout(REPLICA_QUERY_TIMEOUT, position(&self.pool)).await?;
        self.advance(position.complete, connects);
        Ok(position)
    }

    /// Remembers that the replica has replayed this. Answers can overtake each other. `connects` is
    /// the number of connections before the question.
    fn advance(&self, replayed: ConsistencyToken, connects: u64) {
        let now = self.pool.connects();
        let mut state = self.state.lock();
        state.forget_position_after(now);
        if state.connects == connects && state.status.replayed < replayed {
            state.status.replayed = replayed;
            drop(state);
            self.progress.send_replace(());
        }
    }

    // ANCHOR: wait_until_replayed
    /// Returns when the replica is known to have replayed `token`. Of all readers that wait for
    /// this replica, one asks for the position, and the others share its answer.
    pub(crate) async fn wait_until_replayed(&self, token: ConsistencyToken) -> Result<(), Error> {
        let mut progress = self.progress.subscribe();
        let mut ask = pin!(self.ask_until_replayed(token));
        loop {
            if self.status().replayed >= token {
                return Ok(());
            }
            tokio::select! {
                _ = progress.changed() => {}
                answer = &mut ask => return answer,
            }
        }
    }

    async fn ask_until_replayed(&self, token: ConsistencyToken) -> Result<(), Error> {
        loop {
            let mut last_answer = self.last_answer.lock().await;
            if let Some(last_answer) = *last_answer {
                sleep_until(last_answer + PAUSE).await;
            }
            if self.status().replayed >= token {
                return Ok(());
            }
            self.position().await?;
            *last_answer = Some(Instant::now());
        }
    }
    // ANCHOR_END: wait_until_replayed

    /// Returns when the replica has replayed `token`, or after `timeout`. In the second case it is
    /// ejected until it has.
    pub(crate) async fn wait_for_replay(&self, token: ConsistencyToken, timeout: Duration) {
        {
            let mut state = self.state.lock();
            state.required = state.required.max(token);
            if !state.status.is_in_rotation {
                return;
            }
        }
        match tokio::time::timeout(timeout, self.wait_until_replayed(token)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.eject(&error.to_string()),
            Err(_) => self.eject(&format!(
                "it has not replayed {} within {} ms",
                token.lsn(),
                timeout.as_millis()
            )),
        }
    }

    /// Closes the connections.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
        self.checks.close().await;
    }
}

/// The position of the server behind this pool.
pub(crate) async fn position(server: &ReadPool) -> Result<Position, Error> {
    let row = server.fetch_one(sqlx::query(Position::QUERY)).await?;
    Position::from_row(&row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replication::RouterSettings;

    #[test]
    fn late_replica_leaves_within_a_second() {
        let longest_pause = 2 * RouterSettings::default().check_interval;
        assert!(longest_pause + CHECK_TIMEOUT <= Duration::from_secs(1));
    }
}
