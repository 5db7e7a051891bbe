//! The two seams on real servers: a catalogue on a PostgreSQL primary with replicas, orders on several PostgreSQL shards.
//!
//! [`connect`] makes the pools, [`migrate`] the tables, [`seed`] the data; [`PgCatalog`] and [`PgOrders`] then answer. Every write
//! goes through [`transact`], every read through a time limit.
//!
//! | file | what it is about |
//! |---|---|
//! | `pool.rs` | connections, and how long anybody waits for them |
//! | `transaction.rs` | a write that nobody can leave half done |
//! | `replication.rs` | whose turn it is to answer a read, and how far a replica has come |
//! | `catalog.rs`, `orders.rs`, `rows.rs` | the seams |
//! | `migrate.rs`, `seed.rs`, `recipe.rs`, `copy.rs` | from an empty database to a full store |
//!
//! Left out: failover. When the primary is lost for good, a person (or Patroni) makes a replica the new one, and the processes are
//! started again with other addresses.

mod catalog;
mod copy;
mod migrate;
mod orders;
mod pool;
mod recipe;
mod replication;
mod rows;
mod seed;
mod transaction;

pub use catalog::PgCatalog;
pub use migrate::migrate;
pub use orders::PgOrders;
pub use pool::{InvalidUrl, answers, connect, connect_replica};
pub use recipe::{Recipe, Sizes};
pub use seed::{SeedError, seed};
pub use transaction::transact;

use std::borrow::Cow;

use crate::StoreError;

/// What a driver's error means for whoever asked: the server is away, or what it said makes no sense.
fn store_error(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::Decode(_)
        | sqlx::Error::TypeNotFound { .. } => StoreError::Corrupt(error.to_string()),
        error => StoreError::unavailable(error),
    }
}

/// The text as PostgreSQL can hold it. Its `text` has every character but NUL, and refuses a statement that brings one; the
/// replacement character stands for it here, in what is written and in what is looked for alike.
///
/// The store's HTTP interface refuses control characters long before, so this is for every other caller.
fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}
