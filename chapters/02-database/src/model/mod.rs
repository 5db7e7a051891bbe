//! The domain types: games with their reviews, orders, friends and their activity, news, and the
//! error of every store.
//!
//! Nothing here talks to a database. [`Catalog`](crate::Catalog) and [`Orders`](crate::Orders) use
//! these types in their signatures.

mod error;
mod game;
mod news;
mod order;
mod social;

pub use error::StoreError;
pub use game::{
    GENRES, Game, GameId, Listing, MAX_DESCRIPTION_CHARS, MAX_PRICE_CENTS, MAX_REVIEW_CHARS,
    Product, REVIEWS_PER_PRODUCT, Review, ReviewId, ReviewSummary, average_rating,
};
pub use news::{Article, ArticleId};
pub use order::{MAX_IDEMPOTENCY_KEY_BYTES, MAX_QUANTITY, NewOrder, Order, OrderId, PlaceOutcome};
pub use social::{Activity, ActivityKind, Friend};
