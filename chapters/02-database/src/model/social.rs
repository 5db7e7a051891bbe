//! What customers see of each other: friends, and the activity stream.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::GameId;

/// One friend of a customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Friend {
    /// The friend's name.
    pub name: String,
    /// When the two became friends.
    pub since: DateTime<Utc>,
}

/// One event of an activity stream. It is a copy of an order or of a review.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Activity {
    /// The source of the copy, such as `review-50` or `order-263`.
    #[schema(example = "review-50")]
    pub id: String,
    /// Who did it.
    pub customer: String,
    /// What the customer did.
    pub kind: ActivityKind,
    /// The game.
    pub game_id: GameId,
    /// The title of the game. Denormalised, so that the stream needs no join.
    pub game_title: String,
    /// The stars of a review, 1 to 5. `null` for an order.
    pub stars: Option<u8>,
    /// The time of the order or review.
    pub created_at: DateTime<Utc>,
}

/// What a customer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActivityKind {
    /// The customer ordered a game. Neither the price nor the number of copies is shown.
    Order,
    /// The customer reviewed a game.
    Review,
}

impl ActivityKind {
    /// The name in the databases and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            ActivityKind::Order => "order",
            ActivityKind::Review => "review",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [ActivityKind::Order, ActivityKind::Review]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }
}
