//! What two shards compare before one of them gives a bucket to the other.

use std::fmt;

use sqlx::Row;
use sqlx::postgres::PgExecutor;

use super::super::bucket::Bucket;
use super::error::MoveError;

/// The number of a bucket's orders, their checksum, and the bucket's next sequence number.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Digest {
    orders: i64,
    checksum: String,
    next: Option<i64>,
}

impl Digest {
    /// Reads the digest of a bucket from a shard.
    pub(super) async fn read(
        shard: impl PgExecutor<'_>,
        bucket: Bucket,
    ) -> Result<Digest, MoveError> {
        // A sum does not depend on the order of the rows. Unlike XOR, it counts a row that is there
        // twice.
        let row = sqlx::query(
            "SELECT count(*) AS orders, \
                 coalesce(sum(('x' || left(md5(orders::text), 15))::bit(60)::bigint), 0)::text \
                     AS checksum, \
                 (SELECT next FROM buckets WHERE bucket = $1) AS next \
             FROM orders WHERE bucket = $1",
        )
        .bind(i32::from(bucket))
        .fetch_one(shard)
        .await?;
        Ok(Digest {
            orders: row.try_get("orders")?,
            checksum: row.try_get("checksum")?,
            next: row.try_get("next")?,
        })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Digest {
            orders,
            checksum,
            next,
        } = self;
        write!(f, "{orders} orders (checksum {checksum}, next {next:?})")
    }
}
