//! The catalogue's nouns: a game, its reviews, and the two shapes in which they are read together.
//!
//! A *product* is one game with its reviews, for the product page; a *listing* is one game with a summary of its reviews,
//! for a list. Both are joined by the application, not by the database. Left out: stock, currencies, translations.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A game's number, counted from 1.
pub type GameId = i64;

/// A review's number, counted from 1 over all games.
pub type ReviewId = i64;

/// The genres that the generator uses and the shop window offers.
pub const GENRES: [&str; 8] = [
    "action",
    "adventure",
    "puzzle",
    "racing",
    "role-playing",
    "simulation",
    "sports",
    "strategy",
];

/// The highest price that the store accepts, in cents.
pub const MAX_PRICE_CENTS: i64 = 1_000_000;

/// The longest description, in characters.
pub const MAX_DESCRIPTION_CHARS: usize = 5_000;

/// The longest review, in characters.
pub const MAX_REVIEW_CHARS: usize = 2_000;

/// One game as the catalogue knows it, without its reviews.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Game {
    /// Counted from 1.
    #[schema(example = 7)]
    pub id: GameId,
    /// The title in a form fit for a URL; ends in the id, so it is unique.
    pub slug: String,
    /// The name on the box.
    pub title: String,
    /// Plain text, at most 5,000 characters.
    pub description: String,
    /// One of [`GENRES`].
    pub genre: String,
    /// The studio that made it.
    pub developer: String,
    /// The company that sells it.
    pub publisher: String,
    /// What it runs on.
    pub platform: String,
    /// The day it came out.
    pub release_date: NaiveDate,
    /// The price of one copy, in cents.
    #[schema(example = 1999)]
    pub price_cents: i64,
    /// The mean of its reviews' stars, 1.0 to 5.0, rounded to one decimal; none while nobody has reviewed it.
    pub rating: Option<f64>,
    /// Paths of its pictures on this store; the first is the cover.
    pub images: Vec<String>,
    /// Path of its trailer on this store.
    pub trailer: String,
    /// When the game or one of its reviews last changed.
    pub updated_at: DateTime<Utc>,
}

/// What one customer thinks of one game.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Review {
    /// Counted from 1 over all games.
    pub id: ReviewId,
    /// Who wrote it.
    pub customer: String,
    /// 1 to 5.
    pub stars: u8,
    /// Plain text as the customer typed it. It is escaped where it is shown, not here.
    pub text: String,
    /// When it was written.
    pub created_at: DateTime<Utc>,
}

/// One game with its reviews, newest first: what the product page shows, and what chapter 3 caches as one object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Product {
    /// The game itself; its fields stand beside `reviews` in JSON.
    #[serde(flatten)]
    pub game: Game,
    /// The newest reviews, at most [`REVIEWS_PER_PRODUCT`].
    pub reviews: Vec<Review>,
}

/// How many reviews a product carries.
pub const REVIEWS_PER_PRODUCT: usize = 50;

/// One game in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Listing {
    /// The game itself; its fields stand beside `reviews` in JSON.
    #[serde(flatten)]
    pub game: Game,
    /// How it was reviewed, without the texts.
    pub reviews: ReviewSummary,
}

/// The reviews of one game in two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReviewSummary {
    /// How many there are.
    pub count: i64,
    /// The mean of their stars, as in [`Game::rating`].
    pub average: Option<f64>,
}

/// The mean of `count` reviews that add up to `stars`, rounded to one decimal.
///
/// ```
/// assert_eq!(ch02_database::game::rating(13, 3), Some(4.3));
/// assert_eq!(ch02_database::game::rating(0, 0), None);
/// ```
pub fn rating(stars: i64, count: i64) -> Option<f64> {
    (count > 0).then(|| (stars as f64 / count as f64 * 10.0).round() / 10.0)
}
