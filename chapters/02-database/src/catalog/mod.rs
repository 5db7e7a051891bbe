//! The catalogue: the traits [`Catalog`], [`Social`] and [`News`], and [`PgCatalog`], which
//! implements them on a PostgreSQL primary with replicas.
//!
//! A read may come from a replica, so it returns a [`Read`] that names the server, and its caller
//! says how old the answer may be ([`Consistency`]). A write always goes to the primary and returns
//! the position of its commit ([`Written`]).

mod cursor;
pub mod denormalised;
mod explain;
mod news;
mod postgres;
pub mod product_page;
mod queries;
mod rows;
mod search_index;
mod social;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

pub use cursor::GameCursor;
pub use explain::{plan_shape, rows_read};
pub use news::News;
pub use postgres::PgCatalog;
pub use search_index::{TitleSearch, ensure_title_index};
pub use social::{ActivityKey, InvalidActivityKey, Social};

use crate::model::{Game, GameId, Listing, Product, Review, ReviewId, StoreError};
use crate::replication::{Consistency, ConsistencyToken, Read, Written};

/// The games and their reviews.
#[async_trait]
pub trait Catalog: Send + Sync + 'static {
    /// One game without its reviews.
    async fn game(
        &self,
        id: GameId,
        consistency: Consistency,
    ) -> Result<Read<Option<Game>>, StoreError>;

    /// One game with its newest reviews. The application joins them.
    async fn product(
        &self,
        id: GameId,
        consistency: Consistency,
    ) -> Result<Read<Option<Product>>, StoreError>;

    /// One page of games.
    async fn list(
        &self,
        query: &GameQuery,
        consistency: Consistency,
    ) -> Result<Read<GamePage>, StoreError>;

    /// The id and the time of the last change of every game, ordered by id. A publisher compares
    /// them with its pages.
    async fn versions(
        &self,
        consistency: Consistency,
    ) -> Result<Read<Vec<GameVersion>>, StoreError>;

    /// Changes price or description. Returns the changed game, or `None` if it does not exist.
    async fn change(
        &self,
        id: GameId,
        change: &GameChange,
    ) -> Result<Written<Option<Game>>, StoreError>;

    /// Adds a review and updates the game's rating in the same transaction. `None` if the game does
    /// not exist.
    async fn add_review(
        &self,
        id: GameId,
        review: &NewReview,
    ) -> Result<Written<Option<Review>>, StoreError>;

    /// Deletes a review that `customer` wrote, and updates the rating in the same transaction.
    async fn delete_review(
        &self,
        id: GameId,
        review: ReviewId,
        customer: &str,
    ) -> Result<Written<DeleteOutcome>, StoreError>;

    /// The position that each replica is known to have replayed, also those that get no reads. No
    /// server is asked, so a replica may be further. Empty in a database without replicas.
    ///
    /// A pin may be released when *all* of these have reached its token. A cache reads at least at
    /// the lowest of them, which costs no wait.
    fn replica_positions(&self) -> Vec<ConsistencyToken> {
        Vec::new()
    }
}

/// Which games to list. A filter that is `None` accepts every game.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GameQuery {
    /// Counted from 1; 0 means 1. Ignored if `after` is set.
    pub page: u32,
    /// Only games after this one: the last game of the page before.
    pub after: Option<GameCursor>,
    /// Only games of this genre.
    pub genre: Option<String>,
    /// Only games with this text in their title, in upper or lower case.
    pub text: Option<String>,
    /// The order of the list.
    pub sort: GameSort,
}

/// The order of a list of games.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GameSort {
    /// By id.
    #[default]
    Id,
    /// The best rating first. With equal ratings, the game with more reviews first.
    BestRated,
    /// The latest release first.
    Newest,
}

/// The number of games on a page of a list.
pub const GAMES_PER_PAGE: usize = 24;

/// A page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct GamePage {
    /// At most [`GAMES_PER_PAGE`] games, in the requested order.
    pub items: Vec<Listing>,
    /// Whether another page follows.
    pub has_more: bool,
}

/// The version of a game.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GameVersion {
    /// The game.
    pub id: GameId,
    /// The time of the last change of the game or of its reviews.
    pub updated_at: DateTime<Utc>,
}

/// A change of a game. `None` leaves the value as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GameChange {
    /// The new price of one copy, in cents.
    pub price_cents: Option<i64>,
    /// The new description.
    pub description: Option<String>,
}

/// A review that does not have a number yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewReview {
    /// The author.
    pub customer: String,
    /// 1 to 5.
    pub stars: u8,
    /// Plain text.
    pub text: String,
}

/// The result of deleting a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteOutcome {
    /// The store deleted the review.
    Deleted,
    /// The review does not exist, or was deleted before.
    NotFound,
    /// Another customer wrote the review. The store deleted nothing.
    NotAuthor,
}
