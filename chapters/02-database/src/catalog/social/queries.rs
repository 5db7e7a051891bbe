//! The SQL statements of friends and activity.

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Error, Row};

use super::ActivityKey;
use crate::model::{Activity, ActivityKind, Friend, GameId, Order, Review, ReviewId};
use crate::postgres::ReadPool;
use crate::seed::generator::SAMPLE_ORDERS;

const ACTIVITY_COLUMNS: &str =
    "a.id, a.customer, a.kind, a.game_id, a.game_title, a.stars, a.created_at";

pub(super) async fn select_friends(
    server: &ReadPool,
    customer: &str,
    after: &str,
    limit: usize,
) -> Result<Vec<Friend>, Error> {
    let query = sqlx::query(
        "SELECT friend, since FROM friendships WHERE customer = $1 AND friend > $2 \
         ORDER BY friend LIMIT $3",
    )
    .bind(customer)
    .bind(after)
    .bind(limit as i64);
    let rows = server.fetch_all(query).await?;
    let friend = |row: &PgRow| {
        Ok(Friend {
            name: row.try_get("friend")?,
            since: row.try_get("since")?,
        })
    };
    rows.iter().map(friend).collect()
}

pub(super) async fn select_activity(
    server: &ReadPool,
    customer: &str,
    viewer: Option<&str>,
    before: Option<&ActivityKey>,
    limit: usize,
) -> Result<Vec<Activity>, Error> {
    // `$2` is NULL for an anonymous viewer. Then only `is_public` can be true.
    let sql = format!(
        "SELECT {ACTIVITY_COLUMNS} FROM activity a WHERE a.customer = $1 \
         AND (a.is_public OR $2 = $1 OR EXISTS \
             (SELECT 1 FROM friendships WHERE customer = $1 AND friend = $2)) \
         AND (a.created_at, a.id) < (coalesce($3, 'infinity'), $4) \
         ORDER BY a.created_at DESC, a.id DESC LIMIT $5"
    );
    let query = sqlx::query(AssertSqlSafe(sql))
        .bind(customer)
        .bind(viewer)
        .bind(before.map(|key| key.created_at))
        .bind(before.map_or("", |key| &key.id))
        .bind(limit as i64);
    let rows = server.fetch_all(query).await?;
    rows.iter().map(activity).collect()
}

// ANCHOR: friend_feed
/// One range of the reader's feed, newest first. The rows were written with each event.
pub(super) async fn select_feed(
    server: &ReadPool,
    reader: &str,
    before: Option<&ActivityKey>,
    limit: usize,
) -> Result<Vec<Activity>, Error> {
    let sql = format!(
        "SELECT {ACTIVITY_COLUMNS} FROM friend_feed f JOIN activity a ON a.id = f.activity_id \
         WHERE f.reader = $1 AND (f.created_at, f.activity_id) < (coalesce($2, 'infinity'), $3) \
         ORDER BY f.created_at DESC, f.activity_id DESC LIMIT $4"
    );
    let query = sqlx::query(AssertSqlSafe(sql))
        .bind(reader)
        .bind(before.map(|key| key.created_at))
        .bind(before.map_or("", |key| &key.id))
        .bind(limit as i64);
    let rows = server.fetch_all(query).await?;
    rows.iter().map(activity).collect()
}
// ANCHOR_END: friend_feed

/// Copies a review into the stream of its author and into the feeds of the author's friends. Runs
/// in the transaction that writes the review.
pub(crate) async fn add_review_activity(
    db: &mut PgConnection,
    game: GameId,
    review: &Review,
) -> Result<(), Error> {
    let id = format!("review-{}", review.id);
    sqlx::query(
        "INSERT INTO activity \
         (id, customer, kind, game_id, game_title, stars, is_public, created_at) \
         SELECT $1, $2, 'review', id, title, $3, true, $4 FROM games WHERE id = $5",
    )
    .bind(&id)
    .bind(&review.customer)
    .bind(i16::from(review.stars))
    .bind(review.created_at)
    .bind(game)
    .execute(&mut *db)
    .await?;
    add_to_feeds(db, &id).await
}

/// Copies an order. Does nothing if the copy exists, or if the game does not.
pub(super) async fn add_order_activity(db: &mut PgConnection, order: &Order) -> Result<(), Error> {
    let id = format!("order-{}", order.id);
    sqlx::query(
        "INSERT INTO activity \
         (id, customer, kind, game_id, game_title, is_public, created_at) \
         SELECT $1, $2, 'order', id, title, $3, $4 FROM games WHERE id = $5 \
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(&id)
    .bind(&order.customer)
    .bind(order.id <= SAMPLE_ORDERS)
    .bind(order.created_at)
    .bind(order.game_id)
    .execute(&mut *db)
    .await?;
    add_to_feeds(db, &id).await
}

async fn add_to_feeds(db: &mut PgConnection, activity: &str) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO friend_feed (reader, created_at, activity_id) \
         SELECT f.friend, a.created_at, a.id FROM activity a \
         JOIN friendships f ON f.customer = a.customer WHERE a.id = $1 ON CONFLICT DO NOTHING",
    )
    .bind(activity)
    .execute(db)
    .await
    .map(drop)
}

/// Deletes the copy of a review; the foreign key deletes it from the feeds. Runs in the transaction
/// that deletes the review.
pub(crate) async fn delete_activity(db: &mut PgConnection, review: ReviewId) -> Result<(), Error> {
    sqlx::query("DELETE FROM activity WHERE id = $1")
        .bind(format!("review-{review}"))
        .execute(db)
        .await
        .map(drop)
}

fn activity(row: &PgRow) -> Result<Activity, Error> {
    let kind: &str = row.try_get("kind")?;
    let stars: Option<i16> = row.try_get("stars")?;
    Ok(Activity {
        id: row.try_get("id")?,
        customer: row.try_get("customer")?,
        kind: ActivityKind::from_name(kind)
            .ok_or_else(|| Error::Decode(format!("unknown kind of activity: {kind}").into()))?,
        game_id: row.try_get("game_id")?,
        game_title: row.try_get("game_title")?,
        stars: stars
            .map(u8::try_from)
            .transpose()
            .map_err(|error| Error::Decode(error.into()))?,
        created_at: row.try_get("created_at")?,
    })
}
