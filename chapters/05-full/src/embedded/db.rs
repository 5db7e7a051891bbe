//! One SQLite database: many readers, one writer, and a write that nobody can leave half done.
//!
//! SQLite lets one connection write at a time, so there is exactly one that may, and waiting for it takes the place of "database is
//! locked" errors. Readers have a pool of their own and see the last commit meanwhile (write-ahead log).
//!
//! Why [`Db::write`] runs on a task of its own: axum drops a handler's future when its client hangs up, and a transaction inside
//! that future would stop wherever it was. A spawned task is not dropped with its caller, so every transaction that begins
//! also ends. With sqlx 0.9.0 there is more to it. Its PostgreSQL driver can return a connection to the pool *inside* a
//! transaction when the future is dropped during `BEGIN` (transact-rs/sqlx issues 4385 and 4393), and the next user of the
//! connection then writes into a transaction that nobody commits. The SQLite driver acknowledges its `BEGIN` and is not affected;
//! the rule is the same for both, so that it is one rule. `clippy.toml` forbids `Pool::begin` everywhere, to keep it that way.

use std::path::Path;
use std::time::Duration;

use ch02_database::StoreError;
use futures_util::future::BoxFuture;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, SqlSafeStr, SqliteConnection};

/// How many reads of one database run side by side. Each connection is a thread with its own page cache.
const READERS: u32 = 4;

/// One SQLite database. Cheap to clone: clones share the connections.
#[derive(Clone)]
pub struct Db {
    readers: SqlitePool,
    writer: SqlitePool,
}

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file is there, but it is not a database, or a damaged one.
    #[error("{file} is not a readable database ({reason})")]
    Damaged {
        /// The file's name.
        file: String,
        /// What SQLite said.
        reason: String,
    },
    /// The file cannot be opened, written or migrated.
    #[error("{file} cannot be opened ({reason})")]
    Unusable {
        /// The file's name.
        file: String,
        /// What the driver said.
        reason: String,
    },
}

impl Db {
    /// Opens the database in `file`, creating it if it is missing, and brings its tables up to date. `None` means a database in
    /// memory that ends with this value.
    pub async fn open(file: Option<&Path>, schema: &'static str) -> Result<Db, OpenError> {
        let name = file.map_or_else(|| ":memory:".to_owned(), |file| file.display().to_string());
        let explain = |error: sqlx::Error| explain(&name, &error);
        let options = SqliteConnectOptions::new()
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5))
            // Readers go on while the writer writes.
            .journal_mode(SqliteJournalMode::Wal)
            // A commit returns when the disk has it: an acknowledged order survives a power cut, not only a crash.
            .synchronous(SqliteSynchronous::Full);
        let db = if let Some(file) = file {
            let options = options.filename(file).create_if_missing(true);
            // The writer first: it creates the file that the readers open.
            let writer = pool(1).connect_with(options.clone()).await.map_err(explain)?;
            let readers = pool(READERS)
                .connect_with(options.read_only(true))
                .await
                .map_err(explain)?;
            Db { readers, writer }
        } else {
            // Each connection to ":memory:" is a database of its own, so everybody shares a single one.
            let only = pool(1).connect_with(options.in_memory(true)).await.map_err(explain)?;
            Db {
                readers: only.clone(),
                writer: only,
            }
        };
        db.check().await.map_err(explain)?;
        migrator(schema)
            .run(&db.writer)
            .await
            .map_err(|error| OpenError::Unusable {
                file: name.clone(),
                reason: error.to_string(),
            })?;
        Ok(db)
    }

    /// For single statements that only read. In a file they cannot do more than that: the connections are read-only.
    pub fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// Runs `work` in a transaction that commits if it returns `Ok` and is rolled back otherwise. Once called, it runs to its end
    /// even if the caller's future is dropped.
    pub async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, sqlx::Error>> + Send + 'static,
    {
        let writer = self.writer.clone();
        let transaction = async move {
            let mut connection = writer.acquire().await?;
            // IMMEDIATE takes the write lock at once. A transaction that begins as a reader may find at its first write
            // that another process was faster.
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
            let value = work(&mut transaction).await?;
            transaction.commit().await?;
            Ok(value)
        };
        match tokio::spawn(transaction).await {
            Ok(outcome) => outcome.map_err(|error: sqlx::Error| StoreError::unavailable(error)),
            Err(panic) => Err(StoreError::unavailable(panic)),
        }
    }

    /// Waits for the writes that have begun, then closes all connections.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1")
            .execute(&self.readers)
            .await
            .map(drop)
            .map_err(StoreError::unavailable)
    }

    /// Looks for damage before anybody relies on the file; tens of milliseconds for 10,000 games.
    async fn check(&self) -> Result<(), sqlx::Error> {
        let verdict: String = sqlx::query_scalar("PRAGMA quick_check(1)")
            .fetch_one(&self.writer)
            .await?;
        match verdict.as_str() {
            "ok" => Ok(()),
            damage => Err(sqlx::Error::Decode(damage.to_owned().into())),
        }
    }
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        // A database in memory ends with its last connection, and for a file a kept connection costs nothing.
        .idle_timeout(None)
        .max_lifetime(None)
        // A file needs no test whether the server is still there.
        .test_before_acquire(false)
}

fn migrator(schema: &'static str) -> Migrator {
    Migrator::with_migrations(vec![Migration::new(
        1,
        "tables".into(),
        MigrationType::Simple,
        schema.into_sql_str(),
        false,
    )])
}

/// SQLite's words for "this is not what it should be", told apart from "I may not touch it".
fn explain(file: &str, error: &sqlx::Error) -> OpenError {
    // Result codes of https://sqlite.org/rescode.html: 11 SQLITE_CORRUPT, 26 SQLITE_NOTADB. Extended codes have them in their low byte.
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .and_then(|code| code.parse::<u32>().ok());
    let damaged = matches!(code.map(|code| code & 0xff), Some(11 | 26)) || matches!(error, sqlx::Error::Decode(_));
    let (file, reason) = (file.to_owned(), error.to_string());
    if damaged {
        OpenError::Damaged { file, reason }
    } else {
        OpenError::Unusable { file, reason }
    }
}
