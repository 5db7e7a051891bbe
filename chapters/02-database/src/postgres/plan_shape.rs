//! The plan of a statement, without the details that differ between two machines.

use sqlx::postgres::PgExecutor;
use sqlx::{AssertSqlSafe, Error};

/// The shape of a statement's plan: its nodes, their relations, their indexes and the kinds of
/// their conditions, without costs and values. The statement does not run.
pub async fn plan_shape(db: impl PgExecutor<'_>, statement: &str) -> Result<String, Error> {
    let explain = format!("EXPLAIN (COSTS OFF) {statement}");
    let lines: Vec<String> = sqlx::query_scalar(AssertSqlSafe(explain))
        .fetch_all(db)
        .await?;
    Ok(shape_of(&lines))
}

/// The shape of a plan that `EXPLAIN` has printed. See [`plan_shape`].
pub(crate) fn shape_of(lines: &[String]) -> String {
    let shape = lines.iter().map(|line| {
        let is_node = line.contains("->") || !line.contains(": ") || line.contains("Relations: ");
        let end = if is_node { None } else { line.find(": ") };
        &line[..end.unwrap_or(line.len())]
    });
    shape.collect::<Vec<_>>().join("\n")
}
