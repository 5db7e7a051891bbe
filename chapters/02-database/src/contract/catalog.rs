//! The contract of [`Catalog`].

use std::cmp::Reverse;

use futures_util::future::join_all;

use super::client::Client;
use super::consistency::reads_with_a_token_show_the_write;
use super::reviews::{
    concurrent_reviews_are_all_counted, new_review, reviews, reviews_change_the_rating,
};
use crate::catalog::{Catalog, GAMES_PER_PAGE, GameChange, GameCursor, GameQuery, GameSort};
use crate::model::{GENRES, Game, GameId, Product};
use crate::seed::generator::{DEFAULT_SEED, Generator};

/// Checks what every [`Catalog`] must do. Takes a catalogue that was just filled with `games` games
/// of the default seed, at least 50, and changes some of them.
///
/// # Panics
/// At the first broken promise. The message names the likely mistake.
pub async fn check_catalog(catalog: &dyn Catalog, games: GameId) {
    let client = &Client::new(catalog);
    assert!(
        games >= 50,
        "the contract needs three pages of games: expected at least 50 games, got {games}"
    );
    let generator = Generator::new(DEFAULT_SEED);
    let products: Vec<Product> = (1..=games).map(|id| generator.product(id)).collect();
    seeded_games_are_returned(client, &products).await;
    pages_contain_all_games_in_order(client, &products).await;
    filters_return_only_matching_games(client, &products).await;
    lists_are_sorted(client, &products).await;
    cursors_lead_through_the_same_list(client).await;
    change_is_returned_and_stored(client, &products[6].game).await;
    concurrent_changes_get_different_versions(client).await;
    text_is_stored_unchanged(client).await;
    reads_with_a_token_show_the_write(client).await;
    reviews_change_the_rating(client, &products[2], games).await;
    concurrent_reviews_are_all_counted(client).await;
}

async fn seeded_games_are_returned(client: &Client<'_>, products: &[Product]) {
    for expected in products {
        let id = expected.game.id;
        let product = client.product(id).await.unwrap().value;
        assert_eq!(
            product.as_ref(),
            Some(expected),
            "product {id} differs from the generated one; are its reviews sorted newest first?"
        );
    }
    let game = client.game(7).await.unwrap().value;
    assert_eq!(game.as_ref(), Some(&products[6].game));
    for unknown in [
        0,
        -1,
        products.len() as GameId + 1,
        GameId::MAX,
        GameId::MIN,
    ] {
        assert_eq!(
            client.game(unknown).await.unwrap().value,
            None,
            "game {unknown}"
        );
        assert_eq!(
            client.product(unknown).await.unwrap().value,
            None,
            "product {unknown}"
        );
    }
    let versions = client.versions().await.unwrap().value;
    let expected = products
        .iter()
        .map(|product| (product.game.id, product.game.updated_at));
    assert!(
        versions
            .iter()
            .map(|version| (version.id, version.updated_at))
            .eq(expected),
        "`versions` must return every game, ordered by id"
    );
}

async fn pages_contain_all_games_in_order(client: &Client<'_>, products: &[Product]) {
    let pages = products.len().div_ceil(GAMES_PER_PAGE);
    for (number, expected) in (1..).zip(products.chunks(GAMES_PER_PAGE)) {
        let query = GameQuery {
            page: number,
            ..GameQuery::default()
        };
        let page = client.list(&query).await.unwrap().value;
        let ids: Vec<GameId> = page.items.iter().map(|listing| listing.game.id).collect();
        let expected_ids: Vec<GameId> = expected.iter().map(|product| product.game.id).collect();
        assert_eq!(ids, expected_ids, "page {number}");
        assert_eq!(
            page.has_more,
            (number as usize) < pages,
            "`has_more` of page {number} is wrong"
        );
        for (listing, product) in page.items.iter().zip(expected) {
            assert_eq!(listing.game, product.game);
            assert_eq!(
                (listing.reviews.count, listing.reviews.average),
                (product.reviews.len() as i64, product.game.rating),
                "wrong summary of the reviews of game {}",
                product.game.id
            );
        }
    }
    for beyond in [pages as u32 + 1, u32::MAX] {
        let query = GameQuery {
            page: beyond,
            ..GameQuery::default()
        };
        let page = client.list(&query).await.unwrap().value;
        assert!(
            page.items.is_empty() && !page.has_more,
            "page {beyond} is after the last page, so it must be empty"
        );
    }
    let page_0 = ids(client, &GameQuery::default()).await;
    assert_eq!(page_0[0], 1, "page 0 must mean page 1");
}

