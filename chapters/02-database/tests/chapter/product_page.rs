//! The product page normalised and denormalised, the drift checker and the rebuild.

use std::fmt::Write as _;

use ch02_database::catalog::denormalised::{Drift, find_drift, rebuild};
use ch02_database::catalog::product_page::{PageQuery, product_page};
use ch02_database::catalog::{Catalog, NewReview, PgCatalog, Social};
use ch02_database::contract::check_news;
use ch02_database::model::{NewOrder, PlaceOutcome};
use ch02_database::postgres::{ReadPool, connect, reset_statement_counts, statement_counts};
use ch02_database::{Consistency, GameId, Orders};
use futures_util::future::join_all;
use sqlx::postgres::PgPool;
use sqlx::{Connection, Executor, PgConnection};
use testbed::{Server, Service};

use crate::support::{GAMES, LOWER_PRICE, SEED_REQUEST, Store, fill_catalog, open_catalog};

const WAYS: [PageQuery; 3] = [PageQuery::NPlusOne, PageQuery::Join, PageQuery::Document];

/// Rebuilds all copies in one transaction.
async fn rebuild_all(store: &Store) {
    let mut db = PgConnection::connect(&store.catalog.url()).await.unwrap();
    db.execute("BEGIN").await.unwrap();
    rebuild(&mut db, &store.shards).await.unwrap();
    db.execute("COMMIT").await.unwrap();
}

async fn drift(store: &Store) -> Vec<Drift> {
    let mut db = PgConnection::connect(&store.catalog.url()).await.unwrap();
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    db.execute(begin).await.unwrap();
    find_drift(&mut db, &store.shards).await.unwrap()
}

fn review(customer: &str) -> NewReview {
    NewReview {
        customer: customer.to_owned(),
        stars: 4,
        text: "Good.".to_owned(),
    }
}

#[tokio::test]
async fn three_ways_show_the_same_page() {
    let store = Store::filled().await;
    let catalog = open_catalog(&store.primary, &[]).await;
    rebuild_all(&store).await;
    let reads = ReadPool::of(&store.primary);
    let all_same = async || {
        for id in 0..=GAMES + 1 {
            let [n_plus_one, join, document] = WAYS.map(|way| product_page(&reads, id, way));
            let expected = n_plus_one.await.unwrap();
            assert_eq!(join.await.unwrap(), expected, "join, game {id}");
            assert_eq!(document.await.unwrap(), expected, "document, game {id}");
        }
    };
    all_same().await;
    let added = catalog.add_review(7, &review("lelah-1320")).await.unwrap();
    let added = added.value.expect("game 7 exists");
    catalog.change(7, &LOWER_PRICE).await.unwrap();
    all_same().await;
    let deleted = catalog.delete_review(7, added.id, "lelah-1320").await;
    deleted.unwrap();
    all_same().await;
}

/// The number of statements for the pages of all games, and the number of their reviews.
async fn count_statements(pool: &PgPool, way: PageQuery) -> (i64, i64) {
    reset_statement_counts(pool).await.unwrap();
    let reads = ReadPool::of(pool);
    let mut reviews = 0;
    for id in 1..=GAMES {
        let page = product_page(&reads, id, way).await.unwrap();
        reviews += page.expect("the game exists").product.reviews.len() as i64;
    }
    (statement_counts(pool).await.unwrap().statements, reviews)
}

