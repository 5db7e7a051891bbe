//! Migrations: every process brings the tables up to date when it starts.
//!
//! sqlx's migrator takes an advisory lock. So one process does the work; the others wait and then
//! find nothing to do. Finished migrations are recorded in tables of this chapter, not in sqlx's
//! default table. A migrator of another chapter can then use the same database.

use sqlx::Connection;
use sqlx::SqlSafeStr;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::postgres::PgPool;

use super::pool::dedicated_connection;
use crate::model::StoreError;

const CATALOG: &str = include_str!("../../migrations/catalog/0001_games_and_reviews.sql");
const SHARD: &str = include_str!("../../migrations/shard/0001_orders.sql");

/// Creates or updates the tables of the catalogue and of every shard.
///
/// [`StoreError::Corrupt`] if another version of the program has migrated a database and this
/// version does not know its tables.
pub async fn migrate(primary: &PgPool, shards: &[PgPool]) -> Result<(), StoreError> {
    run_migration(primary, "catalog_migrations", "games and reviews", CATALOG).await?;
    for shard in shards {
        run_migration(shard, "shard_migrations", "orders", SHARD).await?;
    }
    Ok(())
}

async fn run_migration(
    pool: &PgPool,
    migrations_table: &'static str,
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
    migrator.dangerous_set_table_name(migrations_table);
    let mut connection = dedicated_connection(pool).await?;
    let migrated = migrator.run(&mut connection).await;
    // Always closed: after an error, sqlx's lock would stay with the connection.
    let _ = connection.close().await;
    migrated.map_err(|error| match error {
        MigrateError::Execute(error) => error.into(),
        other => StoreError::Corrupt(format!("the tables cannot be brought up to date: {other}")),
    })
}
