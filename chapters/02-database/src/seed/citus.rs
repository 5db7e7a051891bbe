//! Fills and checks a Citus coordinator with the orders of a store.

use sqlx::postgres::PgPool;
use sqlx::{Connection, Error, Executor};

use super::copy::Rows;
use super::error::SeedError;
use super::generator::{Generator, SAMPLE_ORDERS};
use super::sample_orders::{FIRST_SEQUENCE, add_order};
use crate::model::GameId;
use crate::postgres::dedicated_connection;
use crate::sharding::BUCKETS;

/// Writes the sample orders, then the buckets. Each statement is a transaction of its own, and the
/// buckets come last: a seeding that was killed begins again.
pub(super) async fn fill_coordinator(
    coordinator: &PgPool,
    generator: &Generator,
    games: GameId,
) -> Result<(), Error> {
    let mut rows = Rows::default();
    for id in 1..=SAMPLE_ORDERS {
        add_order(&generator.order(id, games), &mut rows);
    }
    let mut db = dedicated_connection(coordinator).await?;
    db.execute("DELETE FROM order_sequences").await?;
    sqlx::query("DELETE FROM orders WHERE id <= $1")
        .bind(SAMPLE_ORDERS)
        .execute(&mut db)
        .await?;
    let into = "orders (id, customer, game_id, quantity, total_cents, created_at)";
    rows.copy(&mut db, into).await?;
    sqlx::query(
        "INSERT INTO order_sequences (bucket, next) \
         SELECT bucket, $2 FROM generate_series(0, $1) AS bucket",
    )
    .bind(i32::from(BUCKETS) - 1)
    .bind(FIRST_SEQUENCE)
    .execute(&mut db)
    .await?;
    db.close().await
}

/// Fails if the store was filled and its coordinator was not.
pub(super) async fn check_coordinator(coordinator: &PgPool) -> Result<(), SeedError> {
    let buckets: i64 = sqlx::query_scalar("SELECT count(*) FROM order_sequences")
        .fetch_one(coordinator)
        .await?;
    if buckets == i64::from(BUCKETS) {
        Ok(())
    } else {
        Err(SeedError::EmptyShard {
            shard: 0,
            shards: 1,
        })
    }
}
