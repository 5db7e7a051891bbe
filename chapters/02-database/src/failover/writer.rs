//! One write: a transaction on the current primary that commits only in the expected epoch.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use sqlx::Error;
use sqlx::postgres::PgConnection;

use super::{CommitMode, PrimaryDirectory, WriteOutcome};
use crate::model::StoreError;
use crate::naive::Naive;
use crate::postgres::{
    Committed, TransactionError, TransactionOptions, is_server_unavailable, run_transaction,
};

/// Writes through a [`PrimaryDirectory`].
#[derive(Clone, Debug)]
pub struct Writer {
    directory: Arc<PrimaryDirectory>,
    mode: Option<CommitMode>,
    is_fenced: bool,
}

impl Writer {
    /// A writer whose commits wait as `mode` says. The modes that wait for a standby need
    /// `synchronous_standby_names` on the primary; without it their outcomes are unknown.
    pub fn new(directory: Arc<PrimaryDirectory>, mode: CommitMode) -> Self {
        Writer {
            directory,
            mode: Some(mode),
            is_fenced: true,
        }
    }

    /// A writer whose commits wait as the server's own setting says. It does not notice a cancelled
    /// wait for a standby.
    pub(crate) fn with_server_setting(directory: Arc<PrimaryDirectory>) -> Self {
        Writer {
            directory,
            mode: None,
            is_fenced: true,
        }
    }

    /// This writer, with the techniques of this list switched to their naive versions. With
    /// [`Naive::Fencing`] it does not check the epoch, so it also writes to a former primary.
    #[must_use]
    pub fn naive(self, naive: &[Naive]) -> Self {
        Writer {
            is_fenced: self.is_fenced && !naive.contains(&Naive::Fencing),
            ..self
        }
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
        match self.run(TransactionOptions::default(), work).await {
            Ok(committed) => WriteOutcome::Committed(committed.value),
            Err(TransactionError::RolledBack(error)) => WriteOutcome::Failed(error.into()),
            Err(TransactionError::Unknown(error)) => {
                WriteOutcome::Unknown(StoreError::UnknownOutcome(error.into()))
            }
        }
    }

    /// Like [`write`](Writer::write), with the position of the commit.
    pub(crate) async fn write_with_token<T: Send + 'static>(
        &self,
        work: impl for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, Error>>
        + Send
        + 'static,
    ) -> Result<Committed<T>, TransactionError> {
        let options = TransactionOptions {
            wants_token: true,
            ..TransactionOptions::default()
        };
        self.run(options, work).await
    }

    async fn run<T: Send + 'static>(
        &self,
        mut options: TransactionOptions,
        work: impl for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, Error>>
        + Send
        + 'static,
    ) -> Result<Committed<T>, TransactionError> {
        let primary = self.directory.current();
        options.stops_with_pool = true;
        if let Some(mode) = self.mode {
            options.begin = format!("BEGIN; SET LOCAL synchronous_commit = {mode}");
            options.standby_column = mode.standby_column();
        }
        if self.is_fenced {
            options.check = format!("SELECT check_epoch({})", primary.epoch);
        }
        let result = run_transaction(&primary.pool, options, work).await;
        if let Err(error) = &result
            && is_wrong_server(error.cause())
        {
            self.directory.report_failure();
        }
        result
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
