//! What the planner makes of a list of games.

use sqlx::Error;
use sqlx::postgres::PgPool;

use super::GameQuery;
use super::queries::page_statement;
use crate::postgres::shape_of;

/// The shape of the plan for a list: the nodes, their indexes and the kinds of their conditions,
/// without costs and values. Two machines with the same tables get the same shape.
pub async fn plan_shape(pool: &PgPool, query: &GameQuery) -> Result<String, Error> {
    let lines = explain(pool, query, "EXPLAIN (COSTS OFF) ").await?;
    Ok(shape_of(&lines))
}

/// The largest number of rows that one node of the plan produced. The statement runs.
pub async fn rows_read(pool: &PgPool, query: &GameQuery) -> Result<u64, Error> {
    let prefix = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) ";
    let lines = explain(pool, query, prefix).await?;
    let rows = lines.iter().filter_map(|line| {
        let (_, rows) = line.split_once("actual rows=")?;
        rows.split([' ', '.']).next()?.parse().ok()
    });
    Ok(rows.max().unwrap_or(0))
}

async fn explain(pool: &PgPool, query: &GameQuery, prefix: &str) -> Result<Vec<String>, Error> {
    let mut statement = page_statement(prefix, query);
    statement.build_query_scalar().fetch_all(pool).await
}
