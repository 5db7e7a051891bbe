//! Seeding: the generator makes the store's data, and [`seed_store`] writes it into empty
//! databases.
//!
//! | file | content |
//! |---|---|
//! | `generator/` | games, reviews, customers, friends, sample orders and news from a random seed |
//! | `parameters.rs` | the numbers that a store was filled with |
//! | `bulk.rs` | many more reviews and orders |
//! | `fill.rs`, `copy.rs` | one database after the other, with `COPY` |
//! | `citus.rs` | the orders on a Citus coordinator |
//! | `sample_orders.rs` | the rows of the sample orders |
//! | `social.rs` | friends, activity and news, also in a store of an earlier version |

mod bulk;
mod citus;
mod copy;
mod error;
mod fill;
pub mod generator;
mod parameters;
mod sample_orders;
mod social;

pub use bulk::{BulkSizes, populate};
pub use error::SeedError;
pub use fill::{seed_store, seed_store_on_citus};
pub use parameters::{SeedMismatch, SeedParameters, SeedRequest, check_seed_parameters};
