// The tests of `one_query`. Their database is in memory and records every query. It returns rows in
// an order of its own, as databases do.

use std::cell::RefCell;
use std::collections::BTreeMap;

use one_query::{
    Database, Game, GameId, Line, MAX_IDS, Publisher, PublisherId, Rating, list, list_n_plus_one,
};

/// A database that records its queries: the table and the ids.
#[derive(Default)]
struct Memory {
    games: BTreeMap<GameId, Option<PublisherId>>,
    /// The number of reviews of each game that has some.
    reviews: BTreeMap<GameId, u64>,
    queries: RefCell<Vec<(&'static str, Vec<u64>)>>,
}

impl Memory {
    fn add(&mut self, id: GameId, publisher: Option<PublisherId>, reviews: u64) {
        self.games.insert(id, publisher);
        if reviews > 0 {
            self.reviews.insert(id, reviews);
        }
    }

    /// The games 1 to `count`, with reviews, and with publishers from 1 to `publishers`.
    fn with_games(count: u64, publishers: u64) -> Memory {
        let mut memory = Memory::default();
        for id in 1..=count {
            memory.add(id, Some(id % publishers + 1), id);
        }
        memory
    }

    /// The rows for these ids. Each id has one row, however often it is asked for.
    fn select<T>(
        &self,
        table: &'static str,
        ids: &[u64],
        row: impl Fn(u64) -> Option<T>,
    ) -> Vec<T> {
        self.queries.borrow_mut().push((table, ids.to_vec()));
        let mut ids = ids.to_vec();
        ids.sort_unstable_by_key(|id| (id * 7919 % 1009, *id));
        ids.dedup();
        ids.into_iter().filter_map(row).collect()
    }

    /// The ids of each query since the last call.
    fn queries(&self) -> Vec<(&'static str, Vec<u64>)> {
        self.queries.take()
    }

    /// How the line of this game must look.
    fn line(&self, id: GameId) -> Line {
        let reviews = self.reviews.get(&id).copied();
        Line {
            id,
            title: format!("Game {id}"),
            publisher: self.games[&id].map(|publisher| format!("Publisher {publisher}")),
            reviews: reviews.unwrap_or(0),
            stars: reviews.map(stars),
        }
    }
}

fn stars(reviews: u64) -> f64 {
    [1.5, 3.0, 4.5][usize::try_from(reviews % 3).unwrap()]
}

impl Database for Memory {
    fn games(&self, ids: &[GameId]) -> Vec<Game> {
        self.select("games", ids, |id| {
            self.games.get(&id).map(|publisher| Game {
                id,
                title: format!("Game {id}"),
                publisher: *publisher,
            })
        })
    }

    fn publishers(&self, ids: &[PublisherId]) -> Vec<Publisher> {
        self.select("publishers", ids, |id| {
            Some(Publisher {
                id,
                name: format!("Publisher {id}"),
            })
        })
    }

