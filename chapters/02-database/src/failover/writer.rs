//! One write: a transaction on the current primary that commits only in the expected epoch.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use sqlx::Error;
use sqlx::postgres::PgConnection;

use super::{CommitMode, PrimaryDirectory, WriteOutcome};
use crate::postgres::{
    TransactionError, TransactionOptions, is_server_unavailable, run_transaction,
};

/// Writes through a [`PrimaryDirectory`].
#[derive(Clone, Debug)]
pub struct Writer {
    directory: Arc<PrimaryDirectory>,
    mode: CommitMode,
    is_fenced: bool,
}

impl Writer {
    /// A writer whose commits wait as `mode` says. The modes that wait for a standby need
    /// `synchronous_standby_names` on the primary; without it their outcomes are unknown.
    pub fn new(directory: Arc<PrimaryDirectory>, mode: CommitMode) -> Self {
        Writer {
            directory,
            mode,
            is_fenced: true,
        }
    }

    /// The naive version ([`Naive::Fencing`](crate::Naive::Fencing)): it does not check the epoch,
    /// so it also writes to a former primary.
    #[must_use]
    pub fn without_fencing(mut self) -> Self {
        self.is_fenced = false;
        self
    }

    // ANCHOR: write
    /// Runs `work` in a transaction on the current primary. It commits only if the primary still
    /// has the epoch that the directory names.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, Error>>
        + Send
        + 'static,
    ) -> WriteOutcome<T> {
        let primary = self.directory.current();
        let mut options = TransactionOptions {
            begin: format!(
                "BEGIN; SET LOCAL synchronous_commit = {}",
                self.mode.setting()
            ),
            standby_column: self.mode.standby_column(),
            stops_with_pool: true,
            ..TransactionOptions::default()
        };
        if self.is_fenced {
            options.check = format!("SELECT check_epoch({})", primary.epoch);
        }
        match run_transaction(&primary.pool, options, work).await {
            Ok(committed) => WriteOutcome::Committed(committed.value),
            Err(error) => {
                if is_wrong_server(error.cause()) {
                    self.directory.report_failure();
                }
                match error {
                    TransactionError::RolledBack(error) => WriteOutcome::Failed(error.into()),
                    TransactionError::Unknown(error) => WriteOutcome::Unknown(error.into()),
                }
            }
        }
    }
    // ANCHOR_END: write
}

/// Whether another server may be the primary: this one is down, fenced or a replica.
fn is_wrong_server(error: &Error) -> bool {
    match error {
        // 25006: a read-only transaction. EPOCH: from `check_epoch`.
        Error::Database(database) => {
            matches!(database.code().as_deref(), Some("25006" | "EPOCH"))
                || is_server_unavailable(error)
        }
        Error::PoolClosed => true,
        _ => is_server_unavailable(error),
    }
}