#[tokio::test]
async fn server_counts_the_queries_of_a_page() {
    let server = Server::builder(Service::Postgres)
        .setting("shared_preload_libraries", "pg_stat_statements")
        .start()
        .await
        .unwrap();
    let pool = connect(&server.url()).unwrap();
    fill_catalog(&pool).await;
    let mut db = PgConnection::connect(&server.url()).await.unwrap();

    // Before the documents exist, a review writes none.
    let catalog = open_catalog(&pool, &[]).await;
    let review_wal = async || {
        reset_statement_counts(&pool).await.unwrap();
        for id in 1..=GAMES {
            catalog.add_review(id, &review("ada")).await.unwrap();
        }
        statement_counts(&pool).await.unwrap().wal_bytes
    };
    let without_documents = review_wal().await;
    db.execute("BEGIN").await.unwrap();
    rebuild(&mut db, &[]).await.unwrap();
    db.execute("COMMIT; CHECKPOINT").await.unwrap();
    let with_documents = review_wal().await;
    assert!(
        with_documents > without_documents,
        "a document makes a review larger: {without_documents} and {with_documents} bytes of WAL"
    );

    let (n_plus_one, reviews) = count_statements(&pool, PageQuery::NPlusOne).await;
    assert_eq!(
        n_plus_one,
        2 * GAMES + 2 * reviews,
        "the trap must be counted: two queries for each of {reviews} reviews"
    );
    assert_eq!(count_statements(&pool, PageQuery::Join).await.0, GAMES);
    assert_eq!(
        count_statements(&pool, PageQuery::Document).await.0,
        2 * GAMES,
        "one query for the document, one for the counters of all authors"
    );
}

/// Each statement damages one copy. The checker must name it, and the rebuild must repair it.
#[tokio::test]
async fn every_kind_of_drift_is_found() {
    let store = Store::filled().await;
    rebuild_all(&store).await;
    assert_eq!(drift(&store).await, [], "a new store");
    for (statement, copy) in [
        (
            "UPDATE games SET review_stars = review_stars + 1 WHERE id = 7",
            "games (review_count, review_stars)",
        ),
        (
            "UPDATE customer_counters SET reviews = reviews + 1 WHERE customer = 'lelah-1320'",
            "customer_counters",
        ),
        (
            "DELETE FROM customer_counters WHERE customer = 'lelah-1320'",
            "customer_counters",
        ),
        (
            "INSERT INTO customer_counters VALUES ('nobody', 1, 0)",
            "customer_counters",
        ),
        (
            "DELETE FROM product_documents WHERE game_id = 7",
            "product_documents",
        ),
        (
            "UPDATE product_documents SET document = document || '{\"price_cents\": 1}' \
             WHERE game_id = 7",
            "product_documents",
        ),
        (
            "UPDATE activity SET game_title = 'Old' WHERE id = 'review-50'",
            "activity of reviews",
        ),
        (
            "DELETE FROM activity WHERE id = 'review-50'",
            "activity of reviews",
        ),
        (
            "DELETE FROM activity WHERE id = 'order-1'",
            "activity of orders",
        ),
        (
            "UPDATE activity SET game_title = 'Old' WHERE id = 'order-1'",
            "activity of orders",
        ),
        (
            "INSERT INTO activity (id, customer, kind, game_id, game_title, is_public, created_at) \
             SELECT 'order-999999', 'nobody', 'order', 7, title, true, now() FROM games WHERE id = 7",
            "activity of orders",
        ),
        (
            "DELETE FROM friend_feed WHERE activity_id = 'review-50'",
            "friend_feed",
        ),
        (
            "INSERT INTO friend_feed SELECT 'nobody', created_at, id FROM activity LIMIT 1",
            "friend_feed",
        ),
    ] {
        let damaged = store.primary.execute(statement).await.unwrap();
        assert!(damaged.rows_affected() > 0, "{statement} damaged nothing");
        let found = drift(&store).await;
        assert!(
            found.iter().any(|drift| drift.copy == copy),
            "the checker does not find {statement}: {found:?}"
        );
        rebuild_all(&store).await;
        assert_eq!(drift(&store).await, [], "after the rebuild of {statement}");
    }
}

#[tokio::test]
async fn second_rebuild_writes_nothing() {
    let store = Store::filled().await;
    rebuild_all(&store).await;
    let versions = async || {
        let mut all = String::new();
        for table in [
            "games",
            "customer_counters",
            "product_documents",
            "activity",
            "friend_feed",
        ] {
            let sql = format!(
                "SELECT string_agg(xmin::text || ctid::text, ' ' ORDER BY ctid) FROM {table}"
            );
            let rows: String = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
                .fetch_one(&store.primary)
                .await
                .unwrap();
            writeln!(all, "{table} {rows}").unwrap();
        }
        all
    };
    let before = versions().await;
    rebuild_all(&store).await;
    assert!(
        versions().await == before,
        "the second rebuild has written rows that were right"
    );
}

