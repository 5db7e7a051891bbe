//! The current primary, for everything in this process that writes.
//!
//! After a fail-over the directory makes a new pool and closes the old one. So no connection to a
//! former primary returns to a pool: an idle one is closed at once, and a write that still runs on
//! one ends with an unknown outcome. A caller never keeps a pool; it asks for it at each write.

use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use sqlx::postgres::PgPool;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::node::probe;
use super::{Epoch, NodeState};
use crate::model::StoreError;
use crate::postgres::connect;

/// The time between two looks at all servers while nothing fails.
const REFRESH_INTERVAL: Duration = Duration::from_millis(500);

/// The shortest time between two looks, also while every write fails.
const MIN_REFRESH_INTERVAL: Duration = Duration::from_millis(50);

/// The server that takes the writes.
#[derive(Clone, Debug)]
pub struct Primary {
    /// Its index in the list of servers.
    pub node: usize,
    /// The epoch in which it is the primary.
    pub epoch: Epoch,
    /// The connections to it. Closed as soon as another server is the primary.
    pub pool: PgPool,
}

/// Which server is the primary now.
#[derive(Debug)]
pub struct PrimaryDirectory {
    urls: Vec<String>,
    current: ArcSwap<Primary>,
    failure: Notify,
}

impl PrimaryDirectory {
    /// Finds the primary among these servers and watches them until the directory is dropped.
    /// Fails if none of them is a primary.
    pub async fn open(urls: Vec<String>) -> Result<Arc<PrimaryDirectory>, StoreError> {
        let found = find_primary(&urls).await;
        let (node, state) = found.ok_or_else(|| {
            StoreError::unavailable(format!("none of {} servers is a primary", urls.len()))
        })?;
        let current = primary(&urls, node, state.epoch)?;
        let directory = Arc::new(PrimaryDirectory {
            urls,
            current: ArcSwap::from_pointee(current),
            failure: Notify::new(),
        });
        tokio::spawn(watch(Arc::downgrade(&directory)));
        Ok(directory)
    }

    /// The primary at this moment.
    pub fn current(&self) -> Arc<Primary> {
        self.current.load_full()
    }

    /// The servers' URLs.
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// Makes the directory look for another primary at once. Called after a failed write.
    pub fn report_failure(&self) {
        self.failure.notify_one();
    }

    /// Looks for a primary of a higher epoch. A former primary that comes back has a lower epoch,
    /// so the directory never returns to it.
    pub async fn refresh(&self) {
        if let Some((node, state)) = find_primary(&self.urls).await {
            self.switch_to(node, state.epoch);
        }
    }

    // ANCHOR: switch
    /// Makes this server the primary, if the epoch is higher than the current one.
    pub(super) fn switch_to(&self, node: usize, epoch: Epoch) {
        let Ok(next) = primary(&self.urls, node, epoch) else {
            return; // The constructor has parsed this URL's neighbours, but not this one.
        };
        let next = Arc::new(next);
        let previous = self.current.rcu(|current| {
            if current.epoch < epoch {
                Arc::clone(&next)
            } else {
                Arc::clone(current)
            }
        });
        if previous.epoch < epoch {
            tracing::warn!(node, epoch, "another server is the primary now");
            let pool = previous.pool.clone();
            tokio::spawn(async move { pool.close().await });
        }
    }
    // ANCHOR_END: switch
}

fn primary(urls: &[String], node: usize, epoch: Epoch) -> Result<Primary, StoreError> {
    let pool = connect(&urls[node]).map_err(StoreError::unavailable)?;
    Ok(Primary { node, epoch, pool })
}

/// The primary with the highest epoch.
async fn find_primary(urls: &[String]) -> Option<(usize, NodeState)> {
    let states = join_all(urls.iter().map(|url| probe(url))).await;
    let answered = states.into_iter().enumerate();
    let primaries = answered.filter_map(|(node, state)| Some((node, state.ok()?)));
    primaries
        .filter(|(_, state)| state.is_primary())
        .max_by_key(|(_, state)| state.epoch)
}

async fn watch(directory: Weak<PrimaryDirectory>) {
    loop {
        let Some(directory) = directory.upgrade() else {
            return;
        };
        directory.refresh().await;
        // Ends early after a failed write. The directory stays alive at most this long.
        let _ = timeout(REFRESH_INTERVAL, directory.failure.notified()).await;
        drop(directory);
        tokio::time::sleep(MIN_REFRESH_INTERVAL).await;
    }
}
