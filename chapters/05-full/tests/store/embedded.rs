//! The embedded services on their own: a full disk, a database that goes away, a seeding that was cut off.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ch01_clones::clone::session::{SESSION_TTL, UserName};
use ch01_clones::{Session, SessionStore};
use ch02_database::seed::SeedRequest;
use ch05_full::services::embedded::{EmbeddedStorage, SqliteDatabase, SqliteSessions};
use ch05_full::services::{DataDir, Services};
use chrono::Utc;
use sqlx::{AssertSqlSafe, Row};

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
async fn writes_work_again_when_the_disk_has_space_again() {
    let dir = tempfile::tempdir().unwrap();
    let db = SqliteDatabase::open(
        Some(&dir.path().join("test.db")),
        &["CREATE TABLE notes (text TEXT) STRICT"],
    )
    .await
    .unwrap();
    let big = "INSERT INTO notes VALUES (hex(zeroblob(100000)))";
    // To SQLite a database that may not grow is a disk that is full.
    execute(&db, "PRAGMA max_page_count = 1").await.unwrap();
    for _ in 0..3 {
        assert!(execute(&db, big).await.is_err());
    }
    assert!(
        sqlx::query("SELECT count(*) FROM notes")
            .fetch_one(db.readers())
            .await
            .is_ok(),
        "reads go on"
    );

    execute(&db, "PRAGMA max_page_count = 100000")
        .await
        .unwrap();

    execute(&db, big)
        .await
        .expect("the writer is stuck in the transaction that SQLite itself has ended");
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM notes")
        .fetch_one(db.readers())
        .await
        .unwrap();
    assert_eq!(count, 1);
}

#[tokio::test]
async fn a_transaction_that_panics_is_rolled_back_and_the_next_one_works() {
    let db = SqliteDatabase::open(None, &["CREATE TABLE notes (n INTEGER) STRICT"])
        .await
        .unwrap();
    let panicked: Result<(), _> = db
        .write(|db| {
            Box::pin(async move {
                sqlx::query("INSERT INTO notes VALUES (1)")
                    .execute(db)
                    .await?;
                panic!("on purpose")
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
async fn a_store_whose_shard_is_away_is_not_ready() {
    let embedded = Arc::new(open(&DataDir::Memory, SMALL).await);
    let (services, _) = Services::embedded(&embedded).await.unwrap();
    services.health.check().await.unwrap();
    embedded.shards[2].close().await;
    assert!(services.health.check().await.is_err());
}

#[tokio::test]
async fn more_unfinished_jobs_than_the_queue_takes_do_not_keep_the_store_from_starting() {
    let embedded = Arc::new(open(&DataDir::Memory, SMALL).await);
    // 10,000 may wait; these were all confirmed once.
    let unfinished = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10100) \
         INSERT INTO jobs SELECT printf('00000000-0000-7000-8000-%012d', i), 'order-export', 'ada', 'queued', 0, 0, NULL FROM n";
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
        .expect("some of the jobs are not on the queue");
}

const FIRST_MIGRATION: &str = include_str!("../../migrations/store.sql");

/// A session that is so old.
fn ago(time: Duration) -> Session {
    Session {
        user: "ada".to_owned(),
        created_at: Utc::now() - time,
    }
}

#[tokio::test]
async fn a_session_ends_after_its_time_and_is_swept_by_a_later_login() {
    let embedded = open(&DataDir::Memory, SMALL).await;
    let sessions = SqliteSessions::new(embedded.main.clone());
    let (second, an_hour_before) = (Duration::from_secs(1), Duration::from_hours(6 * 24 + 23));
    let fresh = sessions.create(&ago(an_hour_before)).await.unwrap();
    let old = sessions.create(&ago(SESSION_TTL + second)).await.unwrap();
    assert!(sessions.load(&fresh).await.unwrap().is_some());
    assert_eq!(
        sessions.load(&old).await.unwrap(),
        None,
        "a session outlived its time"
    );

    sessions.create(&ago(second)).await.unwrap();
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM sessions")
        .fetch_one(embedded.main.readers())
        .await
        .unwrap();
    assert_eq!(kept, 2, "the table grows for ever");
}

#[tokio::test]
async fn a_store_of_an_older_version_keeps_its_logins_and_learns_to_end_them_all() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let old = SqliteDatabase::open(Some(&file), &[FIRST_MIGRATION])
        .await
        .unwrap();
    let id = SqliteSessions::new(old.clone())
        .create(&ago(Duration::ZERO))
        .await
        .unwrap();
    old.close().await;

    let dir = DataDir::Folder(folder.path().to_owned());
    let embedded = open(&dir, SMALL).await;

    let sessions = SqliteSessions::new(embedded.main.clone());
    assert!(
        sessions.load(&id).await.unwrap().is_some(),
        "an update logs everybody out"
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
        "it looks through everybody's sessions: {plan}"
    );
    embedded.close().await;
}

/// What a seeding that was killed leaves behind: shards that are filled, and a store that is not.
async fn cut_off_seeding(path: &Path, sizes: SeedRequest) {
    let dir = DataDir::Folder(path.to_owned());
    open(&dir, sizes).await.close().await;
    std::fs::remove_file(path.join("store.db")).unwrap();
    SqliteDatabase::open(Some(&path.join("store.db")), &[FIRST_MIGRATION])
        .await
        .unwrap()
        .close()
        .await;
}

#[tokio::test]
async fn a_seeding_that_was_cut_off_begins_anew_with_whatever_sizes() {
    let temp = tempfile::tempdir().unwrap();
    let dir = DataDir::Folder(temp.path().to_owned());
    cut_off_seeding(
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
        "orders of the first seeding are left: {counts:?}"
    );
}

#[tokio::test]
async fn looking_at_a_store_that_was_never_filled_does_not_fill_it() {
    let temp = tempfile::tempdir().unwrap();
    let dir = DataDir::Folder(temp.path().to_owned());
    for begun in [false, true] {
        if begun {
            cut_off_seeding(temp.path(), SMALL).await;
        }
        let refused = EmbeddedStorage::count_orders(&dir)
            .await
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("`cargo run -p ch05-full` makes one"),
            "{refused}"
        );
    }
    // So it can still be made in another size than the default one.
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
async fn a_count_in_the_store_that_is_no_number_is_damage_and_not_an_empty_store() {
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
    let refused = EmbeddedStorage::open(&dir, SMALL, |_, _| ())
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(refused.contains("games"), "{refused}");
}