    fn ratings(&self, games: &[GameId]) -> Vec<Rating> {
        self.select("ratings", games, |game| {
            self.reviews.get(&game).map(|reviews| Rating {
                game,
                reviews: *reviews,
                stars: stars(*reviews),
            })
        })
    }
}

fn ids(lines: &[Line]) -> Vec<GameId> {
    lines.iter().map(|line| line.id).collect()
}

/// No query has an id twice, and no two queries to one table have the same id.
fn assert_no_id_twice(queries: &[(&'static str, Vec<u64>)]) {
    for table in ["games", "publishers", "ratings"] {
        let of_table = queries.iter().filter(|(name, _)| *name == table);
        let mut ids: Vec<u64> = of_table.flat_map(|(_, ids)| ids.clone()).collect();
        ids.sort_unstable();
        let all = ids.len();
        ids.dedup();
        assert_eq!(
            all,
            ids.len(),
            "the queries to the table {table} have {all} ids, but only {} different ones: is the \
             same id asked for twice?",
            ids.len()
        );
    }
}

// Rule 1.
#[test]
fn page_costs_three_queries() {
    for count in [1, 5, 24, 100] {
        let memory = Memory::with_games(count, 10);
        let wanted: Vec<GameId> = (1..=count).collect();

        list(&memory, &wanted);

        let queries = memory.queries();
        assert!(
            queries.len() <= 3,
            "a page of {count} games with at most 10 publishers took {} queries, but there are 3 \
             tables. How does the number of queries grow?",
            queries.len()
        );
    }
}

// Rules 1, 2 and 3.
#[test]
fn lines_are_those_of_n_plus_one() {
    let mut memory = Memory::with_games(24, 10);
    memory.add(30, None, 0);
    memory.add(31, None, 4);
    memory.add(32, Some(3), 0);
    let wanted = [31, 5, 12, 30, 7, 32, 1, 24];

    let slow = list_n_plus_one(&memory, &wanted);
    let slow_queries = memory.queries().len();
    let fast = list(&memory, &wanted);

    assert_eq!(
        ids(&fast),
        ids(&slow),
        "the page with few queries must have the same games in the same order as the page with \
         {slow_queries} queries. Which order do the lines have? Are games without reviews on the \
         page? Are games without a publisher on the page?"
    );
    assert_eq!(
        fast, slow,
        "the same games, but other contents. Which row belongs to which id? And how many stars has \
         a game without reviews?"
    );
}

// Rule 2.
#[test]
fn lines_have_the_wanted_order() {
    let memory = Memory::with_games(6, 2);
    for wanted in [[1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1], [3, 6, 1, 5, 2, 4]] {
        let lines = list(&memory, &wanted);

        assert_eq!(
            ids(&lines),
            wanted,
            "the page wants its games in the order {wanted:?}, and the database returns rows in any \
             order. Which order do the lines have?"
        );
        for line in lines {
            let expected = memory.line(line.id);
            assert_eq!(
                line, expected,
                "the line of game {} has other contents. Which row belongs to which id?",
                expected.id
            );
        }
    }
}

// Rule 3.
#[test]
fn game_without_reviews_stays() {
    let mut memory = Memory::with_games(2, 2);
    memory.add(3, Some(1), 0);

    let lines = list(&memory, &[3, 1]);

    assert_eq!(
        ids(&lines),
        [3, 1],
        "game 3 is new and nobody has reviewed it. Are games without reviews on the page?"
    );
    assert_eq!(
        (lines[0].reviews, lines[0].stars),
        (0, None),
        "game 3 has no reviews: how many stars has a game without reviews? 0 would look like a very \
         bad game"
    );
}

// Rule 3.
#[test]
fn game_without_a_publisher_stays() {
    let mut memory = Memory::with_games(2, 2);
    memory.add(3, None, 5);

    let lines = list(&memory, &[3, 1]);

    assert_eq!(
        ids(&lines),
        [3, 1],
        "the developers of game 3 have published it themselves. Are games without a publisher on \
         the page?"
    );
    assert_eq!(lines[0], memory.line(3), "the line of game 3");
}

// Rule 4.
#[test]
fn deleted_game_has_no_line() {
    let memory = Memory::with_games(4, 2);

    let lines = list(&memory, &[4, 99, 2, 1]);

    assert!(
        !lines.is_empty(),
        "there is no game 99, but there are the games 4, 2 and 1. Are the other games still on the \
         page?"
    );
    assert_eq!(
        ids(&lines),
        [4, 2, 1],
        "there is no game 99. Has a deleted game a line?"
    );
    assert_eq!(
        lines,
        [4, 2, 1].map(|id| memory.line(id)),
        "the lines of the games 4, 2 and 1. Which row belongs to which id?"
    );
}

// Rule 5.
#[test]
fn no_id_is_asked_for_twice() {
    // All games have one publisher, and game 2 is wanted three times.
    let memory = Memory::with_games(5, 1);
    let wanted = [2, 5, 2, 1, 2];

    let lines = list(&memory, &wanted);

    assert_no_id_twice(&memory.queries());
    assert_eq!(
        ids(&lines),
        wanted,
        "game 2 is wanted three times. How many lines has a game that is wanted twice?"
    );
}

// Rule 5.
#[test]
fn chunks_share_their_publishers() {
    let memory = Memory::with_games(250, 3);
    let wanted: Vec<GameId> = (1..=250).collect();

    list(&memory, &wanted);

    assert_no_id_twice(&memory.queries());
}

// Rule 6.
#[test]
fn empty_page_needs_no_query() {
    let memory = Memory::with_games(3, 2);

    let lines = list(&memory, &[]);

    assert_eq!(lines, [], "no games were wanted");
    assert_eq!(
        memory.queries(),
        [],
        "no games were wanted, but the database was asked. What is the answer of a query without \
         ids?"
    );
}

// Rule 6.
#[test]
fn query_without_ids_is_not_sent() {
    let mut memory = Memory::default();
    memory.add(1, None, 2);
    memory.add(2, None, 0);

    // Once without publishers, and once without games.
    for wanted in [[1, 2], [98, 99]] {
        list(&memory, &wanted);

        let queries = memory.queries();
        let empty: Vec<_> = queries.iter().filter(|(_, ids)| ids.is_empty()).collect();
        assert!(
            empty.is_empty(),
            "the games {wanted:?} were wanted, and there was a query without ids: {empty:?}. What \
             is the answer of a query without ids?"
        );
    }
}

// Rule 7.
#[test]
fn long_list_is_asked_for_in_chunks() {
    for count in [100, 101, 199, 200, 250] {
        let memory = Memory::with_games(count, count);
        let wanted: Vec<GameId> = (1..=count).rev().collect();

        let lines = list(&memory, &wanted);

        let queries = memory.queries();
        let largest = queries.iter().map(|(_, ids)| ids.len()).max();
        assert!(
            largest <= Some(MAX_IDS),
            "{count} games were wanted, and a query had {largest:?} ids: how many ids may a query \
             have?"
        );
        assert_eq!(
            lines.len(),
            wanted.len(),
            "{count} games were wanted, and some are not on the page. Are all chunks asked for? Is \
             the last chunk asked for, which is not full?"
        );
        let complete = wanted.iter().map(|id| memory.line(*id));
        assert!(
            lines.into_iter().eq(complete),
            "{count} games were wanted, and a line has other contents: are all chunks of all \
             tables asked for?"
        );
        let chunks = wanted.len().div_ceil(MAX_IDS);
        for table in ["games", "publishers", "ratings"] {
            let sent = queries.iter().filter(|(name, _)| *name == table).count();
            assert!(
                sent <= chunks,
                "{count} ids of the table {table} took {sent} queries, and {chunks} are enough. How \
                 many ids does a chunk have?"
            );
        }
    }
}
