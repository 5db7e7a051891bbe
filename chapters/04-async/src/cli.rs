//! The command line.

use clap::{Args, Parser, Subcommand};

/// A job queue, workers, and publish/subscribe: do it later, and lose nothing.
#[derive(Parser)]
#[command(name = "ch04-async")]
pub struct Arguments {
    /// Without a command, the guided demonstration runs.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// One process of the demonstration.
#[derive(Subcommand)]
pub enum Command {
    /// A worker: takes jobs off the queue in RabbitMQ and runs them, until Ctrl-C.
    Worker(WorkerArguments),
    /// The naive store: keeps the jobs in its own memory and runs them itself.
    #[command(hide = true)]
    MemoryStore(MemoryStoreArguments),
}

/// The arguments of a worker.
#[derive(Args)]
pub struct WorkerArguments {
    /// The worker's name, shown in its output.
    #[arg(long, default_value = "worker")]
    pub name: String,
    /// The broker, such as `amqp://user:password@localhost:5672/%2f`.
    #[arg(long)]
    pub amqp: String,
    #[command(flatten)]
    pub export: ExportArguments,
}

/// The arguments of the naive store.
#[derive(Args)]
pub struct MemoryStoreArguments {
    /// How many jobs the store accepts at its start.
    #[arg(long, default_value_t = 0)]
    pub jobs: usize,
    #[command(flatten)]
    pub export: ExportArguments,
}

/// The arguments of both processes.
#[derive(Args)]
pub struct ExportArguments {
    /// The database of the job store, such as `postgres://user:password@localhost:5432/store`.
    #[arg(long)]
    pub database: String,
    /// How long each of the five steps of an export takes, in milliseconds.
    #[arg(long, default_value_t = 100)]
    pub step_ms: u64,
    /// Exit when standard input is closed, so that this process does not outlive its parent.
    #[arg(long, hide = true)]
    pub exit_on_stdin_close: bool,
}
