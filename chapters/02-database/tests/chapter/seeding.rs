//! Migrating and seeding: several processes at once, an interrupted seeding, other parameters.

use std::sync::atomic::{AtomicU64, Ordering};

use ch02_database::model::NewOrder;
use ch02_database::postgres::{connect, migrate};
use ch02_database::seed::generator::Generator;
use ch02_database::seed::{SeedError, SeedRequest, seed_store};
use ch02_database::{Catalog, Consistency, Orders, PgOrders, StoreError};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{PgPool, SqlSafeStr};

use crate::support::{GAMES, SEED_REQUEST, Store, open_catalog};

#[tokio::test]
async fn concurrent_starts_fill_the_store_once() {
    let store = Store::empty().await;
    let filled = AtomicU64::new(0);
    let start = async || {
        let primary = connect(&store.catalog.url()).unwrap();
        let shards: Vec<PgPool> = store
            .shard_databases
            .iter()
            .map(|shard| connect(&shard.url()).unwrap())
            .collect();
        migrate(&primary, &shards).await.unwrap();
        let count = |_, _| _ = filled.fetch_add(1, Ordering::Relaxed);
        seed_store(&primary, &shards, SEED_REQUEST, count)
            .await
            .unwrap()
    };

    let parameters = tokio::join!(start(), start(), start());

    assert_eq!((parameters.0, parameters.1), (parameters.1, parameters.2));
    assert_eq!(
        filled.load(Ordering::Relaxed),
        1,
        "more than one process has written the games: is the lock taken before the check?"
    );
    assert_eq!(count(&store.primary, "games").await, GAMES);
    assert_eq!(
        store
            .pg_orders()
            .await
            .count_by_shard()
            .await
            .unwrap()
            .iter()
            .sum::<u64>(),
        1_000
    );
}

#[tokio::test]
async fn other_seed_parameters_are_rejected() {
    let store = Store::filled().await;
    let rejected = async |shards: &[PgPool], request| {
        let rejected = seed_store(&store.primary, shards, request, |_, _| ()).await;
        rejected.unwrap_err().to_string()
    };
    let more = SeedRequest {
        games: Some(61),
        ..SEED_REQUEST
    };
    let message = rejected(&store.shards, more).await;
    assert!(
        message.contains("--games 60") && message.contains("--games 61"),
        "{message}"
    );
    let other = SeedRequest {
        seed: Some(7),
        ..SEED_REQUEST
    };
    let message = rejected(&store.shards, other).await;
    assert!(
        message.contains("--seed 42") && message.contains("--seed 7"),
        "{message}"
    );
    let message = rejected(&store.shards[..3], SEED_REQUEST).await;
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
        "a number that is not requested must be the stored one"
    );
}

#[tokio::test]
async fn interrupted_seeding_starts_again_with_new_parameters() {
    let store = Store::empty().await;
    migrate(&store.primary, &store.shards).await.unwrap();
    // The seeding is dropped after a progress report. By then it has filled its shard and some of
    // the games.
    let has_begun = tokio::sync::Notify::new();
    let result = {
        let request = SeedRequest {
            games: Some(3_000),
            seed: Some(7),
            shards: None,
        };
        let primary = store.primary.clone();
        let one_shard = vec![store.shards[0].clone()];
        let seeding = seed_store(&primary, &one_shard, request, |_, _| has_begun.notify_one());
        tokio::select! {
            biased;
            () = has_begun.notified() => "interrupted",
            _ = seeding => "finished",
        }
    };
    assert_eq!(result, "interrupted");

    store.fill(SEED_REQUEST).await;

    assert_eq!(count(&store.primary, "games").await, GAMES);
    let counts = store.pg_orders().await.count_by_shard().await.unwrap();
    assert_eq!(
        counts.iter().sum::<u64>(),
        1_000,
        "orders of the interrupted seeding remain: {counts:?}"
    );
    // A second start checks the owners of the buckets.
    store.fill(SEED_REQUEST).await;
    let sample = store.pg_orders().await.get(1).await.unwrap();
    assert_eq!(sample, Some(Generator::new(42).order(1, GAMES)));
}

