//! `cargo run --release -p ch02-database -- experiment …` measures the chapter's claims on this
//! machine.
//!
//! Each experiment prints a table with medians and spreads, and draws a plot with `--svg`. Rounds
//! are interleaved (A B C, A B C), so that other load on the machine affects all cases equally.
//!
//! Left out: other machines. The servers and their clients share the same cores.

mod bucket_move;
mod commit_modes;
pub mod failover;
mod hashing;
mod patroni;
mod product_page;
mod replicas;
mod router_cost;
mod shards;
mod stale_reads;
mod vertical;

use anyhow::bail;
use clap::{Args, Subcommand};
use common::shutdown::signal as stop_signal;
use measurement::{Settings, machine};

/// The experiment and its settings.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    experiment: Experiment,
}

#[derive(Subcommand)]
enum Experiment {
    /// Measures reads per second with 0 to 4 replicas
    Replicas(Settings),
    /// Five ways to choose a shard: keys that move, evenness, cost of a lookup
    Hashing(Settings),
    /// Orders per second on 1, 2 and 4 shards, each with the same CPU quota
    Shards(Settings),
    /// Moves a bucket while customers order: lost orders, and how long the bucket pauses
    BucketMove(bucket_move::Arguments),
    /// Kills the primary while clients write: lost writes, and how long clients see errors
    Failover(failover::Arguments),
    /// The values of `synchronous_commit`: latency, stale reads, and lost writes
    CommitModes(commit_modes::Arguments),
    /// The product page with N+1 queries, with a join, and as a document
    ProductPage(Settings),
    /// What the read router adds to a query
    RouterCost(Settings),
    /// Stale reads after a write: any replica, a time window, and the token
    StaleReads(stale_reads::Arguments),
    /// A larger primary: twice the processors, more memory
    Vertical(Settings),
}

/// Runs one experiment. Ctrl-C stops it, and its servers.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    machine::warn_of_debug_build();
    let experiment = async {
        match arguments.experiment {
            Experiment::Replicas(settings) => replicas::run(&settings).await,
            Experiment::Hashing(settings) => hashing::run(&settings),
            Experiment::Shards(settings) => shards::run(&settings).await,
            Experiment::BucketMove(arguments) => bucket_move::run(arguments).await,
            Experiment::Failover(arguments) => match arguments.engine {
                failover::Engine::Own => failover::run(arguments).await,
                failover::Engine::Patroni => patroni::run(&arguments).await,
            },
            Experiment::CommitModes(arguments) => commit_modes::run(arguments).await,
            Experiment::ProductPage(settings) => product_page::run(&settings).await,
            Experiment::RouterCost(settings) => router_cost::run(&settings).await,
            Experiment::StaleReads(arguments) => stale_reads::run(arguments).await,
            Experiment::Vertical(settings) => vertical::run(&settings).await,
        }
    };
    tokio::select! {
        result = experiment => result,
        () = stop_signal() => bail!("stopped before the end; the started servers are stopped too"),
    }
}
