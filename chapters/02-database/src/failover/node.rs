//! One server of the cluster, seen from outside: is it a primary, and of which epoch?

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{ConnectOptions, Error, Row};

use super::Epoch;
use crate::postgres::with_timeout;

/// The limit for connecting and for the answer. A server that needs longer counts as failed.
pub(super) const PROBE_TIMEOUT: Duration = Duration::from_millis(500);

/// What a server says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeState {
    /// Whether it follows another server.
    pub is_replica: bool,
    /// Whether it was fenced: its sessions start read-only.
    pub is_read_only: bool,
    /// The epoch in its data.
    pub epoch: Epoch,
}

impl NodeState {
    /// Whether it takes writes.
    pub fn is_primary(&self) -> bool {
        !self.is_replica && !self.is_read_only
    }
}

/// Asks a server for its state, within a short time.
pub(super) async fn probe(url: &str) -> Result<NodeState, Error> {
    let ask = async {
        let mut connection = connect(url).await?;
        let row: PgRow = sqlx::query(
            "SELECT pg_is_in_recovery() AS is_replica, \
             current_setting('default_transaction_read_only') = 'on' OR is_fenced AS is_read_only, \
             epoch FROM cluster_epoch",
        )
        .fetch_one(&mut connection)
        .await?;
        Ok(NodeState {
            is_replica: row.try_get("is_replica")?,
            is_read_only: row.try_get("is_read_only")?,
            epoch: row.try_get("epoch")?,
        })
    };
    with_timeout(PROBE_TIMEOUT, ask).await
}

/// A connection of its own, because a pool may be full of connections to a dead server.
pub(super) async fn connect(url: &str) -> Result<PgConnection, Error> {
    PgConnectOptions::from_str(url)?.connect().await
}
