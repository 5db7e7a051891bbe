//! The contracts: what every implementation of [`Catalog`](crate::Catalog),
//! [`Social`](crate::Social), [`News`](crate::News), [`Orders`](crate::Orders) and
//! [`PinStore`](crate::replication::pins::PinStore) must do. The tests of each implementation call
//! these functions.
//!
//! Each function takes a newly seeded store, works with it, and panics at the first broken promise.
//! The message names the likely mistake. What only some implementations promise, such as
//! which server answers, is checked by their own tests.

pub mod journal;
pub mod order_journal;

mod catalog;
mod client;
mod consistency;
mod news;
mod orders;
mod pins;
mod reviews;
mod social;

pub use catalog::check_catalog;
pub use news::check_news;
pub use orders::{check_order_queries, check_orders, check_payment_references};
pub use pins::check_pins;
pub use social::check_social;
