//! What every implementation of a seam has to keep, as code: each implementation's tests call it.
//!
//! The functions take a store that has just been filled by the generator, work with it, and panic with the likely mistake where it
//! does not keep what the trait promises. Left out: what only some can keep (which server answers, what happens when one
//! is away), which is the business of the implementation's own tests.

mod catalog;
mod orders;
mod reviews;

pub use catalog::check_catalog;
pub use orders::check_orders;
