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
use super::primary::{PrimaryChoice, refusal_as_primary};
use super::replica::{Replica, position};
use crate::postgres::{ReadPool, with_timeout};

/// The limit for a check of the primary in the server, and with its connection. Its failure has no
/// consequence: the replicas are compared with its last known position.
const PRIMARY_STATEMENT_TIMEOUT: Duration = Duration::from_millis(100);
const PRIMARY_CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// The servers, and the tasks that check them.
pub(crate) struct Monitor {
    /// The replicas. In a cluster one of them is the primary now.
    servers: Vec<Replica>,
    limits: LagLimits,
    primary: PrimaryChoice,
    /// The connection for checks of a fixed primary.
    fixed_checks: Option<ReadPool>,
    primary_position: Mutex<ConsistencyToken>,
}

impl Monitor {
    /// Checks all servers once, and then repeatedly, after random times from `interval` to twice
    /// that.
    pub(crate) async fn start(
        primary: PrimaryChoice,
        servers: Vec<ReadPool>,
        limits: LagLimits,
        interval: Duration,
    ) -> Arc<Monitor> {
        let fixed_checks = match &primary {
            PrimaryChoice::Fixed(pool) => Some(pool.for_checks(PRIMARY_STATEMENT_TIMEOUT)),
            PrimaryChoice::Directory(_) => None,
        };
        let numbered = servers.into_iter().zip(1..);
        let monitor = Arc::new(Monitor {
            servers: numbered
                .map(|(pool, number)| Replica::new(number, pool))
                .collect(),
            limits,
            primary,
            fixed_checks,
            primary_position: Mutex::default(),
        });
        if monitor.has_replicas() {
            monitor.check_primary().await;
            let indexes = 0..monitor.servers.len();
            join_all(indexes.clone().map(|index| monitor.check_replica(index))).await;
            tokio::spawn(watch_primary(Arc::downgrade(&monitor), interval));
            for index in indexes {
                tokio::spawn(watch_replica(Arc::downgrade(&monitor), index, interval));
            }
        }
        monitor
    }

    /// Whether there is a server besides the primary.
    pub(crate) fn has_replicas(&self) -> bool {
        match &self.primary {
            PrimaryChoice::Fixed(_) => !self.servers.is_empty(),
            PrimaryChoice::Directory(_) => self.servers.len() > 1,
        }
    }

    /// All servers but the primary.
    pub(crate) fn replicas(&self) -> impl DoubleEndedIterator<Item = &Replica> + Clone {
        let primary = self.primary.listed().map(|(node, _)| node);
        let servers = self.servers.iter().enumerate();
        servers.filter_map(move |(node, server)| (Some(node) != primary).then_some(server))
    }

    /// The connections for reads on the primary, and its epoch if another server may replace it.
    pub(crate) fn primary(&self) -> (&ReadPool, Option<u32>) {
        match (&self.primary, self.primary.listed()) {
            (PrimaryChoice::Fixed(pool), _) => (pool, None),
            (PrimaryChoice::Directory(_), listed) => {
                let (node, epoch) = listed.expect("a directory lists its primary");
                (&self.servers[node].pool, Some(epoch))
            }
        }
    }

    /// Called after a failed read on the primary.
    pub(crate) fn report_failure(&self) {
        self.primary.report_failure();
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
        let (checked, epoch) = match (self.primary.listed(), &self.fixed_checks) {
            (Some((node, epoch)), _) => (self.servers[node].check_as_primary().await, Some(epoch)),
            (None, Some(checks)) => {
                let checked = with_timeout(PRIMARY_CHECK_TIMEOUT, position(checks)).await;
                (checked, None)
            }
            (None, None) => return,
        };
        match checked {
            Ok(position) => match epoch.and_then(|epoch| refusal_as_primary(&position, epoch)) {
                Some(_) => self.report_failure(),
                None => self.record_write(position.complete),
            },
            Err(error) => tracing::debug!(%error, "the primary did not report its position"),
        }
    }

    async fn check_replica(&self, index: usize) {
        let listed = self.primary.listed();
        if listed.is_some_and(|(node, _)| node == index) {
            return;
        }
        let epoch = listed.map(|(_, epoch)| epoch);
        let primary = self.primary_position();
        self.servers[index]
            .check(primary, &self.limits, epoch)
            .await;
    }

    /// Closes the connections of the monitor and of the replicas.
    pub(crate) async fn close(&self) {
        if let PrimaryChoice::Fixed(pool) = &self.primary {
            pool.close().await;
        }
        if let Some(checks) = &self.fixed_checks {
            checks.close().await;
        }
        join_all(self.servers.iter().map(Replica::close)).await;
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
