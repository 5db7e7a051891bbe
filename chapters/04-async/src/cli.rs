//! The command line.

use clap::{Args, Parser, Subcommand};

/// Do it later, but do not lose it: a job queue, workers, and publish/subscribe.
#[derive(Parser)]
#[command(name = "ch04-async")]
pub struct Arguments {
    /// Nothing starts the guided demonstration.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// One process of the demonstration.
#[derive(Subcommand)]
pub enum Command {
    /// A worker: takes jobs off the queue in RabbitMQ and does them, until Ctrl-C.
    Worker(Worker),
    /// The naive store: takes orders, keeps them in its own memory and bakes them itself.
    #[command(hide = true)]
    Alone(Alone),
}

/// A worker's arguments.
#[derive(Args)]
pub struct Worker {
    /// Shown in its output.
    #[arg(long, default_value = "worker")]
    pub name: String,
    /// The broker, such as `amqp://user:password@localhost:5672/%2f`.
    #[arg(long)]
    pub amqp: String,
    #[command(flatten)]
    pub oven: Oven,
}

/// The naive store's arguments.
#[derive(Args)]
pub struct Alone {
    /// How many cakes are ordered as soon as it runs.
    #[arg(long, default_value_t = 0)]
    pub cakes: usize,
    #[command(flatten)]
    pub oven: Oven,
}

/// What both have.
#[derive(Args)]
pub struct Oven {
    /// The database with the jobs' records, such as `postgres://user:password@localhost:5432/store`.
    #[arg(long)]
    pub database: String,
    /// How many milliseconds a fifth of a cake takes.
    #[arg(long, default_value_t = 100)]
    pub fifth: u64,
    /// End at once when standard input ends, so that nobody stays behind when whoever started this is killed.
    #[arg(long, hide = true)]
    pub attended: bool,
}
