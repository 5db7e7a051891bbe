//! Which store a database file belongs to, and which part of the store it is.

use ch02_database::StoreError;
use sqlx::Row;
use uuid::Uuid;

use super::database::SqliteDatabase;

/// The file of the main database.
pub(super) const MAIN: &str = "store.db";

/// The migration that creates the table.
pub(super) const MIGRATION: &str = include_str!("../../../migrations/identity.sql");

/// The file of a shard.
pub(super) fn shard(number: usize) -> String {
    format!("shard-{number}.db")
}

/// The one row of the table `identity`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// The id of the store.
    pub(super) store: Uuid,
    /// The name of the file.
    pub(super) part: String,
}

impl Identity {
    /// Reads the identity. `None` if the database has none, for example because it is empty.
    pub(super) async fn read(database: &SqliteDatabase) -> Result<Option<Identity>, StoreError> {
        let has_table: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'identity')",
        )
        .fetch_one(database.readers())
        .await?;
        if !has_table {
            return Ok(None);
        }
        let row = sqlx::query("SELECT store, part FROM identity")
            .fetch_optional(database.readers())
            .await?;
        let Some(row) = row else { return Ok(None) };
        let store: String = row.get("store");
        let store = Uuid::parse_str(&store)
            .map_err(|error| StoreError::Corrupt(format!("identity {store:?}: {error}")))?;
        let part = row.get("part");
        Ok(Some(Identity { store, part }))
    }

    /// Writes the identity in place of an earlier one.
    pub(super) async fn write(self, database: &SqliteDatabase) -> Result<(), StoreError> {
        let Identity { store, part } = self;
        database
            .write(move |connection| {
                Box::pin(async move {
                    sqlx::query("DELETE FROM identity")
                        .execute(&mut *connection)
                        .await?;
                    sqlx::query("INSERT INTO identity (store, part) VALUES (?, ?)")
                        .bind(store.to_string())
                        .bind(part)
                        .execute(connection)
                        .await
                        .map(drop)
                })
            })
            .await
    }
}
