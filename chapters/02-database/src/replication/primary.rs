//! Which server is the primary for the reads of this process.

use std::sync::Arc;

use sqlx::postgres::PgPool;

use super::position::Position;
use crate::failover::PrimaryDirectory;
use crate::postgres::ReadPool;

/// Which server is the primary.
pub(crate) enum PrimaryChoice {
    /// Always this one. The other servers are its replicas.
    Fixed(ReadPool),
    /// The one that the directory names, in the same list of servers. After a fail-over it is
    /// another one.
    Directory(Arc<PrimaryDirectory>),
}

impl PrimaryChoice {
    /// The server with this pool for writes. The reads get connections of their own.
    pub(crate) fn fixed(pool: &PgPool) -> Self {
        PrimaryChoice::Fixed(ReadPool::of(pool))
    }

    /// The index of the primary and its epoch; `None` if the primary is not in the list.
    pub(crate) fn listed(&self) -> Option<(usize, u32)> {
        match self {
            PrimaryChoice::Fixed(_) => None,
            PrimaryChoice::Directory(directory) => {
                let current = directory.current();
                let epoch = u32::try_from(current.epoch).unwrap_or(u32::MAX);
                Some((current.node, epoch))
            }
        }
    }

    /// Makes the directory look for another primary at once.
    pub(crate) fn report_failure(&self) {
        if let PrimaryChoice::Directory(directory) = self {
            directory.report_failure();
        }
    }
}

// ANCHOR: refusal
/// Why a server of a cluster gets no reads as a replica while `epoch` is the cluster's epoch.
///
/// A server that follows none writes its own log, or it is a former primary. A standby of an
/// earlier epoch may follow a former primary. Both could be stale for ever.
pub(crate) fn refusal_as_replica(server: &Position, epoch: u32) -> Option<&'static str> {
    if !server.is_replica {
        Some("it follows no primary")
    } else if server.complete.epoch() < epoch {
        Some("it has not replayed the current epoch")
    } else {
        None
    }
}

/// Why the answer of a server does not count as the answer of the primary of `epoch`.
pub(crate) fn refusal_as_primary(server: &Position, epoch: u32) -> Option<&'static str> {
    if server.is_replica {
        Some("the primary has become a replica")
    } else if server.is_fenced || server.complete.epoch() != epoch {
        Some("another server is the primary of a later epoch")
    } else {
        None
    }
}
// ANCHOR_END: refusal
