//! Rebuilds the activity of all customers and the feeds of their friends.

use chrono::{DateTime, Utc};
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Error, Row};

use crate::model::OrderId;
use crate::seed::generator::SAMPLE_ORDERS;

/// The number of orders that are copied by one statement.
const ORDERS_PER_STATEMENT: i64 = 10_000;

/// Writes the activity and the feeds again from reviews, orders and friendships. Correct rows
/// stay. Running it again changes nothing.
///
/// `db` must be in a transaction, so that no reader sees half of it.
pub async fn rebuild_activity(db: &mut PgConnection, shards: &[PgPool]) -> Result<(), Error> {
    // What has no source or differs from it is deleted, and comes back below.
    sqlx::query(
        "DELETE FROM activity a WHERE kind = 'review' AND NOT EXISTS \
         (SELECT 1 FROM reviews r JOIN games g ON g.id = r.game_id \
          WHERE a.id = 'review-' || r.id AND (a.customer, a.game_id, a.game_title, a.stars, \
          a.is_public, a.created_at) = (r.customer, g.id, g.title, r.stars, true, r.created_at))",
    )
    .execute(&mut *db)
    .await?;
    sqlx::query(
        "INSERT INTO activity \
         (id, customer, kind, game_id, game_title, stars, is_public, created_at) \
         SELECT 'review-' || r.id, r.customer, 'review', g.id, g.title, r.stars, true, \
         r.created_at FROM reviews r JOIN games g ON g.id = r.game_id ON CONFLICT DO NOTHING",
    )
    .execute(&mut *db)
    .await?;
    for shard in shards {
        copy_orders(db, shard).await?;
    }
    rebuild_feeds(db).await
}

/// Copies the orders of one shard, some thousand at a time, so that memory stays flat.
async fn copy_orders(db: &mut PgConnection, shard: &PgPool) -> Result<(), Error> {
    let mut last: OrderId = 0;
    loop {
        let rows = sqlx::query(
            "SELECT id, customer, game_id, created_at FROM orders WHERE id > $1 ORDER BY id LIMIT $2",
        )
        .bind(last)
        .bind(ORDERS_PER_STATEMENT)
        .fetch_all(shard)
        .await?;
        let Some(end) = rows.last() else {
            return Ok(());
        };
        last = end.try_get("id")?;
        let (mut ids, mut customers) = (Vec::new(), Vec::new());
        let (mut games, mut times) = (Vec::new(), Vec::new());
        for row in &rows {
            ids.push(row.try_get::<OrderId, _>("id")?);
            customers.push(row.try_get::<String, _>("customer")?);
            games.push(row.try_get::<i64, _>("game_id")?);
            times.push(row.try_get::<DateTime<Utc>, _>("created_at")?);
        }
        sqlx::query(
            "INSERT INTO activity (id, customer, kind, game_id, game_title, is_public, created_at) \
             SELECT 'order-' || o.id, o.customer, 'order', g.id, g.title, o.id <= $5, o.created_at \
             FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::timestamptz[]) \
             AS o (id, customer, game_id, created_at) JOIN games g ON g.id = o.game_id \
             ON CONFLICT (id) DO UPDATE SET customer = excluded.customer, \
             game_id = excluded.game_id, game_title = excluded.game_title, \
             is_public = excluded.is_public, created_at = excluded.created_at \
             WHERE (activity.customer, activity.game_id, activity.game_title, activity.is_public, \
             activity.created_at) IS DISTINCT FROM (excluded.customer, excluded.game_id, \
             excluded.game_title, excluded.is_public, excluded.created_at)",
        )
        .bind(ids)
        .bind(customers)
        .bind(games)
        .bind(times)
        .bind(SAMPLE_ORDERS)
        .execute(&mut *db)
        .await?;
    }
}

/// Writes the missing rows of the feeds, and deletes those that nobody should see.
async fn rebuild_feeds(db: &mut PgConnection) -> Result<(), Error> {
    sqlx::query(
        "DELETE FROM friend_feed f WHERE NOT EXISTS \
         (SELECT 1 FROM activity a JOIN friendships s ON s.customer = a.customer \
          WHERE a.id = f.activity_id AND s.friend = f.reader AND a.created_at = f.created_at)",
    )
    .execute(&mut *db)
    .await?;
    sqlx::query(
        "INSERT INTO friend_feed (reader, created_at, activity_id) \
         SELECT s.friend, a.created_at, a.id FROM activity a \
         JOIN friendships s ON s.customer = a.customer ON CONFLICT DO NOTHING",
    )
    .execute(db)
    .await
    .map(drop)
}
