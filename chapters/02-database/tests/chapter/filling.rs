//! From an empty database to a full store: by several processes at once, cut off in the middle, or with other numbers than before.

use std::sync::atomic::{AtomicU64, Ordering};

use ch02_database::model::NewOrder;
use ch02_database::postgres::{connect, migrate};
use ch02_database::seed::generator::Generator;
use ch02_database::seed::{SeedError, SeedRequest, seed_store};
use ch02_database::{Catalog, Orders, PgOrders, StoreError};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{PgPool, SqlSafeStr};

use crate::support::{GAMES, SIZES, Store, open};

#[tokio::test]
async fn processes_that_start_at_once_fill_the_store_once() {
    let store = Store::empty().await;
    let filled = AtomicU64::new(0);
    let process = async || {
        let primary = connect(&store.catalog.url()).unwrap();
        let shards: Vec<PgPool> = store
            .shard_databases
            .iter()
            .map(|shard| connect(&shard.url()).unwrap())
            .collect();
        migrate(&primary, &shards).await.unwrap();
        let count = |_, _| _ = filled.fetch_add(1, Ordering::Relaxed);
        seed_store(&primary, &shards, SIZES, count).await.unwrap()
    };

    let recipes = tokio::join!(process(), process(), process());

    assert_eq!((recipes.0, recipes.1), (recipes.1, recipes.2));
    assert_eq!(
        filled.load(Ordering::Relaxed),
        1,
        "more than one process has written the games: is the lock taken before the look?"
    );
    assert_eq!(count(&store.primary, "games").await, GAMES);
    assert_eq!(
        store
            .pg_orders()
            .count_by_shard()
            .await
            .unwrap()
            .iter()
            .sum::<u64>(),
        1_000
    );
}

#[tokio::test]
async fn a_store_with_other_numbers_is_refused_by_name() {
    let store = Store::filled().await;
    let refused = async |shards: &[PgPool], sizes| {
        let refused = seed_store(&store.primary, shards, sizes, |_, _| ()).await;
        refused.unwrap_err().to_string()
    };
    let more = SeedRequest {
        games: Some(61),
        ..SIZES
    };
    let message = refused(&store.shards, more).await;
    assert!(
        message.contains("--games 60") && message.contains("--games 61"),
        "{message}"
    );
    let other = SeedRequest {
        seed: Some(7),
        ..SIZES
    };
    let message = refused(&store.shards, other).await;
    assert!(
        message.contains("--seed 42") && message.contains("--seed 7"),
        "{message}"
    );
    let message = refused(&store.shards[..3], SIZES).await;
    assert!(
        message.contains("--shards 4") && message.contains("--shards 3"),
        "{message}"
    );

    let stored = seed_store(
        &store.primary,
        &store.shards,
        SeedRequest::default(),
        |_, _| (),
    )
    .await
    .unwrap();
    assert_eq!(
        (stored.games, stored.seed, stored.shards),
        (60, 42, 4),
        "what is not asked for is as it is"
    );
}

#[tokio::test]
async fn a_seeding_that_was_cut_off_begins_anew_with_whatever_numbers() {
    let store = Store::empty().await;
    migrate(&store.primary, &store.shards).await.unwrap();
    // All shards are filled by then, and some of the games; the second report never returns.
    let reports = AtomicU64::new(0);
    let (begun, wait) = (tokio::sync::Notify::new(), std::sync::Mutex::new(()));
    let cut_off = {
        let sizes = SeedRequest {
            games: Some(3_000),
            seed: Some(7),
            shards: None,
        };
        let primary = store.primary.clone();
        let one_shard = vec![store.shards[0].clone()];
        let seeding = seed_store(&primary, &one_shard, sizes, |_, _| {
            reports.fetch_add(1, Ordering::Relaxed);
            begun.notify_one();
            drop(wait.lock());
        });
        tokio::select! {
            biased;
            () = begun.notified() => "cut off",
            _ = seeding => "finished",
        }
    };
    assert_eq!((cut_off, reports.load(Ordering::Relaxed)), ("cut off", 1));

    store.fill(SIZES).await;

    assert_eq!(count(&store.primary, "games").await, GAMES);
    let counts = store.pg_orders().count_by_shard().await.unwrap();
    assert_eq!(
        counts.iter().sum::<u64>(),
        1_000,
        "orders of the first seeding are left: {counts:?}"
    );
    // A second start checks who owns which bucket.
    store.fill(SIZES).await;
    let sample = store.pg_orders().get(1).await.unwrap();
    assert_eq!(sample, Some(Generator::new(42).order(1, GAMES)));
}

