//! News articles about generated games.

use chrono::Duration;
use rand::RngExt;

use super::words::{NEWS, pick};
use super::{Generator, Stream, created_at};
use crate::model::{Article, ArticleId, GameId};

/// The number of articles of a store.
pub const ARTICLES: ArticleId = 40;

impl Generator {
    /// The article with this id, 1 to [`ARTICLES`], for a store of `games` games.
    pub fn article(&self, id: ArticleId, games: GameId) -> Article {
        let mut rng = self.random_stream(&Stream::Article(id));
        let game = self.product(rng.random_range(1..=games)).game;
        let template = pick(&mut rng, &NEWS);
        let fill = |text: &str| {
            text.replace("{game}", &game.title)
                .replace("{developer}", &game.developer)
                .replace("{genre}", &game.genre)
                .replace("{platform}", &game.platform)
        };
        let title = fill(template.title);
        let words = title
            .to_lowercase()
            .replace(|c: char| !c.is_ascii_alphanumeric(), " ");
        let words: Vec<&str> = words.split_whitespace().collect();
        // One article every three days. The last one is a day older than the store.
        let age = Duration::days(3 * (ARTICLES - id) + 1);
        Article {
            id,
            slug: format!("{}-{id}", words.join("-")),
            title,
            summary: fill(template.summary),
            body: template.body.map(fill).join("\n\n"),
            game_id: game.id,
            game_title: game.title.clone(),
            published_at: created_at() - age + Duration::minutes(rng.random_range(0..600)),
        }
    }
}
