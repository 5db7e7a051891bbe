//! `cargo run -p ch02-database`: the chapter's guided demonstration.

mod demo;

use clap::Parser;

/// Chapter 2: stale reads from replicas, a killed replica, and orders on four shards. Starts real
/// PostgreSQL servers in containers.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Number of price changes, each followed by a read.
    #[arg(long, default_value_t = 200)]
    pairs: u32,
    /// Number of games in the store.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(7..))]
    games: u32,
    /// Keep the servers running at the end, until Ctrl-C.
    #[arg(long)]
    stay: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { pairs, games, stay } = Arguments::parse();
    demo::run(pairs, games, stay).await
}
