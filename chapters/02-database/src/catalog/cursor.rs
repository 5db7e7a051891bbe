//! The position of a game in a list, for paging by key.

use chrono::NaiveDate;

use crate::model::{GameId, Listing};

/// The position of a game in a list, in each of the orders. The next page starts after it.
///
/// `OFFSET 9600` reads 9,600 rows and throws them away; a key starts at the right entry of the
/// index. A key also stays right when a game is added before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GameCursor {
    /// The game.
    pub id: GameId,
    /// Its rating. Games without one come last.
    pub rating: Option<f64>,
    /// The number of its reviews.
    pub review_count: i64,
    /// Its release date.
    pub release_date: NaiveDate,
}

impl GameCursor {
    /// A position in a list by id, which needs nothing else.
    pub fn by_id(id: GameId) -> Self {
        GameCursor {
            id,
            rating: None,
            review_count: 0,
            release_date: NaiveDate::default(),
        }
    }
}

impl From<&Listing> for GameCursor {
    fn from(listing: &Listing) -> Self {
        GameCursor {
            id: listing.game.id,
            rating: listing.game.rating,
            review_count: listing.reviews.count,
            release_date: listing.game.release_date,
        }
    }
}
