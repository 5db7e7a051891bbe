//! Compares every copy with its source.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Error, Row};

use crate::catalog::product_page::DOCUMENTS;
use crate::model::OrderId;

/// A copy that differs from its source, or is missing, or has no source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Drift {
    /// The table and, where needed, the columns of the copy.
    pub copy: &'static str,
    /// The key of the copy.
    pub key: String,
}

/// Finds every difference between the sources and their copies. Reads all tables.
///
/// `db` must be in a transaction with the isolation level `REPEATABLE READ`, so that all statements
/// see the same moment. An order that is placed during the check can be reported as missing,
/// because its shard is read at another moment: check again.
pub async fn find_drift(db: &mut PgConnection, shards: &[PgPool]) -> Result<Vec<Drift>, Error> {
    let mut found = Vec::new();
    for (copy, sql) in COMPARISONS {
        add(&mut found, db, copy, sql.to_owned()).await?;
    }
    // Without a document, the documents are not in use.
    let documents = format!(
        "SELECT coalesce(d.id, p.game_id)::text FROM ({DOCUMENTS}) d \
         FULL JOIN product_documents p ON p.game_id = d.id \
         WHERE EXISTS (SELECT 1 FROM product_documents) \
         AND d.document IS DISTINCT FROM p.document"
    );
    add(&mut found, db, "product_documents", documents).await?;
    for order in differing_orders(db, shards).await? {
        found.push(Drift {
            copy: "activity of orders",
            key: format!("order-{order}"),
        });
    }
    found.sort();
    Ok(found)
}

/// Each statement returns the keys of the copies that differ.
const COMPARISONS: [(&str, &str); 4] = [
    (
        "games (review_count, review_stars)",
        "SELECT g.id::text FROM games g LEFT JOIN \
         (SELECT game_id, count(*) AS count, sum(stars) AS stars FROM reviews GROUP BY game_id) r \
         ON r.game_id = g.id WHERE (g.review_count, g.review_stars) \
         IS DISTINCT FROM (coalesce(r.count, 0), coalesce(r.stars, 0))",
    ),
    (
        "customer_counters",
        "SELECT coalesce(c.customer, s.customer) FROM customer_counters c FULL JOIN \
         (SELECT customer, sum(reviews) AS reviews, sum(friends) AS friends FROM \
             (SELECT customer, 1 AS reviews, 0 AS friends FROM reviews UNION ALL \
              SELECT customer, 0, 1 FROM friendships) AS one GROUP BY customer) s \
         ON s.customer = c.customer WHERE (coalesce(c.reviews, 0), coalesce(c.friends, 0)) \
         IS DISTINCT FROM (coalesce(s.reviews, 0), coalesce(s.friends, 0))",
    ),
    (
        "activity of reviews",
        "SELECT coalesce(a.id, s.id) FROM (SELECT * FROM activity WHERE kind = 'review') a \
         FULL JOIN (SELECT 'review-' || r.id AS id, r.customer, g.id AS game_id, g.title, r.stars, \
         r.created_at FROM reviews r JOIN games g ON g.id = r.game_id) s ON s.id = a.id \
         WHERE (a.customer, a.game_id, a.game_title, a.stars, a.is_public, a.created_at) \
         IS DISTINCT FROM (s.customer, s.game_id, s.title, s.stars, true, s.created_at)",
    ),
    (
        "friend_feed",
        "SELECT coalesce(f.reader || ' ' || f.activity_id, s.reader || ' ' || s.id) \
         FROM friend_feed f FULL JOIN (SELECT f.friend AS reader, a.created_at, a.id \
         FROM activity a JOIN friendships f ON f.customer = a.customer) s \
         ON (s.reader, s.created_at, s.id) = (f.reader, f.created_at, f.activity_id) \
         WHERE f.reader IS NULL OR s.reader IS NULL",
    ),
];

async fn add(
    found: &mut Vec<Drift>,
    db: &mut PgConnection,
    copy: &'static str,
    sql: String,
) -> Result<(), Error> {
    let keys: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(db).await?;
    found.extend(keys.into_iter().map(|key| Drift { copy, key }));
    Ok(())
}

/// What a copy of an order holds.
type OrderCopy = (OrderId, String, i64, DateTime<Utc>);

/// The orders whose copy is missing or wrong, and the copies without an order. A join in the
/// application, because the orders are on other servers.
pub(super) async fn differing_orders(
    db: &mut PgConnection,
    shards: &[PgPool],
) -> Result<Vec<OrderId>, Error> {
    let copies = sqlx::query(
        "SELECT substr(a.id, 7)::bigint AS id, a.customer, a.game_id, a.created_at, \
         g.title = a.game_title AS has_title \
         FROM activity a JOIN games g ON g.id = a.game_id WHERE a.kind = 'order'",
    )
    .fetch_all(&mut *db)
    .await?;
    let mut differing = HashSet::new();
    let mut unmatched = HashSet::new();
    for row in &copies {
        let copy = order_copy(row)?;
        if !row.try_get::<bool, _>("has_title")? {
            differing.insert(copy.0);
        }
        unmatched.insert(copy);
    }
    for shard in shards {
        let orders = sqlx::query("SELECT id, customer, game_id, created_at FROM orders")
            .fetch_all(shard)
            .await?;
        for row in &orders {
            let order = order_copy(row)?;
            if !unmatched.remove(&order) {
                differing.insert(order.0);
            }
        }
    }
    differing.extend(unmatched.into_iter().map(|copy| copy.0));
    Ok(differing.into_iter().collect())
}

fn order_copy(row: &sqlx::postgres::PgRow) -> Result<OrderCopy, Error> {
    Ok((
        row.try_get("id")?,
        row.try_get("customer")?,
        row.try_get("game_id")?,
        row.try_get("created_at")?,
    ))
}
