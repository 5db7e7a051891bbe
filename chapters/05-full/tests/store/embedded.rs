//! The embedded services: a full disk, a closed database, an interrupted seeding.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ch01_clones::clone::session::{SESSION_TTL, UserName};
use ch01_clones::{Session, SessionStore};
use ch02_database::Consistency;
use ch02_database::model::{NewOrder, PlaceOutcome};
use ch02_database::seed::SeedRequest;
use ch05_full::services::embedded::{EmbeddedStorage, SqliteDatabase, SqliteSessions};
use ch05_full::services::{DataDir, Services};
use chrono::Utc;
use sqlx::{AssertSqlSafe, Connection, Row};

use crate::support::DEADLINE;

const SMALL: SeedRequest = SeedRequest {
    games: Some(60),
    seed: None,
    shards: None,
};

async fn open(dir: &DataDir, sizes: SeedRequest) -> EmbeddedStorage {
    EmbeddedStorage::open(dir, sizes, |_, _| ()).await.unwrap()
}

async fn execute(db: &SqliteDatabase, statement: &str) -> Result<(), ch02_database::StoreError> {
    let statement = statement.to_owned();
    db.write(|db| {
        Box::pin(async move {
            sqlx::query(AssertSqlSafe(statement))
                .execute(db)
                .await
                .map(drop)
        })
    })
    .await
}

#[tokio::test]
async fn writes_work_again_after_a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let db = SqliteDatabase::open(
        Some(&dir.path().join("test.db")),
        &["CREATE TABLE notes (text TEXT) STRICT"],
    )
    .await
    .unwrap();
    let big = "INSERT INTO notes VALUES (hex(zeroblob(100000)))";
    // SQLite reports a database that may not grow as a full disk.
    execute(&db, "PRAGMA max_page_count = 1").await.unwrap();
    for _ in 0..3 {
        assert!(execute(&db, big).await.is_err());
    }
    assert!(
        sqlx::query("SELECT count(*) FROM notes")
            .fetch_one(db.readers())
            .await
            .is_ok(),
        "reads must work while the disk is full"
    );

    execute(&db, "PRAGMA max_page_count = 100000")
        .await
        .unwrap();

    execute(&db, big)
        .await
        .expect("the writer is still in the transaction that SQLite has rolled back");
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM notes")
        .fetch_one(db.readers())
        .await
        .unwrap();
    assert_eq!(count, 1);
}

#[tokio::test]
async fn panicking_transaction_is_rolled_back() {
    let db = SqliteDatabase::open(None, &["CREATE TABLE notes (n INTEGER) STRICT"])
        .await
        .unwrap();
    let panicked: Result<(), _> = db
        .write(|db| {
            Box::pin(async move {
                sqlx::query("INSERT INTO notes VALUES (1)")
                    .execute(db)
                    .await?;
                panic!("this panic is part of a test")
            })
        })
        .await;
    assert!(panicked.is_err());
    execute(&db, "INSERT INTO notes VALUES (2)").await.unwrap();
    let notes: Vec<i64> = sqlx::query_scalar("SELECT n FROM notes")
        .fetch_all(db.readers())
        .await
        .unwrap();
    assert_eq!(notes, [2]);
}

#[tokio::test]
async fn store_without_a_shard_is_not_ready() {
    let embedded = Arc::new(open(&DataDir::Memory, SMALL).await);
    let (services, _) = Services::embedded(&embedded).await.unwrap();
    services.health.check().await.unwrap();
    embedded.shards[2].close().await;
    assert!(services.health.check().await.is_err());
}

