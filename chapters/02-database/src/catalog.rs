//! The seam behind which the catalogue's database stands: [`Catalog`].
//!
//! Before: one database that answers everything. After: a primary that takes the writes and replicas that answer the reads,
//! which is why reads return a [`Read`] that names its server and writes do not. Left out: deleting a game.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::game::{Game, GameId, Listing, Product, Review, ReviewId};
use crate::store::{Read, StoreError};

/// The games and their reviews.
#[async_trait]
pub trait Catalog: Send + Sync + 'static {
    /// One game without its reviews.
    async fn game(&self, id: GameId) -> Result<Read<Option<Game>>, StoreError>;

    /// One game with its newest reviews, joined here in the application.
    async fn product(&self, id: GameId) -> Result<Read<Option<Product>>, StoreError>;

    /// One page of games.
    async fn list(&self, query: &GameQuery) -> Result<Read<GamePage>, StoreError>;

    /// Every game's id with the time of its last change: what a publisher needs to find pages that are out of date.
    async fn versions(&self) -> Result<Read<Vec<GameVersion>>, StoreError>;

    /// Changes price or description. Returns the game as it is now, or `None` if there is no such game.
    async fn change(&self, id: GameId, change: &GameChange) -> Result<Option<Game>, StoreError>;

    /// Adds a review and brings the game's rating up to date in the same transaction. `None` if there is no such game.
    async fn add_review(
        &self,
        id: GameId,
        review: &NewReview,
    ) -> Result<Option<Review>, StoreError>;

    /// Deletes a review, if `customer` wrote it, and brings the rating up to date in the same transaction.
    async fn delete_review(
        &self,
        id: GameId,
        review: ReviewId,
        customer: &str,
    ) -> Result<Deletion, StoreError>;
}

/// Which games to list. Unset filters let everything through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GameQuery {
    /// Counted from 1; 0 is read as 1.
    pub page: u32,
    /// Only this genre.
    pub genre: Option<String>,
    /// Only games with this text in their title, in upper or lower case.
    pub text: Option<String>,
    /// Which come first.
    pub order: GameOrder,
}

/// In which order games are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GameOrder {
    /// By id: the order in which they came into the store.
    #[default]
    Id,
    /// The best rating first; among equals the one with more reviews.
    BestRated,
    /// The latest release first.
    Newest,
}

/// How many games a page of a list holds.
pub const GAMES_PER_PAGE: usize = 24;

/// A page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct GamePage {
    /// At most [`GAMES_PER_PAGE`], in the order asked for.
    pub items: Vec<Listing>,
    /// Whether another page follows.
    pub has_more: bool,
}

/// When a game last changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GameVersion {
    /// The game.
    pub id: GameId,
    /// When it, or one of its reviews, last changed.
    pub updated_at: DateTime<Utc>,
}

/// What to change on a game; what is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GameChange {
    /// The new price of one copy, in cents.
    pub price_cents: Option<i64>,
    /// The new description.
    pub description: Option<String>,
}

/// A review before the store has given it a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewReview {
    /// Who writes it.
    pub customer: String,
    /// 1 to 5.
    pub stars: u8,
    /// Plain text.
    pub text: String,
}

/// What became of a review that was to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// It is gone.
    Deleted,
    /// It never was, or is gone already.
    NotFound,
    /// Somebody else wrote it, so it stays.
    NotYours,
}
