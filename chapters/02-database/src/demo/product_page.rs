//! Part 6: the product page with N+1 queries, with a join, and as a document.

use std::time::Instant;

use anyhow::Context;
use ch02_database::catalog::denormalised::{find_drift, rebuild};
use ch02_database::catalog::product_page::{PageQuery, product_page};
use ch02_database::postgres::{ReadPool, reset_statement_counts, statement_counts};
use sqlx::postgres::PgPool;
use sqlx::{Connection, Executor, PgConnection};

/// The number of pages that are read in each way.
const PAGES: i64 = 200;

/// Reads pages in the three ways, damages a copy, finds and repairs it.
pub(super) async fn compare(primary: &PgPool, url: &str, shards: &[PgPool]) -> anyhow::Result<()> {
    let mut db = PgConnection::connect(url).await?;
    rebuild_all(&mut db, shards).await?;
    let games: i64 = sqlx::query_scalar("SELECT count(*) FROM games")
        .fetch_one(primary)
        .await?;
    let reads = ReadPool::of(primary);
    for (name, way) in [
        ("N+1 queries", PageQuery::NPlusOne),
        ("one join", PageQuery::Join),
        ("one document", PageQuery::Document),
    ] {
        reset_statement_counts(primary).await?;
        let start = Instant::now();
        for n in 0..PAGES {
            let page = product_page(&reads, n % games + 1, way).await?;
            page.context("a game is missing")?;
        }
        let time = start.elapsed().as_secs_f64() * 1_000.0 / PAGES as f64;
        let queries = statement_counts(primary).await?.statements as f64 / PAGES as f64;
        println!("   {name:<13} {queries:>5.1} queries per page, {time:.1} ms per page (mean)");
    }
    db.execute(
        "UPDATE customer_counters SET reviews = 99 WHERE customer = \
                (SELECT customer FROM reviews WHERE id = 50)",
    )
    .await?;
    for drift in find_drift(&mut db, shards).await? {
        println!(
            "   a copy was damaged: {} of {} differs",
            drift.copy, drift.key
        );
    }
    rebuild_all(&mut db, shards).await?;
    let left = find_drift(&mut db, shards).await?.len();
    println!("   after the rebuild {left} copies differ from their sources\n");
    Ok(())
}

async fn rebuild_all(db: &mut PgConnection, shards: &[PgPool]) -> anyhow::Result<()> {
    db.execute("BEGIN").await?;
    rebuild(db, shards).await?;
    db.execute("COMMIT").await?;
    Ok(())
}
