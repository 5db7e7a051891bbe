// Wrong: it asks only for full chunks.
// Says: Is the last chunk asked for, which is not full?
// Breaks: rule 7
#![allow(missing_docs, reason = "documented in the exercise")]

use std::collections::HashMap;

pub const MAX_IDS: usize = 100;

pub type GameId = u64;

pub type PublisherId = u64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Game {
    pub id: GameId,
    pub title: String,
    pub publisher: Option<PublisherId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publisher {
    pub id: PublisherId,
    pub name: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rating {
    pub game: GameId,
    pub reviews: u64,
    pub stars: f64,
}

pub trait Database {
    fn games(&self, ids: &[GameId]) -> Vec<Game>;

    fn publishers(&self, ids: &[PublisherId]) -> Vec<Publisher>;

    fn ratings(&self, games: &[GameId]) -> Vec<Rating>;
}

#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub id: GameId,
    pub title: String,
    pub publisher: Option<String>,
    pub reviews: u64,
    pub stars: Option<f64>,
}

pub fn list_n_plus_one(database: &impl Database, wanted: &[GameId]) -> Vec<Line> {
    let mut lines = Vec::new();
    for id in wanted {
        let Some(game) = database.games(&[*id]).pop() else {
            continue;
        };
        let publisher = game
            .publisher
            .and_then(|publisher| database.publishers(&[publisher]).pop());
        let rating = database.ratings(&[*id]).pop();
        lines.push(Line {
            id: *id,
            title: game.title,
            publisher: publisher.map(|publisher| publisher.name),
            reviews: rating.map_or(0, |rating| rating.reviews),
            stars: rating.map(|rating| rating.stars),
        });
    }
    lines
}

pub fn list(database: &impl Database, wanted: &[GameId]) -> Vec<Line> {
    let games = in_chunks(wanted.to_vec(), |ids| database.games(ids));
    let publishers = games.iter().filter_map(|game| game.publisher).collect();
    let publishers = in_chunks(publishers, |ids| database.publishers(ids));
    let found = games.iter().map(|game| game.id).collect();
    let ratings = in_chunks(found, |ids| database.ratings(ids));

    let games: HashMap<GameId, Game> = games.into_iter().map(|it| (it.id, it)).collect();
    let names: HashMap<PublisherId, String> =
        publishers.into_iter().map(|it| (it.id, it.name)).collect();
    let ratings: HashMap<GameId, Rating> = ratings.into_iter().map(|it| (it.game, it)).collect();

    let line = |id: &GameId| {
        let game = games.get(id)?;
        let rating = ratings.get(id);
        Some(Line {
            id: *id,
            title: game.title.clone(),
            publisher: game.publisher.and_then(|it| names.get(&it).cloned()),
            reviews: rating.map_or(0, |rating| rating.reviews),
            stars: rating.map(|rating| rating.stars),
        })
    };
    wanted.iter().filter_map(line).collect()
}

fn in_chunks<T>(mut ids: Vec<u64>, query: impl Fn(&[u64]) -> Vec<T>) -> Vec<T> {
    ids.sort_unstable();
    ids.dedup();
    if ids.len() < MAX_IDS {
        return if ids.is_empty() {
            Vec::new()
        } else {
            query(&ids)
        };
    }
    ids.chunks_exact(MAX_IDS).flat_map(query).collect()
}