async fn place_and_copy(orders: &impl Orders, catalog: &PgCatalog, number: GameId, copies: bool) {
    let order = NewOrder {
        customer: format!("buyer-{number}"),
        game_id: number,
        quantity: 1,
        unit_price_cents: 1,
        idempotency_key: "key".to_owned(),
        payment_reference: None,
    };
    if let Ok(PlaceOutcome::Created(order)) = orders.place(&order).await
        && copies
    {
        let _ = catalog.record_order(&order).await;
    }
}

/// Connections are cut off during writes, and some processes crash between an order and its copy.
#[tokio::test]
async fn no_drift_after_crashes_and_rebuild() {
    let store = Store::filled().await;
    rebuild_all(&store).await;
    let catalog = open_catalog(&store.primary, &[]).await;
    let orders = store.pg_orders().await;
    let writes = join_all((1..=GAMES).map(async |id| {
        let new = review(&format!("author-{}", id % 7));
        let added = catalog.add_review(id, &new).await.map(|added| added.value);
        // Every third process crashes after the commit of its order.
        place_and_copy(&orders, &catalog, id, id % 3 != 0).await;
        if let Ok(Some(added)) = &added
            && id % 5 == 0
        {
            let _ = catalog.delete_review(id, added.id, &new.customer).await;
        }
        u32::from(added.is_err())
    }));
    let cuts = async {
        let mut db = PgConnection::connect(&store.catalog.url()).await.unwrap();
        let mut killed = 0;
        for _ in 0..20 {
            let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                       WHERE datname = current_database() AND state <> 'idle' \
                       AND pid <> pg_backend_pid()";
            let count: i64 = sqlx::query_scalar(cut).fetch_one(&mut db).await.unwrap();
            killed += count;
        }
        killed
    };
    let (failed, killed) = tokio::join!(writes, cuts);
    assert!(killed > 0, "no connection was cut off during a write");
    assert!(
        failed.iter().sum::<u32>() > 0,
        "no write failed, so the cuts touched nothing"
    );

    let found = drift(&store).await;
    assert!(
        !found.is_empty() && found.iter().all(|drift| drift.copy == "activity of orders"),
        "only the copies of orders may be missing; a copy in the same database is in the same \
         transaction as its source: {found:?}"
    );
    rebuild_all(&store).await;
    assert_eq!(drift(&store).await, []);
}

/// A store that was filled before friends, activity, news and documents existed.
#[tokio::test]
async fn older_store_gets_the_new_tables() {
    let store = Store::filled().await;
    let orders = store.pg_orders().await;
    let catalog = open_catalog(&store.primary, &[]).await;
    place_and_copy(&orders, &catalog, 7, false).await;
    store
        .primary
        .execute(
            "DROP TABLE friend_feed, activity, friendships, news, product_documents, \
             customer_counters; \
             DROP INDEX reviews_by_customer, games_by_rating, games_by_date; \
             CREATE INDEX games_by_rating ON games (rating DESC NULLS LAST, review_count DESC, id); \
             CREATE INDEX games_by_date ON games (release_date DESC, id); \
             DELETE FROM catalog_migrations WHERE version IN (3, 5); \
             DELETE FROM meta WHERE key = 'social_and_news'",
        )
        .await
        .unwrap();

    store.fill(SEED_REQUEST).await;
    assert_eq!(drift(&store).await, [], "copies of the old data");
    let own = catalog
        .activity("buyer-7", Some("buyer-7"), None, 5, Consistency::Primary)
        .await;
    let own = own.unwrap().value;
    assert_eq!(own.len(), 1, "the order of the older version: {own:?}");
    check_news(&catalog, GAMES).await;
}
