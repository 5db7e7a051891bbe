//! `populate`: fills a store with as many rows as a real one has.

use std::time::Instant;

use anyhow::Context;
use ch02_database::postgres::{connect, migrate};
use ch02_database::seed::{BulkSizes, SeedRequest, populate, seed_store};
use clap::Args;
use futures_util::future::try_join_all;
use indicatif::{ProgressBar, ProgressStyle};
use sqlx::PgPool;
use testbed::{Server, Service};

use super::Addresses;

/// How many rows, and where.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    addresses: Addresses,
    /// The number of games
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(7..))]
    games: u32,
    /// The number of reviews
    #[arg(long, default_value_t = 100_000)]
    reviews: u64,
    /// The number of orders
    #[arg(long, default_value_t = 1_000_000)]
    orders: u64,
    /// Without addresses: the number of shards, each a server in a container
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=16))]
    shards: u16,
}

/// Fills the store. Without addresses, fills servers in containers and removes them, to measure
/// the time.
pub async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if let Some((primary, shards)) = arguments.addresses.connect()? {
        return fill(arguments, &primary, &shards).await;
    }
    println!(
        "no address is given; starting {} servers in containers …",
        arguments.shards + 1
    );
    let servers = try_join_all((0..=arguments.shards).map(|_| Server::start(Service::Postgres)));
    let servers = servers.await?;
    let pools = servers.iter().map(|server| connect(&server.url()));
    let pools: Vec<PgPool> = pools.collect::<Result<_, _>>()?;
    let (primary, shards) = pools.split_first().context("no server was started")?;
    fill(arguments, primary, shards).await
}

async fn fill(arguments: &Arguments, primary: &PgPool, shards: &[PgPool]) -> anyhow::Result<()> {
    let Arguments {
        games,
        reviews,
        orders,
        ..
    } = *arguments;
    let start = Instant::now();
    migrate(primary, shards).await?;
    let bar = ProgressBar::new(u64::from(games) + reviews + orders);
    let style = "{bar:40} {human_pos} of {human_len} rows, {per_sec}, {elapsed}";
    bar.set_style(ProgressStyle::with_template(style)?);
    let request = SeedRequest {
        games: Some(games),
        ..SeedRequest::default()
    };
    let parameters = seed_store(primary, shards, request, |done, _| bar.set_position(done)).await?;
    let games_in_bar = bar.position();
    let sizes = BulkSizes { reviews, orders };
    populate(primary, shards, parameters, sizes, |rows| bar.inc(rows)).await?;
    bar.finish_and_clear();
    if bar.position() == games_in_bar {
        println!("the store has reviews and orders from an earlier run; none were added");
        return Ok(());
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{games} games, {reviews} reviews and {orders} orders over {} shards in {seconds:.1} s: \
         {:.0} rows/s",
        shards.len(),
        bar.position() as f64 / seconds
    );
    if let Some(peak) = peak_memory() {
        println!("peak memory of this process: {peak}");
    }
    Ok(())
}

/// The highest resident memory so far, such as `24512 kB`. Linux only.
fn peak_memory() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().to_owned())
}
