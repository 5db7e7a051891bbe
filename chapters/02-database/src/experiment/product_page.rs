//! `experiment product-page`: the page with N+1 queries, with a join, and as a document.

use std::time::{Duration, Instant};

use anyhow::Context;
use ch02_database::catalog::denormalised::rebuild;
use ch02_database::catalog::product_page::{PageQuery, product_page};
use ch02_database::catalog::{Catalog, NewReview};
use ch02_database::postgres::{
    ReadPool, StatementCounts, connect, migrate, reset_statement_counts, statement_counts,
};
use ch02_database::replication::RouterSettings;
use ch02_database::seed::{SeedRequest, seed_store};
use ch02_database::{GameId, PgCatalog};
use measurement::{Settings, Spread, machine};
use sqlx::postgres::PgPool;
use sqlx::{Connection, Executor, PgConnection};
use testbed::{Server, Service};

const WAYS: [(&str, PageQuery); 3] = [
    ("N+1 queries", PageQuery::NPlusOne),
    ("join", PageQuery::Join),
    ("document", PageQuery::Document),
];

/// Measures the three ways in interleaved rounds, then prints a table.
pub(super) async fn run(settings: &Settings) -> anyhow::Result<()> {
    let (games, pages, rounds) = if settings.quick {
        (60, 60, 1)
    } else {
        (2_000, 1_000, 9)
    };
    let server = Server::builder(Service::Postgres)
        .setting("shared_preload_libraries", "pg_stat_statements")
        .start()
        .await?;
    let pool = connect(&server.url())?;
    let shard = testbed::postgres().await?;
    let shards = [connect(&shard.url())?];
    migrate(&pool, &shards).await?;
    let request = SeedRequest {
        games: Some(games),
        ..SeedRequest::default()
    };
    seed_store(&pool, &shards, request, |_, _| ()).await?;
    let games = GameId::from(games);
    let normalised = count_review(&pool, games).await?;
    let mut db = PgConnection::connect(&server.url()).await?;
    db.execute("BEGIN").await?;
    rebuild(&mut db, &shards).await?;
    db.execute("COMMIT").await?;
    let denormalised = count_review(&pool, games).await?;

    let reads = ReadPool::of(&pool);
    let mut times = WAYS.map(|_| Vec::new());
    for _ in 0..rounds {
        for ((_, way), times) in WAYS.iter().zip(&mut times) {
            times.push(measure(&reads, *way, games, pages).await?);
        }
    }
    println!(
        "{pages} pages a round, {rounds} rounds; {}",
        machine::facts()
    );
    println!(
        "{:<12} {:>12}  {:>22}  {:>22}",
        "page", "queries", "p50 in ms", "p95 in ms"
    );
    for ((name, way), times) in WAYS.iter().zip(&times) {
        reset_statement_counts(&pool).await?;
        measure(&reads, *way, games, pages).await?;
        let queries = statement_counts(&pool).await?.statements as f64 / f64::from(pages);
        let [p50, p95] = [0, 1].map(|which| Spread::of(times.iter().map(|pair| pair[which])));
        let (p50, p95) = (p50.context("no round")?, p95.context("no round")?);
        println!("{name:<12} {queries:>12.1}  {p50:>22}  {p95:>22}");
    }
    let ratios = times[0].iter().zip(&times[2]);
    let ratio = Spread::of(ratios.map(|(n_plus_one, document)| document[1] / n_plus_one[1]));
    println!(
        "p95 of the document / p95 of N+1: {}",
        ratio.context("no round")?
    );
    println!(
        "a new review writes {} bytes of WAL without documents, {} with documents",
        normalised.wal_bytes / games,
        denormalised.wal_bytes / games
    );
    Ok(())
}

/// What the server counts for one new review of each game.
async fn count_review(pool: &PgPool, games: GameId) -> anyhow::Result<StatementCounts> {
    let catalog = PgCatalog::open(pool.clone(), Vec::new(), RouterSettings::default()).await;
    let review = NewReview {
        customer: "ada".to_owned(),
        stars: 4,
        text: "My whole family plays it now.".to_owned(),
    };
    reset_statement_counts(pool).await?;
    for id in 1..=games {
        catalog.add_review(id, &review).await?;
    }
    Ok(statement_counts(pool).await?)
}

/// The median and the 95th percentile of one page, in milliseconds.
async fn measure(
    server: &ReadPool,
    way: PageQuery,
    games: GameId,
    pages: u32,
) -> anyhow::Result<[f64; 2]> {
    let mut times: Vec<Duration> = Vec::new();
    for n in 0..i64::from(pages) {
        // Every game once, in an order that jumps: 7,919 is a prime number.
        let id = n * 7_919 % games + 1;
        let start = Instant::now();
        product_page(server, id, way)
            .await?
            .context("a game is missing")?;
        times.push(start.elapsed());
    }
    times.sort();
    Ok([50, 95].map(|percent| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1_000.0))
}
