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

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::time::Duration;

use ch02_database::StoreError;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{SqlSafeStr, SqliteConnection};

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
    #[error(
        "{file} is not a readable database ({reason}); nothing was changed. To begin with an empty store, move its whole \
         directory away or choose another one with --data-dir DIR"
    )]
    Damaged {
        /// The file's name.
        file: String,
        /// What SQLite said.
        reason: String,
    },
    /// There is no room to write.
    #[error("the disk that {file} lies on is full; make room and start again, nothing is lost")]
    DiskFull {
        /// The file's name.
        file: String,
    },
    /// The file cannot be opened, written or migrated.
    #[error("{file} cannot be opened ({reason}); choose another directory with --data-dir DIR")]
    Unusable {
        /// The file's name.
        file: String,
        /// What the driver said.
        reason: String,
    },
}

impl Db {
    /// Opens the database in `file`, creating it if it is missing, and brings its tables up to date: of `migrations`, those that it
    /// has not seen run, in their order. One that has run somewhere never changes again; what is to change comes in a new one.
    /// `None` means a database in memory that ends with this value.
    pub async fn open(file: Option<&Path>, migrations: &[&'static str]) -> Result<Db, OpenError> {
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
            let writer = pool(1)
                .connect_with(options.clone())
                .await
                .map_err(explain)?;
            let readers = pool(READERS)
                .connect_with(options.read_only(true))
                .await
                .map_err(explain)?;
            Db { readers, writer }
        } else {
            // Each connection to ":memory:" is a database of its own, so everybody shares a single one.
            let only = pool(1)
                .connect_with(options.in_memory(true))
                .await
                .map_err(explain)?;
            Db {
                readers: only.clone(),
                writer: only,
            }
        };
        db.check().await.map_err(explain)?;
        migrator(migrations)
            .run(&db.writer)
            .await
            .map_err(|error| match error {
                MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
                    explain(error)
                }
                other => OpenError::Unusable {
                    file: name.clone(),
                    reason: other.to_string(),
                },
            })?;
        Ok(db)
    }

    /// Opens an existing database to look at it: nothing is created, migrated or written.
    pub async fn look_at(file: &Path) -> Result<Db, OpenError> {
        let name = file.display().to_string();
        let options = SqliteConnectOptions::new().filename(file).read_only(true);
        let readers = pool(1)
            .connect_with(options)
            .await
            .map_err(|error| explain(&name, &error))?;
        Ok(Db {
            writer: readers.clone(),
            readers,
        })
    }

    /// For single statements that only read. In a file they cannot do more than that: the connections are read-only.
    pub fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// Runs `work` in a transaction that commits if it returns `Ok` and is rolled back otherwise, by an error or a panic. Once
    /// called, it runs to its end even if the caller's future is dropped.
    pub async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>
            + Send
            + 'static,
    {
        let writer = self.writer.clone();
        let transaction = async move {
            let mut connection = writer.acquire().await?;
            let outcome = transact(&mut connection, work).await;
            if outcome.is_err() && !roll_back(&mut connection).await {
                // Whatever state it is in, nobody else should meet it. The pool opens a new one.
                let _ = connection.close().await;
            }
            outcome
        };
        match tokio::spawn(transaction).await {
            Ok(outcome) => outcome.map_err(StoreError::unavailable),
            Err(cancelled) => Err(StoreError::unavailable(cancelled)),
        }
    }

    /// Waits for the writes that have begun, then closes all connections.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Whether the database answers readers and would take a write.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let read = sqlx::query("SELECT 1").execute(&self.readers).await;
        read.map_err(StoreError::unavailable)?;
        self.write(|_| Box::pin(async { Ok(()) })).await
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

/// The transaction itself, in plain statements. sqlx's own `Transaction` counts how deep it is, and is wrong for ever after SQLite
/// has rolled back by itself, as it does on a full disk (<https://sqlite.org/lang_transaction.html>, section 2.3).
async fn transact<T>(
    connection: &mut SqliteConnection,
    work: impl for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    // IMMEDIATE takes the write lock at once. A transaction that begins as a reader may find at its first write that another
    // process was faster.
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut *connection)
        .await?;
    let value = AssertUnwindSafe(work(&mut *connection))
        .catch_unwind()
        .await
        .unwrap_or_else(|_| {
            Err(sqlx::Error::Protocol(
                "the transaction's code panicked".to_owned(),
            ))
        })?;
    sqlx::query("COMMIT").execute(connection).await?;
    Ok(value)
}

/// Ends what is left of a failed transaction. Returns whether the connection is outside of any transaction now.
async fn roll_back(connection: &mut SqliteConnection) -> bool {
    // An error here means in most cases that there was nothing left to roll back. What counts is whether a new one can begin.
    let _ = sqlx::query("ROLLBACK").execute(&mut *connection).await;
    sqlx::query("BEGIN").execute(&mut *connection).await.is_ok()
        && sqlx::query("ROLLBACK").execute(connection).await.is_ok()
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

fn migrator(migrations: &[&'static str]) -> Migrator {
    let numbered = (1..).zip(migrations).map(|(version, sql)| {
        let sql = sql.into_sql_str();
        Migration::new(version, "tables".into(), MigrationType::Simple, sql, false)
    });
    Migrator::with_migrations(numbered.collect())
}

/// SQLite's words for "this is not what it should be", told apart from "I may not touch it".
fn explain(file: &str, error: &sqlx::Error) -> OpenError {
    // Result codes of https://sqlite.org/rescode.html. Extended codes have the plain one in their low byte.
    const CORRUPT: u32 = 11;
    const FULL: u32 = 13;
    const NOT_A_DATABASE: u32 = 26;
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .and_then(|code| code.parse::<u32>().ok())
        .map(|code| code & 0xff);
    let (file, reason) = (file.to_owned(), error.to_string());
    match (code, error) {
        (Some(CORRUPT | NOT_A_DATABASE), _) | (_, sqlx::Error::Decode(_)) => {
            OpenError::Damaged { file, reason }
        }
        (Some(FULL), _) => OpenError::DiskFull { file },
        _ => OpenError::Unusable { file, reason },
    }
}