#[tokio::test]
async fn restart_restores_more_jobs_than_queue_capacity() {
    let embedded = Arc::new(open(&DataDir::Memory, SMALL).await);
    // The queue has room for 10,000 jobs. All of these jobs were confirmed.
    let unfinished = "WITH RECURSIVE n(i) AS \
         (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10100) \
         INSERT INTO jobs SELECT printf('00000000-0000-7000-8000-%012d', i), \
         'order-export', 'ada', 'queued', 0, 0, NULL FROM n";
    execute(&embedded.main, unfinished).await.unwrap();

    let (services, resumed_jobs) = Services::embedded(&embedded).await.unwrap();

    assert_eq!(resumed_jobs, 10_100);
    let take_all = async {
        for _ in 0..10_100 {
            services.queue.receive().await.unwrap().ack().await.unwrap();
        }
    };
    tokio::time::timeout(DEADLINE, take_all)
        .await
        .expect("some jobs are missing on the queue");
}

const FIRST_MIGRATION: &str = include_str!("../../migrations/store.sql");

/// A session of this age.
fn session_of_age(age: Duration) -> Session {
    Session {
        user: "ada".to_owned(),
        created_at: Utc::now() - age,
    }
}

#[tokio::test]
async fn expired_session_ends_and_is_deleted_later() {
    let embedded = open(&DataDir::Memory, SMALL).await;
    let sessions = SqliteSessions::new(embedded.main.clone());
    let (second, an_hour_before) = (Duration::from_secs(1), Duration::from_hours(6 * 24 + 23));
    let fresh = sessions
        .create(&session_of_age(an_hour_before))
        .await
        .unwrap();
    let old = sessions
        .create(&session_of_age(SESSION_TTL + second))
        .await
        .unwrap();
    assert!(sessions.load(&fresh).await.unwrap().is_some());
    assert_eq!(
        sessions.load(&old).await.unwrap(),
        None,
        "an expired session is still valid"
    );

    sessions.create(&session_of_age(second)).await.unwrap();
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM sessions")
        .fetch_one(embedded.main.readers())
        .await
        .unwrap();
    assert_eq!(kept, 2, "an expired session stays in the table");
}

#[tokio::test]
async fn older_store_is_migrated_and_keeps_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let old = SqliteDatabase::open(Some(&file), &[FIRST_MIGRATION])
        .await
        .unwrap();
    let id = SqliteSessions::new(old.clone())
        .create(&session_of_age(Duration::ZERO))
        .await
        .unwrap();
    old.close().await;

    let dir = DataDir::Folder(folder.path().to_owned());
    let embedded = open(&dir, SMALL).await;

    let sessions = SqliteSessions::new(embedded.main.clone());
    assert!(
        sessions.load(&id).await.unwrap().is_some(),
        "the migration lost a session"
    );
    sessions
        .end_all(&UserName::parse("ada").unwrap())
        .await
        .unwrap();
    assert_eq!(sessions.load(&id).await.unwrap(), None);
    let plan = sqlx::query("EXPLAIN QUERY PLAN DELETE FROM sessions WHERE session ->> 'user' = ?")
        .fetch_one(embedded.main.readers())
        .await
        .unwrap();
    let plan: &str = plan.get("detail");
    assert!(
        plan.contains("sessions_by_user"),
        "the query does not use the index: {plan}"
    );
    embedded.close().await;
}

/// Creates what an interrupted seeding leaves: filled shards and an empty main database.
async fn interrupt_seeding(path: &Path, sizes: SeedRequest) {
    let dir = DataDir::Folder(path.to_owned());
    open(&dir, sizes).await.close().await;
    // The manifest is written after the seeding.
    std::fs::remove_file(path.join("store.json")).unwrap();
    std::fs::remove_file(path.join("store.db")).unwrap();
    SqliteDatabase::open(Some(&path.join("store.db")), &[FIRST_MIGRATION])
        .await
        .unwrap()
        .close()
        .await;
}