#[tokio::test]
async fn shards_in_wrong_order_are_rejected() {
    let store = Store::filled().await;
    let mut swapped = store.shards.clone();
    swapped.swap(1, 2);

    let rejected = seed_store(&store.primary, &swapped, SEED_REQUEST, |_, _| ()).await;
    assert!(
        matches!(
            rejected,
            Err(SeedError::WrongShard {
                shard: 1,
                shards: 4
            })
        ),
        "{rejected:?}"
    );

    // Without the check at the start, the first order fails.
    let orders = PgOrders::open(&store.primary, swapped).await.unwrap();
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
        payment_reference: None,
    };
    let rejected = orders.place(&new).await;
    assert!(
        matches!(&rejected, Err(StoreError::Corrupt(reason)) if reason.contains("shard 1")),
        "{rejected:?}"
    );

    assert_eq!(
        store
            .pg_orders()
            .await
            .count_by_shard()
            .await
            .unwrap()
            .iter()
            .sum::<u64>(),
        1_000
    );
}

#[tokio::test]
async fn lost_database_is_not_filled_again() {
    let store = Store::filled().await;
    let new = NewOrder {
        customer: "ada".to_owned(),
        game_id: 7,
        quantity: 1,
        unit_price_cents: 1,
        idempotency_key: "key".to_owned(),
        payment_reference: None,
    };
    let orders = store.pg_orders().await;
    orders.place(&new).await.unwrap();
    sqlx::query("TRUNCATE meta, games, reviews CASCADE")
        .execute(&store.primary)
        .await
        .unwrap();
    let expected = orders.shard_of_customer("ada");
    let refused = seed_store(&store.primary, &store.shards, SEED_REQUEST, |_, _| ()).await;
    assert!(
        matches!(refused, Err(SeedError::LostCatalog { shard }) if shard == expected),
        "the orders remain, so the catalogue is lost and not new: {refused:?}"
    );

    let store = Store::filled().await;
    sqlx::query("TRUNCATE orders, buckets")
        .execute(&store.shards[2])
        .await
        .unwrap();
    let refused = seed_store(&store.primary, &store.shards, SEED_REQUEST, |_, _| ()).await;
    assert!(
        matches!(
            refused,
            Err(SeedError::EmptyShard {
                shard: 2,
                shards: 4
            })
        ),
        "{refused:?}"
    );
}

#[tokio::test]
async fn migrations_of_another_chapter_are_ignored() {
    let store = Store::empty().await;
    let other_migrator = Migrator::with_migrations(vec![Migration::new(
        1,
        "jobs".into(),
        MigrationType::Simple,
        "CREATE TABLE jobs (id uuid PRIMARY KEY)".into_sql_str(),
        false,
    )]);
    for _ in 0..2 {
        migrate(&store.primary, &store.shards).await.unwrap();
        other_migrator.run(&store.primary).await.unwrap();
    }
    assert_eq!(
        count(&store.primary, "games").await + count(&store.primary, "jobs").await,
        0
    );
}

#[tokio::test]
async fn database_of_newer_version_is_rejected() {
    let store = Store::filled().await;
    let newer = "INSERT INTO catalog_migrations \
         SELECT 1000, 'stock', now(), true, checksum, 1 FROM catalog_migrations LIMIT 1";
    sqlx::query(newer).execute(&store.primary).await.unwrap();
    let rejected = migrate(&store.primary, &store.shards).await;
    assert!(
        matches!(rejected, Err(StoreError::Corrupt(_))),
        "{rejected:?}"
    );
    // The failed migration must release its lock, or the next start waits for ever.
    let rejected = migrate(&store.primary, &store.shards).await;
    assert!(
        matches!(rejected, Err(StoreError::Corrupt(_))),
        "{rejected:?}"
    );
}

#[tokio::test]
async fn unreadable_row_is_corrupt_not_unavailable() {
    let store = Store::filled().await;
    let other_type = "ALTER TABLE games ALTER COLUMN platform TYPE integer USING 1";
    sqlx::query(other_type)
        .execute(&store.primary)
        .await
        .unwrap();
    let catalog = open_catalog(&store.primary, &[]).await;
    let read = catalog.game(7, Consistency::Eventual).await;
    assert!(matches!(read, Err(StoreError::Corrupt(_))), "{read:?}");
}

async fn count(pool: &PgPool, table: &str) -> i64 {
    let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}
