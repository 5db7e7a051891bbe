//! Writes all copies again.

use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Error, Executor};

use super::activity::rebuild_activity;
use super::drift::differing_orders;
use crate::catalog::product_page::DOCUMENTS;

/// Writes every copy again from its source, and builds the product documents. Rows that are right
/// stay as they are, so a second run writes nothing.
///
/// `db` must be in a transaction: after a crash nothing has changed, and the next run starts again.
/// Writers wait while it runs.
pub async fn rebuild(db: &mut PgConnection, shards: &[PgPool]) -> Result<(), Error> {
    // Otherwise a review that is written now would be in the table and not in its copies.
    db.execute("LOCK TABLE games, reviews IN SHARE ROW EXCLUSIVE MODE")
        .await?;
    db.execute(
        "UPDATE games g SET review_count = coalesce(r.count, 0), \
         review_stars = coalesce(r.stars, 0) FROM games o LEFT JOIN \
         (SELECT game_id, count(*) AS count, sum(stars) AS stars FROM reviews GROUP BY game_id) r \
         ON r.game_id = o.id WHERE g.id = o.id AND (g.review_count, g.review_stars) \
         IS DISTINCT FROM (coalesce(r.count, 0), coalesce(r.stars, 0))",
    )
    .await?;
    rebuild_counters(db).await?;
    let documents = format!(
        "INSERT INTO product_documents AS p (game_id, document) {DOCUMENTS} \
         ON CONFLICT (game_id) DO UPDATE SET document = excluded.document \
         WHERE p.document IS DISTINCT FROM excluded.document"
    );
    sqlx::query(AssertSqlSafe(documents))
        .execute(&mut *db)
        .await?;
    let differing = differing_orders(db, shards).await?;
    let differing: Vec<String> = differing.iter().map(|id| format!("order-{id}")).collect();
    sqlx::query("DELETE FROM activity WHERE id = ANY ($1)")
        .bind(differing)
        .execute(&mut *db)
        .await?;
    rebuild_activity(db, shards).await
}

/// Counts the reviews and the friends of every customer again.
pub(crate) async fn rebuild_counters(db: &mut PgConnection) -> Result<(), Error> {
    db.execute(
        "DELETE FROM customer_counters c WHERE \
         NOT EXISTS (SELECT 1 FROM reviews r WHERE r.customer = c.customer) AND \
         NOT EXISTS (SELECT 1 FROM friendships f WHERE f.customer = c.customer)",
    )
    .await?;
    db.execute(
        "INSERT INTO customer_counters AS c (customer, reviews, friends) \
         SELECT customer, sum(reviews), sum(friends) FROM \
             (SELECT customer, 1 AS reviews, 0 AS friends FROM reviews UNION ALL \
              SELECT customer, 0, 1 FROM friendships) AS one GROUP BY customer \
         ON CONFLICT (customer) DO UPDATE \
         SET reviews = excluded.reviews, friends = excluded.friends \
         WHERE (c.reviews, c.friends) IS DISTINCT FROM (excluded.reviews, excluded.friends)",
    )
    .await
    .map(drop)
}