#[tokio::test]
async fn interrupted_seeding_starts_again_with_new_sizes() {
    let temp = tempfile::tempdir().unwrap();
    let dir = DataDir::Folder(temp.path().to_owned());
    interrupt_seeding(
        temp.path(),
        SeedRequest {
            shards: Some(8),
            ..SMALL
        },
    )
    .await;

    let embedded = Arc::new(
        open(
            &dir,
            SeedRequest {
                seed: Some(7),
                ..SMALL
            },
        )
        .await,
    );

    let (services, _) = Services::embedded(&embedded).await.unwrap();
    let counts = services.orders.count_by_shard().await.unwrap();
    assert_eq!(
        (counts.len(), counts.iter().sum::<u64>()),
        (4, 1_000),
        "orders of the first seeding are still there: {counts:?}"
    );
}

#[tokio::test]
async fn inspect_does_not_seed_an_empty_store() {
    let temp = tempfile::tempdir().unwrap();
    let dir = DataDir::Folder(temp.path().to_owned());
    for interrupted in [false, true] {
        if interrupted {
            interrupt_seeding(temp.path(), SMALL).await;
        }
        let error = EmbeddedStorage::count_orders(&dir)
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("`cargo run -p ch05-full` creates one"),
            "{error}"
        );
    }
    // So the store can still be created with another size.
    open(
        &dir,
        SeedRequest {
            games: Some(61),
            ..SMALL
        },
    )
    .await;
    assert_eq!(
        EmbeddedStorage::count_orders(&dir)
            .await
            .unwrap()
            .iter()
            .sum::<u64>(),
        1_000
    );
}

#[tokio::test]
async fn invalid_seed_parameter_is_reported_as_damage() {
    let temp = tempfile::tempdir().unwrap();
    let dir = DataDir::Folder(temp.path().to_owned());
    let embedded = open(&dir, SMALL).await;
    execute(
        &embedded.main,
        "UPDATE meta SET value = 'many' WHERE key = 'games'",
    )
    .await
    .unwrap();
    embedded.close().await;
    drop(embedded);
    let error = EmbeddedStorage::open(&dir, SMALL, |_, _| ())
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("games"), "{error}");
}

/// A data directory of the version before friends, activity and news.
#[tokio::test]
async fn older_store_gets_friends_activity_and_news() {
    let folder = tempfile::tempdir().unwrap();
    let dir = DataDir::Folder(folder.path().to_owned());
    let storage = open(&dir, SMALL).await;
    let (services, _) = Services::embedded(&Arc::new(storage)).await.unwrap();
    let order = NewOrder {
        customer: "ada".to_owned(),
        game_id: 7,
        quantity: 1,
        unit_price_cents: 1,
        idempotency_key: "key".to_owned(),
        payment_reference: None,
    };
    let PlaceOutcome::Created(order) = services.orders.place(&order).await.unwrap() else {
        panic!("the key is new");
    };
    drop(services);
    let main = folder.path().join("store.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&main);
    let mut db = sqlx::SqliteConnection::connect_with(&options)
        .await
        .unwrap();
    for statement in [
        "DROP TABLE friendships",
        "DROP TABLE activity",
        "DROP TABLE news",
        "DELETE FROM meta WHERE key = 'social_and_news'",
        "DELETE FROM _sqlx_migrations WHERE version = 4",
    ] {
        sqlx::query(statement).execute(&mut db).await.unwrap();
    }
    db.close().await.unwrap();

    let storage = Arc::new(open(&dir, SMALL).await);
    let (services, _) = Services::embedded(&storage).await.unwrap();
    let social = services.social;
    let own = social
        .activity("ada", Some("ada"), None, 5, Consistency::Eventual)
        .await
        .unwrap();
    let ids: Vec<String> = own.value.into_iter().map(|event| event.id).collect();
    assert_eq!(
        ids,
        [format!("order-{}", order.id)],
        "the order that ada placed with the older version"
    );
    let feed = social
        .friends_activity("ada", None, 5, Consistency::Eventual)
        .await
        .unwrap();
    assert!(!feed.value.is_empty(), "reviews of friends");
    let news = services
        .news
        .articles(None, 100, Consistency::Eventual)
        .await
        .unwrap();
    assert_eq!(news.value.len(), 40);
}
