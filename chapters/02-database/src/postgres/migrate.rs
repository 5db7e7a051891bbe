//! Migrations: every process brings the tables up to date when it starts.
//!
//! sqlx's migrator takes an advisory lock. So one process does the work; the others wait and then
//! find nothing to do. Finished migrations are recorded in tables of this chapter, not in sqlx's
//! default table. A migrator of another chapter can then use the same database.

use sqlx::SqlSafeStr;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::postgres::PgPool;
use sqlx::{Connection, Executor};

use super::pool::dedicated_connection;
use crate::model::StoreError;

/// One file of `migrations/`: version, description, statements. A released file must not change:
/// sqlx compares its checksum with the one in the database.
type Step = (i64, &'static str, &'static str);

const CATALOG: &[Step] = &[
    (
        1,
        "games and reviews",
        include_str!("../../migrations/catalog/0001_games_and_reviews.sql"),
    ),
    (
        2,
        "cluster epoch",
        include_str!("../../migrations/catalog/0002_cluster_epoch.sql"),
    ),
    (
        3,
        "social and news",
        include_str!("../../migrations/catalog/0003_social_and_news.sql"),
    ),
    (
        4,
        "shard map",
        include_str!("../../migrations/catalog/0004_shard_map.sql"),
    ),
    (
        5,
        "product documents",
        include_str!("../../migrations/catalog/0005_product_documents.sql"),
    ),
    (
        6,
        "order claims",
        include_str!("../../migrations/catalog/0006_order_claims.sql"),
    ),
];

const SHARD: &[Step] = &[
    (
        1,
        "orders",
        include_str!("../../migrations/shard/0001_orders.sql"),
    ),
    (
        2,
        "shard map",
        include_str!("../../migrations/shard/0002_shard_map.sql"),
    ),
    (
        3,
        "bucket moves",
        include_str!("../../migrations/shard/0003_bucket_moves.sql"),
    ),
    (
        4,
        "payment references",
        include_str!("../../migrations/shard/0004_payment_references.sql"),
    ),
];

const CITUS: &[Step] = &[
    (
        1,
        "orders",
        include_str!("../../migrations/citus/0001_orders.sql"),
    ),
    (
        2,
        "payment references",
        include_str!("../../migrations/citus/0002_payment_references.sql"),
    ),
];

/// Creates or updates the tables of the catalogue and of every shard.
///
/// [`StoreError::Corrupt`] if another version of the program has migrated a database and this
/// version does not know its tables.
pub async fn migrate(primary: &PgPool, shards: &[PgPool]) -> Result<(), StoreError> {
    run_migrations(primary, "catalog_migrations", CATALOG).await?;
    for shard in shards {
        run_migrations(shard, "shard_migrations", SHARD).await?;
    }
    Ok(())
}

/// Creates or updates the tables of a Citus coordinator, and the extension if it is missing.
///
/// [`StoreError::Corrupt`] if the server does not have Citus.
pub async fn migrate_citus(coordinator: &PgPool) -> Result<(), StoreError> {
    let function = "SELECT count(*) FROM pg_proc WHERE proname = 'create_distributed_table'";
    let found: i64 = sqlx::query_scalar(function).fetch_one(coordinator).await?;
    if found == 0 {
        let created = coordinator.execute("CREATE EXTENSION citus").await;
        created.map_err(|error| {
            StoreError::Corrupt(format!(
                "expected a Citus coordinator, but its database has no extension citus, and \
                 CREATE EXTENSION citus fails: {error}"
            ))
        })?;
    }
    run_migrations(coordinator, "citus_migrations", CITUS).await
}

async fn run_migrations(
    pool: &PgPool,
    migrations_table: &'static str,
    steps: &[Step],
) -> Result<(), StoreError> {
    let migrations = steps.iter().map(|&(version, description, sql)| {
        let sql = sql.into_sql_str();
        Migration::new(
            version,
            description.into(),
            MigrationType::Simple,
            sql,
            false,
        )
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
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
