//! The lag monitor: background tasks that ask each server for its position.
//!
//! No user's read waits for a check. Each replica has its own task, so a silent replica delays no
//! other check. One more task asks the primary. The tasks end when the monitor is dropped.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;

use super::consistency::ConsistencyToken;
use super::lag::LagLimits;
use super::replica::{Replica, position};
use crate::postgres::{ReadPool, with_timeout};

/// The limit for a check of the primary in the server, and with its connection. Its failure has no
/// consequence: the replicas are compared with its last known position.
const PRIMARY_STATEMENT_TIMEOUT: Duration = Duration::from_millis(100);
const PRIMARY_CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// The replicas, and the tasks that check them.
pub(crate) struct Monitor {
    replicas: Vec<Replica>,
    limits: LagLimits,
    /// The connection for checks of the primary.
    primary: ReadPool,
    primary_position: Mutex<ConsistencyToken>,
}

impl Monitor {
    /// Checks all servers once, and then repeatedly, after random times from `interval` to twice
    /// that.
    pub(crate) async fn start(
        primary: &ReadPool,
        replicas: Vec<ReadPool>,
        limits: LagLimits,
        interval: Duration,
    ) -> Arc<Monitor> {
        let numbered = replicas.into_iter().zip(1..);
        let monitor = Arc::new(Monitor {
            replicas: numbered
                .map(|(pool, number)| Replica::new(number, pool))
                .collect(),
            limits,
            primary: primary.for_checks(PRIMARY_STATEMENT_TIMEOUT),
            primary_position: Mutex::default(),
        });
        if !monitor.replicas.is_empty() {
            monitor.check_primary().await;
            let indexes = 0..monitor.replicas.len();
            join_all(indexes.clone().map(|index| monitor.check_replica(index))).await;
            tokio::spawn(watch_primary(Arc::downgrade(&monitor), interval));
            for index in indexes {
                tokio::spawn(watch_replica(Arc::downgrade(&monitor), index, interval));
            }
        }
        monitor
    }

    pub(crate) fn replicas(&self) -> &[Replica] {
        &self.replicas
    }

    /// The largest known position of the primary.
    pub(crate) fn primary_position(&self) -> ConsistencyToken {
        *self.primary_position.lock()
    }

    /// Remembers the position of a write on the primary.
    pub(crate) fn record_write(&self, token: ConsistencyToken) {
        let mut position = self.primary_position.lock();
        *position = token.max(*position);
    }

    async fn check_primary(&self) {
        match with_timeout(PRIMARY_CHECK_TIMEOUT, position(&self.primary)).await {
            Ok(position) => self.record_write(position.complete),
            Err(error) => tracing::debug!(%error, "the primary did not report its position"),
        }
    }

    async fn check_replica(&self, index: usize) {
        let primary = self.primary_position();
        self.replicas[index].check(primary, &self.limits).await;
    }

    /// Closes the connections of the monitor and of the replicas.
    pub(crate) async fn close(&self) {
        self.primary.close().await;
        join_all(self.replicas.iter().map(Replica::close)).await;
    }
}

async fn watch_primary(monitor: Weak<Monitor>, interval: Duration) {
    loop {
        tokio::time::sleep(random_period(interval)).await;
        let Some(monitor) = monitor.upgrade() else {
            return;
        };
        monitor.check_primary().await;
    }
}

async fn watch_replica(monitor: Weak<Monitor>, index: usize, interval: Duration) {
    loop {
        tokio::time::sleep(random_period(interval)).await;
        let Some(monitor) = monitor.upgrade() else {
            return;
        };
        monitor.check_replica(index).await;
    }
}

fn random_period(interval: Duration) -> Duration {
    interval.mul_f64(1.0 + rand::random::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_differ_and_stay_in_range() {
        let interval = Duration::from_millis(250);
        let periods: Vec<Duration> = (0..100).map(|_| random_period(interval)).collect();
        assert!(
            periods
                .iter()
                .all(|period| (interval..=interval * 2).contains(period))
        );
        let shortest = periods.iter().min().unwrap();
        let longest = periods.iter().max().unwrap();
        assert!(
            *longest > *shortest + interval / 2,
            "clones would check in step: {shortest:?} to {longest:?}"
        );
    }
}
