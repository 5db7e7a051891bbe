//! The embedded services: every seam of the chapters, filled by SQLite files and by parts of this process.
//!
//! This is the single-machine version of the whole store: one file for the store's database, one for each shard, a
//! map for the cache, a list for the queue, a folder for the pages. It is durable and it is honest about being one machine: the same
//! seams take PostgreSQL, Redis, Memcached and RabbitMQ where there are many.

mod board;
mod catalog;
mod data_dir;
mod db;
mod open;
mod orders;
mod seed;
mod sessions;

pub use board::SqliteBoard;
pub use catalog::SqliteCatalog;
pub use data_dir::{DataDir, DataDirError};
pub use db::{Db, OpenError};
pub use open::{Embedded, EmbeddedError};
pub use orders::SqliteOrders;
pub use sessions::SqliteSessions;
