//! Tables, brought up to date at every start, by however many processes start at once.
//!
//! sqlx's migrator takes an advisory lock, so one process works and the others wait and then find nothing to do. What was done is
//! noted in tables of this chapter's own and not in sqlx's default one: another chapter that keeps something in the same database has
//! a migrator and a table of its own too, and neither stumbles over the other's numbers.
//!
//! Left out: changing a table that is in use. A migration that locks a large table for minutes locks out the store for minutes.

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Connection, Error, Executor, SqlSafeStr};

use super::store_error;
use crate::StoreError;

const CATALOG: &str = include_str!("../../migrations/catalog/0001_games_and_reviews.sql");
const SHARD: &str = include_str!("../../migrations/shard/0001_orders.sql");

/// Makes the tables of the catalogue and of every shard, or brings them up to date.
///
/// [`StoreError::Corrupt`] if a database was migrated by another version of the program, with tables that this one does not know.
pub async fn migrate(primary: &PgPool, shards: &[PgPool]) -> Result<(), StoreError> {
    run(primary, "catalog_migrations", "games and reviews", CATALOG).await?;
    for shard in shards {
        run(shard, "shard_migrations", "orders", SHARD).await?;
    }
    Ok(())
}

async fn run(
    pool: &PgPool,
    notes: &'static str,
    name: &'static str,
    sql: &'static str,
) -> Result<(), StoreError> {
    let migration = Migration::new(
        1,
        name.into(),
        MigrationType::Simple,
        sql.into_sql_str(),
        false,
    );
    let mut migrator = Migrator::with_migrations(vec![migration]);
    migrator.dangerous_set_table_name(notes);
    let mut connection = patient(pool).await.map_err(store_error)?;
    let migrated = migrator.run(&mut connection).await;
    // Closed in any case: after an error, sqlx's lock would stay with the connection.
    let _ = connection.close().await;
    migrated.map_err(|error| match error {
        MigrateError::Execute(error) => store_error(error),
        other => StoreError::Corrupt(format!("the tables cannot be brought up to date: {other}")),
    })
}

/// A connection of one's own without the limits of those in the pool: filling a store, and waiting for somebody else who does, takes as
/// long as it takes, and a network that falls silent meanwhile is not noticed. Whoever drops it ends its transaction and its locks.
pub(super) async fn patient(pool: &PgPool) -> Result<PgConnection, Error> {
    let mut connection = pool.acquire().await?.detach();
    connection
        .execute("SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0")
        .await?;
    Ok(connection)
}
