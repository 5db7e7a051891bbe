//! `cargo run -p ch02-database`: reads from replicas, first stale and then not; a replica is killed; orders are spread over shards.

mod demo;

use clap::Parser;

/// One database becomes many: a primary with two replicas, and four shards. Real PostgreSQL servers in containers.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// How often a price is changed and read again.
    #[arg(long, default_value_t = 200)]
    pairs: u32,
    /// How many games the store has.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(7..))]
    games: u32,
    /// Leave the servers running at the end, until Ctrl-C.
    #[arg(long)]
    stay: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { pairs, games, stay } = Arguments::parse();
    demo::run(pairs, games, stay).await
}
