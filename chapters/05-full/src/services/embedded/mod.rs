//! The embedded services: SQLite files and memory of this process implement every interface.
//!
//! This is the single-machine version of the store: one SQLite file for the main database, one for
//! each shard, a map for the cache, a list for the queue and a folder for the pages. The data is
//! durable.

mod activity;
mod adoption;
mod catalog;
mod database;
mod identity;
mod job_store;
mod manifest;
mod news;
mod orders;
mod seed;
mod seed_parameters;
mod seed_social;
mod sessions;
mod social;
mod storage;
mod timestamp;

pub use catalog::SqliteCatalog;
pub use database::{OpenDatabaseError, SqliteDatabase};
pub use job_store::SqliteJobStore;
pub use manifest::IncompleteStore;
pub use orders::SqliteOrders;
pub use sessions::SqliteSessions;
pub use storage::{EmbeddedError, EmbeddedStorage};
