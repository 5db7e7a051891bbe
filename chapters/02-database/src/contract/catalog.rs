//! The contract of [`Catalog`].

use std::cmp::Reverse;

use futures_util::future::join_all;

use super::reviews::{new_review, reviews, reviews_at_once_are_all_counted, reviews_count};
use crate::catalog::{Catalog, GAMES_PER_PAGE, GameChange, GameQuery, GameSort};
use crate::model::{GENRES, Game, GameId, Product};
use crate::seed::generator::{DEFAULT_SEED, Generator};

/// What every [`Catalog`] has to keep. Takes one that was just filled with `games` games of the default seed, at least 50, and
/// changes some of them.
///
/// # Panics
/// Where the catalogue does not keep it; the message names the likely mistake.
pub async fn check_catalog(catalog: &dyn Catalog, games: GameId) {
    assert!(
        games >= 50,
        "this contract needs three pages of games, so at least 50"
    );
    let generator = Generator::new(DEFAULT_SEED);
    let products: Vec<Product> = (1..=games).map(|id| generator.product(id)).collect();
    what_was_filled_in_comes_out(catalog, &products).await;
    pages_follow_each_other(catalog, &products).await;
    filters_let_through_what_fits_and_nothing_else(catalog, &products).await;
    orders_are_kept(catalog, &products).await;
    a_change_returns_and_stays(catalog, &products[6].game).await;
    changes_at_once_are_versions_in_a_row(catalog).await;
    text_comes_out_as_it_went_in(catalog).await;
    reviews_count(catalog, &products[2], games).await;
    reviews_at_once_are_all_counted(catalog).await;
}

async fn what_was_filled_in_comes_out(catalog: &dyn Catalog, products: &[Product]) {
    for expected in products {
        let id = expected.game.id;
        let product = catalog.product(id).await.unwrap().value;
        assert_eq!(
            product.as_ref(),
            Some(expected),
            "product {id} is not the generator's; are the reviews newest first?"
        );
    }
    let game = catalog.game(7).await.unwrap().value;
    assert_eq!(game.as_ref(), Some(&products[6].game));
    for unknown in [
        0,
        -1,
        products.len() as GameId + 1,
        GameId::MAX,
        GameId::MIN,
    ] {
        assert_eq!(
            catalog.game(unknown).await.unwrap().value,
            None,
            "game {unknown}"
        );
        assert_eq!(
            catalog.product(unknown).await.unwrap().value,
            None,
            "product {unknown}"
        );
    }
    let versions = catalog.versions().await.unwrap().value;
    let expected = products
        .iter()
        .map(|product| (product.game.id, product.game.updated_at));
    assert!(
        versions
            .iter()
            .map(|version| (version.id, version.updated_at))
            .eq(expected),
        "versions are of every game, by id"
    );
}

async fn pages_follow_each_other(catalog: &dyn Catalog, products: &[Product]) {
    let pages = products.len().div_ceil(GAMES_PER_PAGE);
    for (number, expected) in (1..).zip(products.chunks(GAMES_PER_PAGE)) {
        let query = GameQuery {
            page: number,
            ..GameQuery::default()
        };
        let page = catalog.list(&query).await.unwrap().value;
        let ids: Vec<GameId> = page.items.iter().map(|listing| listing.game.id).collect();
        let expected_ids: Vec<GameId> = expected.iter().map(|product| product.game.id).collect();
        assert_eq!(ids, expected_ids, "page {number}");
        assert_eq!(
            page.has_more,
            (number as usize) < pages,
            "whether a page follows page {number}"
        );
        for (listing, product) in page.items.iter().zip(expected) {
            assert_eq!(listing.game, product.game);
            assert_eq!(
                (listing.reviews.count, listing.reviews.average),
                (product.reviews.len() as i64, product.game.rating),
                "the summary of game {}'s reviews",
                product.game.id
            );
        }
    }
    for beyond in [pages as u32 + 1, u32::MAX] {
        let query = GameQuery {
            page: beyond,
            ..GameQuery::default()
        };
        let page = catalog.list(&query).await.unwrap().value;
        assert!(
            page.items.is_empty() && !page.has_more,
            "page {beyond} is beyond the end"
        );
    }
    let page_0 = ids(catalog, &GameQuery::default()).await;
    assert_eq!(page_0[0], 1, "page 0 is read as page 1");
}

