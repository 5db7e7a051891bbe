//! News articles.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::GameId;

/// An article's number. A later article has a greater number.
pub type ArticleId = i64;

/// An article about one game.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Article {
    /// Counted from 1, in the order of publication.
    pub id: ArticleId,
    /// The title in a form for URLs. Unique, because it ends with the id.
    pub slug: String,
    /// The headline.
    pub title: String,
    /// One sentence for the list.
    pub summary: String,
    /// Plain text. An empty line separates two paragraphs.
    pub body: String,
    /// The game that the article is about.
    pub game_id: GameId,
    /// The title of that game.
    pub game_title: String,
    /// When the article was published.
    pub published_at: DateTime<Utc>,
}
