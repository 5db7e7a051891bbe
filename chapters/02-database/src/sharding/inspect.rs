//! What an operator wants to know about each shard.

use sqlx::Row;
use sqlx::postgres::PgPool;

use super::bucket::Bucket;
use super::rebalance::{MoveRecord, open_moves};
use super::shard_map::{Epoch, ShardMap};
use crate::model::StoreError;
use crate::postgres::{QUERY_TIMEOUT, with_timeout};

/// The state of one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardReport {
    /// The number of orders in active buckets.
    pub orders: i64,
    /// The number of orders that a move has left behind or not yet completed.
    pub inactive_orders: i64,
    /// The buckets that the shard owns.
    pub active: Vec<Bucket>,
    /// The buckets that a move copies to this shard.
    pub incoming: Vec<Bucket>,
    /// The buckets that have moved away, and are not cleaned up.
    pub moved: Vec<Bucket>,
    /// The moves that leave the shard and have not ended.
    pub moves: Vec<MoveRecord>,
    /// The highest epoch of its buckets.
    pub epoch: Epoch,
    /// The size of the database in bytes, with indexes.
    pub bytes: i64,
    /// By how many bytes of the log its slowest standby is behind. `None` without a standby.
    pub standby_lag: Option<i64>,
}

impl ShardReport {
    /// Asks one shard.
    pub async fn read(shard: &PgPool) -> Result<Self, StoreError> {
        let query = sqlx::query(
            "SELECT count(*) FILTER (WHERE state = 'active') AS orders, \
             count(*) FILTER (WHERE state <> 'active') AS inactive_orders, \
             (SELECT array_agg(bucket ORDER BY bucket) FROM buckets WHERE state = 'active') AS active, \
             (SELECT array_agg(bucket ORDER BY bucket) FROM buckets WHERE state = 'incoming') AS incoming, \
             (SELECT array_agg(bucket ORDER BY bucket) FROM buckets WHERE state = 'moved') AS moved, \
             (SELECT coalesce(max(epoch), 0) FROM buckets) AS epoch, \
             pg_database_size(current_database()) AS bytes, \
             (SELECT max(pg_current_wal_lsn() - replay_lsn)::bigint FROM pg_stat_replication) AS lag \
             FROM orders JOIN buckets USING (bucket)",
        );
        let row = with_timeout(QUERY_TIMEOUT, query.fetch_one(shard)).await?;
        let buckets = |column: &str| {
            let numbers: Option<Vec<i32>> = row.try_get(column)?;
            let numbers = numbers.unwrap_or_default().into_iter();
            Ok::<_, sqlx::Error>(numbers.map(|number| number as Bucket).collect())
        };
        Ok(ShardReport {
            orders: row.try_get("orders")?,
            inactive_orders: row.try_get("inactive_orders")?,
            active: buckets("active")?,
            incoming: buckets("incoming")?,
            moved: buckets("moved")?,
            moves: with_timeout(QUERY_TIMEOUT, open_moves(shard)).await?,
            epoch: row.try_get("epoch")?,
            bytes: row.try_get("bytes")?,
            standby_lag: row.try_get("lag")?,
        })
    }
}

/// Where the map and the shards disagree: the bucket, and the shards that say they own it. An entry
/// here is a move that was interrupted, or a shard that did not answer (`None`).
pub fn disagreements(map: &ShardMap, reports: &[Option<ShardReport>]) -> Vec<(Bucket, Vec<usize>)> {
    let owners = |bucket: Bucket| {
        let owns = |report: &Option<ShardReport>| {
            report
                .as_ref()
                .is_some_and(|report| report.active.contains(&bucket))
        };
        let shards = reports.iter().enumerate();
        shards
            .filter(|(_, report)| owns(report))
            .map(|(shard, _)| shard)
            .collect()
    };
    let with_owners = (0..super::BUCKETS).map(|bucket| (bucket, owners(bucket)));
    with_owners
        .filter(|(bucket, owners): &(Bucket, Vec<usize>)| owners != &[map.owner(*bucket)])
        .collect()
}
