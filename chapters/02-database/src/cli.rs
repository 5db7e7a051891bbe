//! The command line.

use ch02_database::Naive;
use clap::{Args, Parser, Subcommand};

use crate::commands::{Addresses, populate, rebalance};
use crate::experiment;

#[derive(Parser)]
#[command(
    version,
    about = "Chapter 2: replicas and shards of a database. Without a command: the demonstration, \
             on real PostgreSQL servers in containers",
    args_conflicts_with_subcommands = true
)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub demo: DemoArguments,
}

#[derive(Subcommand)]
pub enum Command {
    /// Shows the rows, buckets, sizes and lag of every shard
    Inspect(Addresses),
    /// Fills a store with many games, reviews and orders
    Populate(populate::Arguments),
    /// Moves buckets to other shards while customers order, and completes interrupted moves
    Rebalance(rebalance::Arguments),
    /// Measures one claim of the chapter on this machine
    Experiment(experiment::Arguments),
}

#[derive(Args)]
pub struct DemoArguments {
    /// The number of price changes, each followed by a read
    #[arg(long, default_value_t = 200)]
    pub pairs: u32,
    /// The number of games in the store
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(7..))]
    pub games: u32,
    /// Switches techniques off. The part that shows the technique then reports what goes wrong
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME,…")]
    pub naive: Vec<Naive>,
    /// Keep the servers running at the end, until Ctrl-C
    #[arg(long)]
    pub stay: bool,
}
