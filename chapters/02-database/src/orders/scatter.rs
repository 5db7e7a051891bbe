//! Sends a query to all shards at the same time, and gathers the answers of [`PgOrders`].

use std::time::Duration;

use futures_util::future::join_all;
use sqlx::postgres::{PgArguments, PgPool, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Error, Postgres, Row};

use super::gather::{Coverage, DEADLINE, Gathered, OrderFilter, OrderSort, OrderTotals, coverage};
use super::merge_first;
use super::postgres::{ORDER_COLUMNS, PgOrders, order_from_row};
use crate::model::{Order, OrderId, StoreError};
use crate::postgres::with_timeout;
use crate::sharding::Bucket;

/// How often a query is repeated because a bucket has moved.
const MAX_ATTEMPTS: usize = 5;

/// One shard's rows, and the buckets that it owns in the same snapshot.
struct Answer {
    buckets: Vec<Bucket>,
    rows: Vec<PgRow>,
}

impl PgOrders {
    pub(super) async fn gather_orders(
        &self,
        filter: &OrderFilter,
        sort: OrderSort,
        before: Option<OrderId>,
        limit: usize,
    ) -> Result<Gathered<Vec<Order>>, StoreError> {
        let sql = self.scatter_sql(&format!(
            "SELECT {ORDER_COLUMNS} FROM owned_orders WHERE id < $3 ORDER BY {} LIMIT $4",
            sort.columns()
        ));
        let query = |shard| {
            let query = filtered(&sql, filter).bind(before.unwrap_or(OrderId::MAX));
            query.bind(limit as i64).fetch_all(shard)
        };
        let answers = self.scatter(query).await?;
        let parts = answers.value.iter().map(|answer| {
            let has_order =
                |row: &&PgRow| matches!(row.try_get::<Option<i64>, _>("id"), Ok(Some(_)));
            answer
                .rows
                .iter()
                .filter(has_order)
                .map(order_from_row)
                .collect()
        });
        let parts = parts.collect::<Result<Vec<Vec<Order>>, Error>>()?;
        Ok(Gathered {
            value: merge_first(parts, sort, limit),
            missing: answers.missing,
        })
    }

    pub(super) async fn gather_totals(
        &self,
        filter: &OrderFilter,
    ) -> Result<Gathered<OrderTotals>, StoreError> {
        let sql = self.scatter_sql(
            "SELECT count(*) AS count, coalesce(sum(total_cents), 0)::bigint AS sum FROM owned_orders",
        );
        let answers = self
            .scatter(|shard| filtered(&sql, filter).fetch_all(shard))
            .await?;
        let totals = |row: &PgRow| {
            Ok(OrderTotals {
                count: row.try_get::<i64, _>("count")? as u64,
                sum_cents: row.try_get("sum")?,
            })
        };
        let parts = answers
            .value
            .iter()
            .flat_map(|answer| &answer.rows)
            .map(totals);
        Ok(Gathered {
            value: OrderTotals::merge(parts.collect::<Result<Vec<_>, Error>>()?),
            missing: answers.missing,
        })
    }

    /// A statement that reads `query` and the shard's buckets from one snapshot. The first row has
    /// the buckets. Orders that a move has left behind, or not yet completed, are not read.
    fn scatter_sql(&self, query: &str) -> String {
        let state = if self.checks_epoch {
            "state = 'active'"
        } else {
            "true"
        };
        format!(
            "WITH own AS (SELECT coalesce(array_agg(bucket), '{{}}') AS buckets \
                 FROM buckets WHERE {state}), \
             owned_orders AS (SELECT orders.* FROM orders JOIN buckets USING (bucket) \
                 WHERE {state} AND ($1::bigint IS NULL OR game_id = $1) \
                 AND ($2::bigint IS NULL OR total_cents >= $2)) \
             SELECT CASE WHEN row_number() OVER () = 1 THEN own.buckets END AS own_buckets, \
                 answer.* FROM own LEFT JOIN ({query}) AS answer ON true"
        )
    }

    // ANCHOR: scatter
    /// Asks all shards at the same time. Repeats the question if a bucket has moved in between.
    async fn scatter<'s, Ask>(
        &'s self,
        ask: impl Fn(&'s PgPool) -> Ask,
    ) -> Result<Gathered<Vec<Answer>>, StoreError>
    where
        Ask: Future<Output = Result<Vec<PgRow>, Error>>,
    {
        let mut gathered = self.scatter_once(&ask).await?;
        for _ in 1..MAX_ATTEMPTS {
            match gathered {
                (answers, Coverage::Once { missing }, failed) if missing.is_empty() || failed => {
                    return Ok(Gathered {
                        value: answers,
                        missing,
                    });
                }
                _ if !self.checks_epoch => break,
                _ => gathered = self.scatter_once(&ask).await?,
            }
        }
        match gathered {
            (value, Coverage::Once { missing }, _) => Ok(Gathered { value, missing }),
            (value, Coverage::Moved, _) if !self.checks_epoch => Ok(Gathered::complete(value)),
            (_, Coverage::Moved, _) => Err(StoreError::unavailable(
                "buckets move faster than the shards answer; try again",
            )),
        }
    }
    // ANCHOR_END: scatter

    /// The answers, the buckets in them, and whether a shard has failed.
    async fn scatter_once<'s, Ask>(
        &'s self,
        ask: &impl Fn(&'s PgPool) -> Ask,
    ) -> Result<(Vec<Answer>, Coverage, bool), StoreError>
    where
        Ask: Future<Output = Result<Vec<PgRow>, Error>>,
    {
        let shards = self.router.shards();
        let asked = shards
            .iter()
            .map(|shard| within_deadline(DEADLINE, ask(shard)));
        let mut answers = Vec::with_capacity(shards.len());
        let mut last_error = None;
        for (shard, answer) in join_all(asked).await.into_iter().enumerate() {
            match answer {
                Ok(answer) => answers.push(answer),
                Err(error) => {
                    tracing::info!(shard, %error, "a query across customers lacks a shard");
                    last_error = Some(error);
                }
            }
        }
        if let (true, Some(error)) = (answers.is_empty(), last_error.take()) {
            return Err(error.into());
        }
        let has_failed = answers.len() < shards.len();
        let covered = answers
            .iter()
            .flat_map(|answer| answer.buckets.iter().copied());
        let covered = coverage(covered);
        Ok((answers, covered, has_failed))
    }
}

async fn within_deadline(
    deadline: Duration,
    ask: impl Future<Output = Result<Vec<PgRow>, Error>>,
) -> Result<Answer, Error> {
    let rows = with_timeout(deadline, ask).await?;
    let buckets: Vec<i32> = match rows.first() {
        Some(row) => row.try_get("own_buckets")?,
        None => Vec::new(),
    };
    Ok(Answer {
        buckets: buckets.into_iter().map(|bucket| bucket as Bucket).collect(),
        rows,
    })
}

/// A query with the filter as its first two parameters.
pub(super) fn filtered(sql: &str, filter: &OrderFilter) -> Query<'static, Postgres, PgArguments> {
    sqlx::query(AssertSqlSafe(sql.to_owned()))
        .bind(filter.game_id)
        .bind(filter.min_total_cents)
}
