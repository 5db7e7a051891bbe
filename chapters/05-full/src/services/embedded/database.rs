//! One SQLite database: several readers and one writer.
//!
//! SQLite lets one connection write at a time. The pool of the writer has one connection, so a
//! second write waits instead of failing with "database is locked". Readers see the last commit
//! (write-ahead log).
//!
//! [`SqliteDatabase::write`] runs a transaction in its own task. axum drops a handler's future when
//! the client disconnects; a transaction inside that future would stop half-way. A spawned task
//! goes on. `clippy.toml` forbids `Pool::begin`, because sqlx 0.9.0 can also return a PostgreSQL
//! connection to its pool inside a transaction (transact-rs/sqlx issues 4385 and 4393).

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

/// How many reads run concurrently. Each connection is a thread with its own page cache.
const READERS: u32 = 4;

/// How long a connection waits for the lock of another process.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// One SQLite database. Cheap to clone: clones share the connections.
#[derive(Clone)]
pub struct SqliteDatabase {
    readers: SqlitePool,
    writer: SqlitePool,
}

/// Why a database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenDatabaseError {
    /// The file is not a SQLite database, or it is damaged.
    #[error(
        "{file} is not a readable database ({reason}); nothing was changed. To start with an \
         empty store, move its directory away or choose another one with --data-dir DIR"
    )]
    Damaged {
        /// The file.
        file: String,
        /// SQLite's error.
        reason: String,
    },
    /// The disk is full.
    #[error("the disk that holds {file} is full; free some space and start again, no data is lost")]
    DiskFull {
        /// The file.
        file: String,
    },
    /// The file cannot be opened, written or migrated.
    #[error("{file} cannot be opened ({reason}); choose another directory with --data-dir DIR")]
    Unusable {
        /// The file.
        file: String,
        /// The driver's error.
        reason: String,
    },
}

impl SqliteDatabase {
    /// Opens the database in `file`, or a new one in memory, and runs the missing `migrations`.
    ///
    /// A missing file is created. A migration that has run somewhere must never change; add a new
    /// one instead.
    pub async fn open(
        file: Option<&Path>,
        migrations: &[&'static str],
    ) -> Result<SqliteDatabase, OpenDatabaseError> {
        let name = file.map_or_else(|| ":memory:".to_owned(), |file| file.display().to_string());
        let open_error = |error: sqlx::Error| open_error(&name, &error);
        let options = SqliteConnectOptions::new()
            .foreign_keys(true)
            .busy_timeout(LOCK_TIMEOUT)
            .journal_mode(SqliteJournalMode::Wal)
            // A commit returns when it is on the disk: it also survives a power failure.
            .synchronous(SqliteSynchronous::Full);
        let database = if let Some(file) = file {
            let options = options.filename(file).create_if_missing(true);
            // The writer connects first, because it creates the file.
            let writer = pool(1)
                .connect_with(options.clone())
                .await
                .map_err(open_error)?;
            let readers = pool(READERS)
                .connect_with(options.read_only(true))
                .await
                .map_err(open_error)?;
            SqliteDatabase { readers, writer }
        } else {
            // Each connection to ":memory:" is a separate database, so there is only one.
            let connection = pool(1)
                .connect_with(options.in_memory(true))
                .await
                .map_err(open_error)?;
            SqliteDatabase {
                readers: connection.clone(),
                writer: connection,
            }
        };
        database.check_integrity().await.map_err(open_error)?;
        let migrated = migrator(migrations).run(&database.writer).await;
        migrated.map_err(|error| match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
                open_error(error)
            }
            other => OpenDatabaseError::Unusable {
                file: name.clone(),
                reason: other.to_string(),
            },
        })?;
        Ok(database)
    }

    /// Opens an existing database for reading. Creates, migrates and writes nothing.
    pub async fn open_read_only(file: &Path) -> Result<SqliteDatabase, OpenDatabaseError> {
        let name = file.display().to_string();
        let options = SqliteConnectOptions::new().filename(file).read_only(true);
        let connection = pool(1)
            .connect_with(options)
            .await
            .map_err(|error| open_error(&name, &error))?;
        Ok(SqliteDatabase {
            readers: connection.clone(),
            writer: connection,
        })
    }

    /// The connections for reading. SQLite rejects a write on them, except in memory.
    pub fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// Runs `work` in a transaction: commits it on `Ok`, rolls it back on an error or a panic.
    ///
    /// After the first poll, the transaction runs to its end even if the caller drops the future.
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
            let result = transact(&mut connection, work).await;
            if result.is_err() && !roll_back(&mut connection).await {
                // The connection is in an unknown state. The pool opens a new one.
                let _ = connection.close().await;
            }
            result
        };
        match tokio::spawn(transaction).await {
            Ok(result) => result.map_err(StoreError::unavailable),
            Err(cancelled) => Err(StoreError::unavailable(cancelled)),
        }
    }

    /// Waits for the writes in progress, then closes all connections.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Checks that the database answers a read and accepts a transaction.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.readers).await?;
        self.write(|_| Box::pin(async { Ok(()) })).await
    }

    /// Looks for damage in the file. Takes tens of milliseconds for 10,000 games.
    async fn check_integrity(&self) -> Result<(), sqlx::Error> {
        let result: String = sqlx::query_scalar("PRAGMA quick_check(1)")
            .fetch_one(&self.writer)
            .await?;
        match result.as_str() {
            "ok" => Ok(()),
            damage => Err(sqlx::Error::Decode(damage.to_owned().into())),
        }
    }
}

/// Runs the transaction with plain SQL.
///
/// sqlx's `Transaction` counts nested transactions. Its count stays wrong after SQLite has rolled
/// back by itself, as on a full disk (<https://sqlite.org/lang_transaction.html>, section 2.3).
async fn transact<T>(
    connection: &mut SqliteConnection,
    work: impl for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    // IMMEDIATE takes the write lock at once. Otherwise the first write can fail because another
    // process has written since the first read.
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

/// Ends a failed transaction. Returns whether the connection can begin a new one.
async fn roll_back(connection: &mut SqliteConnection) -> bool {
    // ROLLBACK fails if SQLite has already rolled back. The test is whether BEGIN works.
    let _ = sqlx::query("ROLLBACK").execute(&mut *connection).await;
    sqlx::query("BEGIN").execute(&mut *connection).await.is_ok()
        && sqlx::query("ROLLBACK").execute(connection).await.is_ok()
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        // A database in memory ends with its last connection, so connections are kept.
        .idle_timeout(None)
        .max_lifetime(None)
        // A file cannot disconnect, so a test before each use is not needed.
        .test_before_acquire(false)
}

fn migrator(migrations: &[&'static str]) -> Migrator {
    let numbered = (1..).zip(migrations).map(|(version, sql)| {
        let sql = sql.into_sql_str();
        Migration::new(version, "tables".into(), MigrationType::Simple, sql, false)
    });
    Migrator::with_migrations(numbered.collect())
}

/// Tells damage and a full disk from other errors, by SQLite's result code.
fn open_error(file: &str, error: &sqlx::Error) -> OpenDatabaseError {
    // Result codes: https://sqlite.org/rescode.html. The low byte of an extended code is the
    // primary code.
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
            OpenDatabaseError::Damaged { file, reason }
        }
        (Some(FULL), _) => OpenDatabaseError::DiskFull { file },
        _ => OpenDatabaseError::Unusable { file, reason },
    }
}
