//! The comparison of both shards, before the new one gets the bucket.
//!
//! # Invariant
//!
//! An order of the bucket is in at least one of three sets: it was compared and is the same on both
//! shards; it is in the log of changes; or it is [`Unchecked`]. A change enters the log in the
//! transaction that makes it, and leaves the log when the mover has written the order to the copy,
//! which makes it unchecked. Only the mover writes to the copy.
//!
//! So the whole bucket is compared once, batch by batch, while customers order. Later comparisons
//! need only the unchecked orders. In the block, the log is empty, and the unchecked orders are
//! those that have changed since the last comparison. Their number depends on the rate of orders
//! and not on the size of the bucket.

use std::collections::BTreeSet;
use std::fmt;
use std::mem::replace;

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row};

use super::error::MoveError;
use super::fail_point::fail_point;
use super::target::{TargetCopy, Unchecked};
use crate::model::OrderId;

/// The number and the checksum of the rows `compared`. A sum does not depend on the order of the
/// rows. Unlike XOR, it counts a row that is there twice.
const DIGEST: &str = "count(*) AS orders, \
     coalesce(sum(('x' || left(md5(compared::text), 15))::bit(60)::bigint), 0)::text AS checksum";

/// Compares the unchecked orders on both shards, except those in the log. Returns how many orders
/// it has read on the old shard.
pub(super) async fn compare(
    source: &mut PgConnection,
    copy: &mut TargetCopy<'_>,
    batch: u32,
) -> Result<u64, MoveError> {
    let nothing = Unchecked::Only(BTreeSet::new());
    match replace(&mut copy.unchecked, nothing) {
        Unchecked::All => compare_all(source, copy, batch).await,
        Unchecked::Only(ids) => {
            let ids: Vec<OrderId> = ids.into_iter().collect();
            let mut compared = 0;
            for ids in ids.chunks(batch as usize) {
                compared += compare_some(source, copy, ids).await?;
            }
            Ok(compared)
        }
    }
}

// ANCHOR: compare_all
/// Compares the bucket in ranges of ids. The last range has no end, so that it also finds orders
/// that only the copy has.
async fn compare_all(
    source: &mut PgConnection,
    copy: &TargetCopy<'_>,
    batch: u32,
) -> Result<u64, MoveError> {
    let (mut first, mut compared) = (0, 0);
    while first < i64::MAX {
        // One statement is one snapshot. What has changed before it is in the copy or in the log.
        let row = sqlx::query(AssertSqlSafe(format!(
            "WITH batch AS MATERIALIZED (SELECT * FROM orders \
                 WHERE bucket = $1 AND id > $2 ORDER BY id LIMIT $3), \
             range AS (SELECT CASE WHEN count(*) < $3 THEN $4 ELSE max(id) END AS last \
                 FROM batch), \
             log AS (SELECT coalesce(array_agg(DISTINCT order_id), '{{}}') AS ids \
                 FROM order_changes, range \
                 WHERE bucket = $1 AND order_id > $2 AND order_id <= last) \
             SELECT last, ids, digest.* FROM range, log, LATERAL (SELECT {DIGEST} \
                 FROM batch AS compared WHERE id <> ALL (ids)) AS digest"
        )))
        .bind(i32::from(copy.bucket))
        .bind(first)
        .bind(i64::from(batch))
        .bind(i64::MAX)
        .fetch_one(&mut *source)
        .await?;
        let (last, changed): (OrderId, Vec<OrderId>) = (row.try_get("last")?, row.try_get("ids")?);
        let on_target = sqlx::query(AssertSqlSafe(format!(
            "SELECT {DIGEST} FROM (SELECT * FROM orders \
                 WHERE bucket = $1 AND id > $2 AND id <= $3 AND id <> ALL ($4)) AS compared"
        )))
        .bind(i32::from(copy.bucket))
        .bind(first)
        .bind(last)
        .bind(changed)
        .fetch_one(copy.pool)
        .await?;
        compared += check_equal(copy, &row, &on_target)?;
        fail_point(copy.bucket, "comparing")?;
        first = last;
    }
    Ok(compared)
}
// ANCHOR_END: compare_all

/// Compares some orders.
async fn compare_some(
    source: &mut PgConnection,
    copy: &TargetCopy<'_>,
    ids: &[OrderId],
) -> Result<u64, MoveError> {
    let on_source = sqlx::query(AssertSqlSafe(format!(
        "WITH log AS (SELECT coalesce(array_agg(DISTINCT order_id), '{{}}') AS ids \
             FROM order_changes WHERE bucket = $1 AND order_id = ANY ($2)) \
         SELECT ids, digest.* FROM log, LATERAL (SELECT {DIGEST} \
             FROM (SELECT * FROM orders WHERE bucket = $1 AND id = ANY ($2)) AS compared \
             WHERE id <> ALL (ids)) AS digest"
    )))
    .bind(i32::from(copy.bucket))
    .bind(ids)
    .fetch_one(&mut *source)
    .await?;
    let changed: Vec<OrderId> = on_source.try_get("ids")?;
    let on_target = sqlx::query(AssertSqlSafe(format!(
        "SELECT {DIGEST} FROM (SELECT * FROM orders \
             WHERE bucket = $1 AND id = ANY ($2) AND id <> ALL ($3)) AS compared"
    )))
    .bind(i32::from(copy.bucket))
    .bind(ids)
    .bind(changed)
    .fetch_one(copy.pool)
    .await?;
    check_equal(copy, &on_source, &on_target)
}

/// The number of orders, if both digests are equal.
fn check_equal(
    copy: &TargetCopy<'_>,
    on_source: &PgRow,
    on_target: &PgRow,
) -> Result<u64, MoveError> {
    let (on_source, on_target) = (Digest::from_row(on_source)?, Digest::from_row(on_target)?);
    if on_source == on_target {
        return Ok(on_source.orders as u64);
    }
    Err(MoveError::Different {
        bucket: copy.bucket,
        source_digest: on_source.to_string(),
        target_digest: on_target.to_string(),
    })
}

/// The number of some orders and their checksum.
#[derive(PartialEq, Eq)]
struct Digest {
    orders: i64,
    checksum: String,
}

impl Digest {
    fn from_row(row: &PgRow) -> Result<Digest, sqlx::Error> {
        Ok(Digest {
            orders: row.try_get("orders")?,
            checksum: row.try_get("checksum")?,
        })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} orders (checksum {})", self.orders, self.checksum)
    }
}
