//! The read router: which server answers a read.
//!
//! A read comes from the catalogue with a [`Consistency`]. It goes to a replica in rotation that
//! has replayed enough, or to the primary. The [`Monitor`] keeps the rotation in the background.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::{join_all, select_ok};
use sqlx::Error;
use tokio::sync::Semaphore;

use super::consistency::{Consistency, ConsistencyToken};
use super::monitor::Monitor;
use super::position::Position;
use super::primary::{PrimaryChoice, refusal_as_primary};
use super::read::{Node, Read};
use super::replica::{Replica, ReplicaStatus, position};
use super::settings::{ReplicaChoice, RouterSettings};
use crate::model::StoreError;
use crate::postgres::{
    QUERY_TIMEOUT, REPLICA_QUERY_TIMEOUT, ReadPool, is_server_unavailable, with_timeout,
};

/// When a client may try again after its read was one too many for the primary.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How long opening waits for the replicas.
const OPEN_TIMEOUT: Duration = Duration::from_secs(1);

/// A replica that may answer a read.
#[derive(Clone, Copy)]
struct Candidate<'r> {
    replica: &'r Replica,
    /// The number of connections before its position was known.
    connects: u64,
}

/// Sends each read to a server.
pub(crate) struct ReadRouter {
    monitor: Arc<Monitor>,
    next: AtomicUsize,
    /// One permit for each read that is at the primary because no replica could answer.
    fallback: Semaphore,
    settings: RouterSettings,
}

impl ReadRouter {
    /// Checks all servers. With a directory, `servers` are the servers of the directory.
    pub(crate) async fn open(
        primary: PrimaryChoice,
        servers: Vec<ReadPool>,
        settings: RouterSettings,
    ) -> Self {
        let limits = settings.lag_limits;
        let monitor = Monitor::start(primary, servers, limits, settings.check_interval).await;
        let router = ReadRouter {
            monitor,
            next: AtomicUsize::new(0),
            fallback: Semaphore::new(settings.max_fallback_reads),
            settings,
        };
        // Another process may have filled the store a moment ago.
        let now = router.monitor.primary_position();
        let replicas = router.monitor.replicas();
        join_all(replicas.map(|replica| replica.wait_for_replay(now, OPEN_TIMEOUT))).await;
        router
    }

    // ANCHOR: read
    /// Asks the replicas that may answer in turn. If none of them does, asks the primary.
    pub(crate) async fn read<'s, T, Query>(
        &'s self,
        consistency: Consistency,
        query: impl Fn(&'s ReadPool) -> Query,
    ) -> Result<Read<T>, StoreError>
    where
        Query: Future<Output = Result<T, Error>>,
    {
        let token = match consistency {
            Consistency::Eventual => None,
            Consistency::AtLeast(_) if self.settings.ignores_tokens => None,
            Consistency::AtLeast(token) => Some(token),
            Consistency::Primary => return self.ask_primary(&query, None).await,
        };
        let mut ready = self.ready(token.unwrap_or_default());
        if let Some(token) = token
            && ready.is_empty()
        {
            ready = self.wait_for_replica(token).await;
        }
        for candidate in ready {
            let replica = candidate.replica;
            match ask_replica(candidate, &query, token).await {
                Ok(read) => return Ok(read),
                Err(error) if is_server_unavailable(&error) => replica.eject(&error.to_string()),
                // Only this statement failed: the replay of a change cancelled it, or the replica
                // does not have the table yet. Another server may answer.
                Err(error) => tracing::info!(
                    replica = replica.number,
                    %error,
                    "a read failed; asking the next server"
                ),
            }
        }
        self.fall_back(&query, token).await
    }
    // ANCHOR_END: read

