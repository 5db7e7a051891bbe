//! # From N + 1 queries to one
//!
//! The page of new games shows 24 of them: title, publisher, number of reviews and stars. The code
//! is easy to read: for each game, ask for its row, its publisher and its rating. On a laptop it
//! is fast. In production each query takes half a millisecond on the network alone, and the
//! database answers 72 queries for each visitor.
//!
//! One query can have many ids: `WHERE id = ANY ($1)`. So each table is asked once for all games
//! of the page, and the application joins the rows. Then the number of queries does not depend on
//! the number of games.
//!
//! ## Rules
//!
//! 1. A list of up to [`MAX_IDS`] games costs at most three queries, one for each table.
//! 2. The lines have the order of the wanted ids. A database returns rows in any order.
//! 3. A game without reviews stays on the page, with 0 reviews and no stars. A game without a
//!    publisher stays too.
//! 4. An id for which there is no game has no line.
//! 5. No table is asked for the same id twice, neither in one query nor in two. A game that is
//!    wanted twice has two lines.
//! 6. There is no query without ids: its answer is known.
//! 7. A query has at most [`MAX_IDS`] ids, because a huge list makes a slow plan. A longer list
//!    takes as few queries as this allows.
//!
//! ## Predict
//!
//! The page shows 24 games, each with one of 10 publishers. How many queries does
//! [`list_n_plus_one`] send? How long does the page wait for the network, if a query takes 0.5 ms
//! there? And how many queries, and how long, if each table is asked once?
//!
//! ## What to do
//!
//! Write [`list`]: about 30 lines, with a function that asks in chunks. The types `HashMap` and
//! `HashSet` of the standard library help, and `chunks` of slices. `cargo workshop check
//! one_query` runs the tests. They fail now; that is expected.
//!
//! Left out: a rating that is stored in the game's row, which saves one more query. Chapter 2 has
//! it, in `chapters/02-database/src/catalog/`.

#![warn(missing_docs)]
#![allow(dead_code, unused_variables, reason = "delete when finished")]

/// How many ids a query may have.
pub const MAX_IDS: usize = 100;

/// A game's number.
pub type GameId = u64;

/// A publisher's number.
pub type PublisherId = u64;

/// A row of the table of games.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Game {
    /// Its number.
    pub id: GameId,
    /// Its title.
    pub title: String,
    /// Who has published it. `None` if its developers did it themselves.
    pub publisher: Option<PublisherId>,
}

/// A row of the table of publishers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publisher {
    /// Its number.
    pub id: PublisherId,
    /// Its name.
    pub name: String,
}

/// What the reviews of one game say together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rating {
    /// The game.
    pub game: GameId,
    /// The number of its reviews, at least 1.
    pub reviews: u64,
    /// Their average, 1 to 5.
    pub stars: f64,
}

/// The database. Each method is one query. Ids without a row have none in the result.
pub trait Database {
    /// `SELECT id, title, publisher FROM games WHERE id = ANY ($1)`
    fn games(&self, ids: &[GameId]) -> Vec<Game>;

    /// `SELECT id, name FROM publishers WHERE id = ANY ($1)`
    fn publishers(&self, ids: &[PublisherId]) -> Vec<Publisher>;

    /// `SELECT game, count(*), avg(stars) FROM reviews WHERE game = ANY ($1) GROUP BY game`
    fn ratings(&self, games: &[GameId]) -> Vec<Rating>;
}

/// A game on the page.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The game.
    pub id: GameId,
    /// Its title.
    pub title: String,
    /// The name of its publisher, if it has one.
    pub publisher: Option<String>,
    /// The number of its reviews.
    pub reviews: u64,
    /// Their average. `None` without reviews.
    pub stars: Option<f64>,
}

/// The page as it is today: right, and slow.
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

/// The same page, with a query for each table.
pub fn list(database: &impl Database, wanted: &[GameId]) -> Vec<Line> {
    todo!("the lines of the wanted games, with one query for each table")
}