/// A list by key must be the list by page, in every order and with every filter.
async fn cursors_lead_through_the_same_list(client: &Client<'_>) {
    for sort in [GameSort::Id, GameSort::BestRated, GameSort::Newest] {
        for query in [
            by_sort(sort),
            GameQuery {
                sort,
                ..by_genre(GENRES[0])
            },
        ] {
            let expected = ids(client, &query).await;
            let mut query = query;
            let mut found = Vec::new();
            loop {
                let page = client.list(&query).await.unwrap().value;
                found.extend(page.items.iter().map(|listing| listing.game.id));
                if !page.has_more {
                    break;
                }
                query.after = page.items.last().map(GameCursor::from);
                // A page number beside a cursor is for people.
                query.page = 7;
            }
            assert_eq!(
                found, expected,
                "paging by key skips or repeats a game: {query:?}; does the key have a tie-breaker?"
            );
        }
    }
}

async fn filters_return_only_matching_games(client: &Client<'_>, products: &[Product]) {
    let expected = |matches: &dyn Fn(&Game) -> bool| -> Vec<GameId> {
        let games = products
            .iter()
            .map(|product| &product.game)
            .filter(|game| matches(game));
        games.map(|game| game.id).collect()
    };
    for genre in GENRES {
        let found = ids(client, &by_genre(genre)).await;
        assert_eq!(
            found,
            expected(&|game| game.genre == genre),
            "genre {genre}"
        );
    }
    for unknown in ["", "nonesuch", "%", "a\0ction", "🎮"] {
        assert!(
            ids(client, &by_genre(unknown)).await.is_empty(),
            "genre {unknown:?}"
        );
    }
    let word = products[6]
        .game
        .title
        .split(' ')
        .next()
        .expect("a title has words");
    for text in [
        word,
        &word.to_uppercase(),
        &word.to_lowercase(),
        &word[1..3],
    ] {
        let matches = |game: &Game| game.title.to_lowercase().contains(&text.to_lowercase());
        assert_eq!(
            ids(client, &by_text(text)).await,
            expected(&matches),
            "text {text:?}"
        );
    }
    // No title contains one of these. Without escaping the pattern matches every title; with wrong
    // escaping the query fails.
    for text in [
        "%",
        "_",
        r"\",
        r"\%",
        "%%",
        "'",
        "a\0b",
        "🎮",
        &"x".repeat(1_000),
    ] {
        assert!(
            ids(client, &by_text(text)).await.is_empty(),
            "no title contains {text:?}; is the text escaped in the LIKE pattern?"
        );
    }
    let both = GameQuery {
        genre: Some(products[6].game.genre.clone()),
        ..by_text(word)
    };
    assert!(
        ids(client, &both).await.contains(&7),
        "game 7 matches both filters"
    );
}

async fn lists_are_sorted(client: &Client<'_>, products: &[Product]) {
    let mut games: Vec<&Product> = products.iter().collect();
    games.sort_by(|a, b| {
        let (rated_a, rated_b) = (a.game.rating.unwrap_or(0.0), b.game.rating.unwrap_or(0.0));
        rated_b
            .total_cmp(&rated_a)
            .then(b.reviews.len().cmp(&a.reviews.len()))
    });
    let best: Vec<GameId> = games.iter().map(|product| product.game.id).collect();
    assert_eq!(
        ids(client, &by_sort(GameSort::BestRated)).await,
        best,
        "wrong order by rating; do games without a review come last?"
    );
    games.sort_by_key(|product| (Reverse(product.game.release_date), product.game.id));
    let newest: Vec<GameId> = games.iter().map(|product| product.game.id).collect();
    assert_eq!(ids(client, &by_sort(GameSort::Newest)).await, newest);
}