async fn filters_let_through_what_fits_and_nothing_else(
    catalog: &dyn Catalog,
    products: &[Product],
) {
    let expected = |fits: &dyn Fn(&Game) -> bool| -> Vec<GameId> {
        let games = products
            .iter()
            .map(|product| &product.game)
            .filter(|game| fits(game));
        games.map(|game| game.id).collect()
    };
    for genre in GENRES {
        let found = ids(catalog, &by_genre(genre)).await;
        assert_eq!(
            found,
            expected(&|game| game.genre == genre),
            "genre {genre}"
        );
    }
    for unknown in ["", "nonesuch", "%", "a\0ction", "🎮"] {
        assert!(
            ids(catalog, &by_genre(unknown)).await.is_empty(),
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
        let fits = |game: &Game| game.title.to_lowercase().contains(&text.to_lowercase());
        assert_eq!(
            ids(catalog, &by_text(text)).await,
            expected(&fits),
            "text {text:?}"
        );
    }
    // No title has one of these. A pattern that is not escaped finds all of them, and one that is escaped wrongly is an error.
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
            ids(catalog, &by_text(text)).await.is_empty(),
            "{text:?} was found in a title; is it escaped in the pattern?"
        );
    }
    let both = GameQuery {
        genre: Some(products[6].game.genre.clone()),
        ..by_text(word)
    };
    assert!(
        ids(catalog, &both).await.contains(&7),
        "both filters let game 7 through"
    );
}

async fn orders_are_kept(catalog: &dyn Catalog, products: &[Product]) {
    let mut games: Vec<&Product> = products.iter().collect();
    games.sort_by(|a, b| {
        let (rated_a, rated_b) = (a.game.rating.unwrap_or(0.0), b.game.rating.unwrap_or(0.0));
        rated_b
            .total_cmp(&rated_a)
            .then(b.reviews.len().cmp(&a.reviews.len()))
    });
    let best: Vec<GameId> = games.iter().map(|product| product.game.id).collect();
    assert_eq!(
        ids(catalog, &by_sort(GameSort::BestRated)).await,
        best,
        "games without a review come last"
    );
    games.sort_by_key(|product| (Reverse(product.game.release_date), product.game.id));
    let newest: Vec<GameId> = games.iter().map(|product| product.game.id).collect();
    assert_eq!(ids(catalog, &by_sort(GameSort::Newest)).await, newest);
}

async fn a_change_returns_and_stays(catalog: &dyn Catalog, before: &Game) {
    let cheaper = GameChange {
        price_cents: Some(1),
        description: None,
    };
    let changed = catalog
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
        "a change is a new version"
    );

    let described = GameChange {
        price_cents: None,
        description: Some("Now with a description.".to_owned()),
    };
    let again = catalog
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
        "and the next one is another"
    );
    assert_eq!(
        (&again.title, &again.images, again.rating),
        (&before.title, &before.images, before.rating)
    );

    assert_eq!(
        catalog.game(before.id).await.unwrap().value.as_ref(),
        Some(&again),
        "a read after the write"
    );
    let versions = catalog.versions().await.unwrap().value;
    assert_eq!(
        versions[before.id as usize - 1].updated_at,
        again.updated_at
    );
    assert_eq!(
        catalog.change(0, &cheaper).await.unwrap(),
        None,
        "there is no game 0"
    );
}

/// A publisher compares versions, and so the last change must have the latest.
async fn changes_at_once_are_versions_in_a_row(catalog: &dyn Catalog) {
    let changed = join_all((0..20).map(async |price| {
        let change = GameChange {
            price_cents: Some(price),
            description: None,
        };
        catalog
            .change(9, &change)
            .await
            .unwrap()
            .expect("game 9 exists")
    }));
    let mut versions = changed.await;
    versions.sort_by_key(|game| game.updated_at);
    let stored = catalog.game(9).await.unwrap().value;
    assert_eq!(
        stored.as_ref(),
        versions.last(),
        "an earlier version has overwritten a later one"
    );
    versions.dedup_by_key(|game| game.updated_at);
    assert_eq!(versions.len(), 20, "two changes have one version");
}

/// Either as it is, or, where a database cannot hold a character, as the write itself has said.
async fn text_comes_out_as_it_went_in(catalog: &dyn Catalog) {
    for text in ["it's 100% \"plain\" \\ text;\n\t--", "日本語 é 🎮", "a\0b"] {
        let change = GameChange {
            price_cents: None,
            description: Some(text.to_owned()),
        };
        let changed = catalog
            .change(8, &change)
            .await
            .unwrap()
            .expect("game 8 exists");
        if !text.contains('\0') {
            assert_eq!(changed.description, text);
        }
        assert_eq!(
            catalog.game(8).await.unwrap().value,
            Some(changed),
            "{text:?} was stored as something else"
        );
        let review = new_review("ada", 3, text);
        let added = catalog
            .add_review(8, &review)
            .await
            .unwrap()
            .expect("game 8 exists");
        assert_eq!(reviews(catalog, 8).await.first(), Some(&added));
    }
}

/// The ids on all pages.
async fn ids(catalog: &dyn Catalog, query: &GameQuery) -> Vec<GameId> {
    let mut ids = Vec::new();
    let mut query = query.clone();
    loop {
        let page = catalog.list(&query).await.unwrap().value;
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