#[tokio::test]
async fn shards_in_another_order_are_refused_at_the_start_and_by_the_database() {
    let store = Store::filled().await;
    let mut swapped = store.shards.clone();
    swapped.swap(1, 2);

    let refused = seed_store(&store.primary, &swapped, SIZES, |_, _| ()).await;
    assert!(
        matches!(
            refused,
            Err(SeedError::WrongShard {
                shard: 1,
                shards: 4
            })
        ),
        "{refused:?}"
    );

    // Whoever does not look at the start is told with the first order.
    let orders = PgOrders::new(swapped);
    let customer = Generator::new(42)
        .customers()
        .iter()
        .find(|name| orders.shard_of_customer(name) == 1)
        .unwrap()
        .clone();
    let new = NewOrder {
        customer,
        game_id: 7,
        quantity: 1,
        unit_price_cents: 1,
        idempotency_key: "key".to_owned(),
    };
    let refused = orders.place(&new).await;
    assert!(
        matches!(&refused, Err(StoreError::Corrupt(reason)) if reason.contains("shard 1")),
        "{refused:?}"
    );

    // And whoever goes around all of it is stopped by the foreign key.
    let foreign = sqlx::query(
        "INSERT INTO orders VALUES (255 + 256 * 1000, DEFAULT, 'ada', 7, 1, 1, now(), NULL)",
    )
    .execute(&store.shards[0])
    .await
    .unwrap_err();
    assert!(foreign.to_string().contains("foreign key"), "{foreign}");
    assert_eq!(
        store
            .pg_orders()
            .count_by_shard()
            .await
            .unwrap()
            .iter()
            .sum::<u64>(),
        1_000
    );
}

#[tokio::test]
async fn another_chapters_migrations_in_the_same_database_are_none_of_our_business() {
    let store = Store::empty().await;
    let others = Migrator::with_migrations(vec![Migration::new(
        1,
        "jobs".into(),
        MigrationType::Simple,
        "CREATE TABLE jobs (id uuid PRIMARY KEY)".into_sql_str(),
        false,
    )]);
    for _ in 0..2 {
        migrate(&store.primary, &store.shards).await.unwrap();
        others.run(&store.primary).await.unwrap();
    }
    assert_eq!(
        count(&store.primary, "games").await + count(&store.primary, "jobs").await,
        0
    );
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let store = Store::filled().await;
    let newer = "INSERT INTO catalog_migrations SELECT 2, 'stock', now(), true, checksum, 1 FROM catalog_migrations";
    sqlx::query(newer).execute(&store.primary).await.unwrap();
    let refused = migrate(&store.primary, &store.shards).await;
    assert!(
        matches!(refused, Err(StoreError::Corrupt(_))),
        "{refused:?}"
    );
    // A lock that was left behind would keep the next start waiting for ever.
    let refused = migrate(&store.primary, &store.shards).await;
    assert!(
        matches!(refused, Err(StoreError::Corrupt(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_row_that_makes_no_sense_is_damage_and_not_an_outage() {
    let store = Store::filled().await;
    let unreadable = "ALTER TABLE games ALTER COLUMN platform TYPE integer USING 1";
    sqlx::query(unreadable)
        .execute(&store.primary)
        .await
        .unwrap();
    let catalog = open(&store.primary, &[]).await;
    let read = catalog.game(7).await;
    assert!(matches!(read, Err(StoreError::Corrupt(_))), "{read:?}");
}

async fn count(pool: &PgPool, table: &str) -> i64 {
    let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}