async fn change_is_returned_and_stored(client: &Client<'_>, before: &Game) {
    let cheaper = GameChange {
        price_cents: Some(1),
        description: None,
    };
    let changed = client
        .change(before.id, &cheaper)
        .await
        .unwrap()
        .expect("game 7 exists");
    assert_eq!(
        (changed.price_cents, &changed.description),
        (1, &before.description)
    );
    assert!(
        changed.updated_at > before.updated_at,
        "a change must set a later `updated_at`"
    );

    let described = GameChange {
        price_cents: None,
        description: Some("Now with a description.".to_owned()),
    };
    let again = client
        .change(before.id, &described)
        .await
        .unwrap()
        .expect("game 7 exists");
    assert_eq!(
        (again.price_cents, again.description.as_str()),
        (1, "Now with a description.")
    );
    assert!(
        again.updated_at > changed.updated_at,
        "a second change must set a later `updated_at` again"
    );
    assert_eq!(
        (&again.title, &again.images, again.rating),
        (&before.title, &before.images, before.rating)
    );

    assert_eq!(
        client.game(before.id).await.unwrap().value.as_ref(),
        Some(&again),
        "a read after the write returns other data"
    );
    let versions = client.versions().await.unwrap().value;
    assert_eq!(
        versions[before.id as usize - 1].updated_at,
        again.updated_at
    );
    assert_eq!(
        client.change(0, &cheaper).await.unwrap(),
        None,
        "game 0 does not exist, so it cannot be changed"
    );
}

/// Publishers compare versions, so the stored game must have the latest `updated_at`.
async fn concurrent_changes_get_different_versions(client: &Client<'_>) {
    let changed = join_all((0..20).map(async |price| {
        let change = GameChange {
            price_cents: Some(price),
            description: None,
        };
        client
            .change(9, &change)
            .await
            .unwrap()
            .expect("game 9 exists")
    }));
    let mut versions = changed.await;
    versions.sort_by_key(|game| game.updated_at);
    let stored = client.game(9).await.unwrap().value;
    assert_eq!(
        stored.as_ref(),
        versions.last(),
        "the stored game is not the change with the latest `updated_at`"
    );
    versions.dedup_by_key(|game| game.updated_at);
    assert_eq!(versions.len(), 20, "two changes got the same `updated_at`");
}

/// A database may replace a character that it cannot store, but then the write must return the
/// replaced text.
async fn text_is_stored_unchanged(client: &Client<'_>) {
    for text in ["it's 100% \"plain\" \\ text;\n\t--", "日本語 é 🎮", "a\0b"] {
        let change = GameChange {
            price_cents: None,
            description: Some(text.to_owned()),
        };
        let changed = client
            .change(8, &change)
            .await
            .unwrap()
            .expect("game 8 exists");
        if !text.contains('\0') {
            assert_eq!(changed.description, text);
        }
        assert_eq!(
            client.game(8).await.unwrap().value,
            Some(changed),
            "{text:?} was stored differently than the write returned it"
        );
        let review = new_review("ada", 3, text);
        let added = client
            .add_review(8, &review)
            .await
            .unwrap()
            .expect("game 8 exists");
        assert_eq!(reviews(client, 8).await.first(), Some(&added));
    }
}

/// The ids on all pages.
async fn ids(client: &Client<'_>, query: &GameQuery) -> Vec<GameId> {
    let mut ids = Vec::new();
    let mut query = query.clone();
    loop {
        let page = client.list(&query).await.unwrap().value;
        ids.extend(page.items.iter().map(|listing| listing.game.id));
        if !page.has_more {
            return ids;
        }
        query.page = query.page.max(1) + 1;
    }
}

fn by_genre(genre: &str) -> GameQuery {
    GameQuery {
        genre: Some(genre.to_owned()),
        ..GameQuery::default()
    }
}

fn by_text(text: &str) -> GameQuery {
    GameQuery {
        text: Some(text.to_owned()),
        ..GameQuery::default()
    }
}

fn by_sort(sort: GameSort) -> GameQuery {
    GameQuery {
        sort,
        ..GameQuery::default()
    }
}