    /// The replicas that are known to have replayed `token`, in the order in which to ask them.
    fn ready(&self, token: ConsistencyToken) -> Vec<Candidate<'_>> {
        let all = self.monitor.replicas();
        let count = all.clone().count();
        let first = self.next.fetch_add(1, Ordering::Relaxed) % count.max(1);
        let mut ready = Vec::with_capacity(count);
        for replica in all.clone().skip(first).chain(all.take(first)) {
            let connects = replica.pool.connects();
            let status = replica.status();
            if status.is_in_rotation && status.replayed >= token {
                ready.push((status.lag.bytes, Candidate { replica, connects }));
            }
        }
        if self.settings.choice == ReplicaChoice::LeastLag {
            ready.sort_by_key(|(lag, _)| *lag);
        }
        ready.into_iter().map(|(_, candidate)| candidate).collect()
    }

    // ANCHOR: wait_for_replica
    /// Waits until a replica in rotation has replayed `token`. Returns the replicas that have, and
    /// none if none has in time.
    async fn wait_for_replica(&self, token: ConsistencyToken) -> Vec<Candidate<'_>> {
        let wait = async {
            loop {
                let in_rotation = self.ready(ConsistencyToken::START);
                if in_rotation.is_empty() {
                    return Vec::new();
                }
                let waits = in_rotation.into_iter().map(|Candidate { replica, .. }| {
                    Box::pin(async move {
                        let replayed = replica.wait_until_replayed(token).await;
                        replayed.inspect_err(|error| replica.eject(&error.to_string()))
                    })
                });
                // An error has ejected its replica.
                let _: Result<_, Error> = select_ok(waits).await;
                let ready = self.ready(token);
                if !ready.is_empty() {
                    return ready;
                }
            }
        };
        let ready = tokio::time::timeout(self.settings.token_wait, wait).await;
        ready.unwrap_or_default()
    }
    // ANCHOR_END: wait_for_replica

    // ANCHOR: fall_back
    /// Asks the primary because no replica could answer. Many clones may do so at the same moment,
    /// so each sends only a limited number of reads at once.
    async fn fall_back<'s, T, Query>(
        &'s self,
        query: &impl Fn(&'s ReadPool) -> Query,
        token: Option<ConsistencyToken>,
    ) -> Result<Read<T>, StoreError>
    where
        Query: Future<Output = Result<T, Error>>,
    {
        if !self.monitor.has_replicas() {
            return self.ask_primary(query, token).await;
        }
        let Ok(_permit) = self.fallback.try_acquire() else {
            return Err(StoreError::Overloaded {
                retry_after: RETRY_AFTER,
            });
        };
        self.ask_primary(query, token).await
    }
    // ANCHOR_END: fall_back

    // ANCHOR: ask_primary
    /// A read on the primary. In a cluster, its position after the read proves that it is the
    /// primary of the current epoch, and of no earlier epoch than the token's.
    async fn ask_primary<'s, T, Query>(
        &'s self,
        query: &impl Fn(&'s ReadPool) -> Query,
        token: Option<ConsistencyToken>,
    ) -> Result<Read<T>, StoreError>
    where
        Query: Future<Output = Result<T, Error>>,
    {
        let (primary, epoch) = self.monitor.primary();
        let read = async {
            let value = query(primary).await?;
            let is_wanted = token.is_some() || epoch.is_some();
            let position = read_position(is_wanted, position(primary)).await?;
            if let (Some(epoch), Some(position)) = (epoch, &position) {
                let needed = epoch.max(token.unwrap_or_default().epoch());
                if let Some(refusal) = refusal_as_primary(position, needed) {
                    return Err(Error::Protocol(refusal.to_owned()));
                }
            }
            Ok::<_, Error>((value, position))
        };
        let read = with_timeout(QUERY_TIMEOUT, read).await;
        let (value, position) = read.inspect_err(|_| self.monitor.report_failure())?;
        let position = position.filter(|_| token.is_some());
        Ok(Read {
            value,
            node: Node::Primary,
            token: position.map(|position| position.newest),
        })
    }
    // ANCHOR_END: ask_primary

    /// Remembers the position of a write, so that the lag of the replicas is known at once.
    pub(crate) fn record_write(&self, token: ConsistencyToken) {
        self.monitor.record_write(token);
    }

    /// What this process knows about the replicas.
    pub(crate) fn statuses(&self) -> Vec<ReplicaStatus> {
        self.monitor.replicas().map(Replica::status).collect()
    }

    /// Closes all connections.
    pub(crate) async fn close(&self) {
        self.monitor.close().await;
    }
}

// ANCHOR: ask_replica
/// A read on this replica, with the position that it had reached *after* the read. An earlier
/// position could be before something that the read shows.
async fn ask_replica<'s, T, Query>(
    candidate: Candidate<'s>,
    query: &impl Fn(&'s ReadPool) -> Query,
    token: Option<ConsistencyToken>,
) -> Result<Read<T>, Error>
where
    Query: Future<Output = Result<T, Error>>,
{
    let Candidate {
        replica,
        mut connects,
    } = candidate;
    let read = async {
        loop {
            let value = query(&replica.pool).await?;
            let position = read_position(token.is_some(), replica.position()).await?;
            let now = replica.pool.connects();
            if token.is_none() || now == connects {
                return Ok::<_, Error>((value, position));
            }
            // The new connection may lead to a server that has restarted and is behind.
            connects = now;
            if token > Some(replica.position().await?.complete) {
                let reason = "the replica has restarted and is behind its former position";
                return Err(Error::Protocol(reason.to_owned()));
            }
        }
    };
    let (value, position) = with_timeout(REPLICA_QUERY_TIMEOUT, read).await?;
    Ok(Read {
        value,
        node: Node::Replica(replica.number),
        token: position.map(|position| position.newest),
    })
}
// ANCHOR_END: ask_replica

async fn read_position(
    is_wanted: bool,
    position: impl Future<Output = Result<Position, Error>>,
) -> Result<Option<Position>, Error> {
    if is_wanted {
        position.await.map(Some)
    } else {
        Ok(None)
    }
}
