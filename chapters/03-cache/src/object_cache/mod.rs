//! Cached objects: the application assembles an object once and caches the whole under one key.
//!
//! A product page needs a game and its reviews, so it costs two queries. The assembled
//! [`Product`](ch02_database::model::Product) is cached under one key, such as `product:7`. A
//! change of *any* part deletes that key. This is simpler than cached queries, because every writer
//! knows the key.

mod entry;
mod product;

pub use product::{CacheStatus, Lookup, PRODUCT_TTL, ProductCache};
