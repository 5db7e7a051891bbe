//! What every PostgreSQL database of this chapter needs, whatever tables it has.
//!
//! [`connect`] and [`connect_replica`] make the pools, [`migrate`] the tables. Every write goes
//! through [`transact`], every read through a time limit.
//!
//! | file | content |
//! |---|---|
//! | `pool.rs` | connections and time limits |
//! | `read_pool.rs` | connections that only read |
//! | `transaction.rs` | transactions that a dropped caller cannot leave half done |
//! | `migrate.rs` | tables of the catalogue and of the shards |
//! | `plan_shape.rs` | what the planner makes of a statement |
//! | `statement_counts.rs` | what the server counts, for tests and experiments |

mod migrate;
mod plan_shape;
mod pool;
mod read_pool;
mod statement_counts;
mod transaction;

use std::borrow::Cow;

pub use migrate::{migrate, migrate_citus};
pub use plan_shape::plan_shape;
pub use pool::{InvalidUrl, connect, ping};
pub use read_pool::{ReadPool, connect_replica};
pub use statement_counts::{StatementCounts, reset_statement_counts, statement_counts};
pub use transaction::transact;

pub(crate) use plan_shape::shape_of;
pub(crate) use transaction::{
    Committed, TransactionError, TransactionOptions, run_transaction, transact_with_token,
};

pub(crate) use pool::{
    QUERY_TIMEOUT, REPLICA_QUERY_TIMEOUT, dedicated_connection, is_server_unavailable, with_timeout,
};

use crate::model::StoreError;

/// A value that cannot be decoded is corrupt data. Every other error means that the database is
/// unavailable.
impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::Decode(_)
            | sqlx::Error::TypeNotFound { .. } => StoreError::Corrupt(error.to_string()),
            // The cause is lost: sqlx tries again until the limit.
            sqlx::Error::PoolTimedOut => StoreError::unavailable(
                "no connection within the limit: the server is down, it has reached \
                 max_connections, or this process needs more connections than its pool has",
            ),
            error => StoreError::unavailable(error),
        }
    }
}

/// Replaces NUL by the replacement character, because PostgreSQL's type `text` cannot store NUL.
/// Stored texts and search texts are changed in the same way. The store's HTTP interface rejects
/// control characters earlier; this function serves all other callers.
pub(crate) fn replace_nul(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}
