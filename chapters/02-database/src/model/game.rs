//! A game, its reviews, and the two forms in which the application joins them.
//!
//! A *product* is one game with its reviews, for the product page. A *listing* is one game with a
//! summary of its reviews, for a list.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A game's number, counted from 1.
pub type GameId = i64;

/// A review's number, counted from 1 over all games.
pub type ReviewId = i64;

/// The genres of the generated games.
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

/// One game of the catalogue, without its reviews.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Game {
    /// Counted from 1.
    #[schema(example = 7)]
    pub id: GameId,
    /// The title in a form for URLs. Unique, because it ends with the id.
    pub slug: String,
    /// The name on the box.
    pub title: String,
    /// Plain text, at most 5,000 characters.
    pub description: String,
    /// One of [`GENRES`].
    pub genre: String,
    /// The studio that developed the game.
    pub developer: String,
    /// The company that sells the game.
    pub publisher: String,
    /// The platform that the game runs on.
    pub platform: String,
    /// The day of the first release.
    pub release_date: NaiveDate,
    /// The price of one copy, in cents.
    #[schema(example = 1999)]
    pub price_cents: i64,
    /// The average stars of the reviews, 1.0 to 5.0, rounded to one decimal. `null` without
    /// reviews.
    pub rating: Option<f64>,
    /// Paths of the pictures on this store. The first is the cover.
    pub images: Vec<String>,
    /// Path of the trailer on this store.
    pub trailer: String,
    /// The time of the last change of the game or of its reviews.
    pub updated_at: DateTime<Utc>,
}

/// One customer's review of one game.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Review {
    /// Counted from 1 over all games.
    pub id: ReviewId,
    /// The author.
    pub customer: String,
    /// 1 to 5.
    pub stars: u8,
    /// Plain text as the customer typed it. The page that shows the text escapes it.
    pub text: String,
    /// When the customer wrote the review.
    pub created_at: DateTime<Utc>,
}

/// One game with its reviews, newest first: the content of the product page, and the object that
/// chapter 3 caches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Product {
    /// The game. In JSON its fields stand beside `reviews`.
    #[serde(flatten)]
    pub game: Game,
    /// The newest reviews, at most [`REVIEWS_PER_PRODUCT`].
    pub reviews: Vec<Review>,
}

/// The maximum number of reviews in a product.
pub const REVIEWS_PER_PRODUCT: usize = 50;

/// One game in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Listing {
    /// The game. In JSON its fields stand beside `reviews`.
    #[serde(flatten)]
    pub game: Game,
    /// The number and the average of the reviews.
    pub reviews: ReviewSummary,
}

/// The reviews of one game in two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReviewSummary {
    /// The number of reviews.
    pub count: i64,
    /// The average of their stars, as in [`Game::rating`].
    pub average: Option<f64>,
}

/// The average stars of `count` reviews with `stars` stars in total, rounded to one decimal.
///
/// ```
/// assert_eq!(ch02_database::model::average_rating(13, 3), Some(4.3));
/// assert_eq!(ch02_database::model::average_rating(0, 0), None);
/// ```
pub fn average_rating(stars: i64, count: i64) -> Option<f64> {
    (count > 0).then(|| (stars as f64 / count as f64 * 10.0).round() / 10.0)
}
