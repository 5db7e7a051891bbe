//! The command line of `ch05-full`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::{Args, Parser, Subcommand, ValueEnum};

use ch02_database::seed::SeedRequest;

/// The whole game store: balancer, clones, workers and publisher in one command.
#[derive(Debug, Parser)]
#[command(name = "ch05-full", args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do; `serve` if nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The flags of `serve`.
    #[command(flatten)]
    pub serve: Serve,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run all roles (the default)
    Serve(Serve),
    /// Run a balancer alone, in front of clones that run elsewhere
    Balancer(BalancerArgs),
    /// Run a clone alone, on the servers that the environment names (`DATABASE_URL`, `SHARD_URLS`, `REDIS_URL`, `AMQP_URL`, …)
    Clone(CloneArgs),
    /// Run a worker alone, on the servers that the environment names
    Worker(WorkerArgs),
    /// Run the publisher alone, on the servers that the environment names; one for a store
    Publisher(RoleArgs),
    /// Show the clones, and how the orders are spread over the shards
    Inspect(Inspect),
    /// Send requests to a running store and report requests/s and latency, with and without the cache
    Load(Load),
}

/// Flags of `serve`.
#[derive(Args, Debug, Default)]
pub struct Serve {
    /// Where the balancer listens; port 0 picks a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,
    /// How many clones [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub clones: Option<u16>,
    /// How many workers [default: 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub workers: Option<u16>,
    /// How many replicas follow the database; with `--services docker` [default: 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=8))]
    pub replicas: Option<u16>,
    /// How many shards hold the orders; fixed when the store is made [default: 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub shards: Option<u16>,
    /// How many games a new store gets [default: 10000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub games: Option<u32>,
    /// The seed of a new store's data [default: 42]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Where the data lies, or `:memory:` [default: a folder of this system's data directory]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where databases, cache and queue come from
    #[arg(long, value_enum, default_value = "embedded")]
    pub services: ServiceSource,
}

/// Where the services come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ServiceSource {
    /// In this process, data in SQLite files
    #[default]
    Embedded,
    /// Real servers in containers, and every clone and worker in a process of its own
    Docker,
    /// Real servers at addresses from the environment: `DATABASE_URL`, `REPLICA_URLS`, `SHARD_URLS`, `REDIS_URL`, `MEMCACHED_URLS`, `AMQP_URL`
    External,
}

/// Flags of `balancer`.
#[derive(Args, Debug)]
pub struct BalancerArgs {
    /// Where to listen
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// A clone's address; may be given several times
    #[arg(long = "upstream", value_name = "ADDR:PORT", required = true)]
    pub upstreams: Vec<SocketAddr>,
}

/// Flags of a role that runs alone.
#[derive(Args, Clone, Debug)]
pub struct RoleArgs {
    /// The folder for pages and pictures, which all processes of the store must see [default: a folder of this system's data directory]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Stop when the standard input ends, and not by Ctrl-C: for whoever starts this as a child process
    #[arg(long, hide = true)]
    pub end_with_stdin: bool,
}

/// Flags of `clone`.
#[derive(Args, Debug)]
pub struct CloneArgs {
    /// Where to listen; port 0 picks a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8081")]
    pub listen: SocketAddr,
    /// The name in `x-served-by`
    #[arg(long, default_value = "clone-1")]
    pub name: String,
    /// Where its files lie, and how it ends.
    #[command(flatten)]
    pub role: RoleArgs,
}

/// Flags of `worker`.
#[derive(Args, Debug)]
pub struct WorkerArgs {
    /// The name in the log
    #[arg(long, default_value = "worker-1")]
    pub name: String,
    /// Where its files lie, and how it ends.
    #[command(flatten)]
    pub role: RoleArgs,
}

/// Flags of `inspect`.
#[derive(Args, Debug)]
pub struct Inspect {
    /// A running store's address; without it, the store of the data directory is looked at
    #[arg(long, value_name = "URL", conflicts_with = "data_dir")]
    pub url: Option<String>,
    /// Where the data lies [default: a folder of this system's data directory]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// Flags of `load`.
#[derive(Args, Debug)]
pub struct Load {
    /// The running store's address; load goes to this machine only
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// How many connections send at the same time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=512))]
    pub connections: u16,
    /// How long each of the rounds lasts
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=20))]
    pub seconds: u64,
    /// How many rounds, each with the cache and without it
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=10))]
    pub rounds: u16,
    /// How many different games are asked for
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub games: u32,
}

impl Serve {
    /// Refuses flags that mean nothing together.
    pub fn check(&self) -> anyhow::Result<()> {
        if self.replicas.is_some() && self.services != ServiceSource::Docker {
            bail!(
                "`--replicas` says how many replicas to start, which only `--services docker` does; leave it out"
            );
        }
        if self.shards.is_some() && self.services == ServiceSource::External {
            bail!(
                "with `--services external` there are as many shards as SHARD_URLS has addresses; leave `--shards` out"
            );
        }
        if self.services != ServiceSource::Embedded
            && self.data_dir.as_deref() == Some(Path::new(":memory:"))
        {
            bail!(
                "`--data-dir :memory:` is for the embedded store; on real servers give a folder, or leave the flag out"
            );
        }
        if self.services == ServiceSource::Docker && !cfg!(feature = "docker") {
            bail!(
                "this program was built without containers, to be small; `cargo run -p ch05-full --features docker -- serve \
                 --services docker` builds it with them"
            );
        }
        Ok(())
    }

    /// How many clones.
    pub fn clones(&self) -> u16 {
        self.clones.unwrap_or(3)
    }

    /// How many workers.
    pub fn workers(&self) -> u16 {
        self.workers.unwrap_or(2)
    }

    /// How many replicas.
    pub fn replicas(&self) -> u16 {
        self.replicas.unwrap_or(2)
    }

    /// How many shards.
    pub fn shards(&self) -> u16 {
        self.shards.unwrap_or(4)
    }

    /// Where the balancer listens.
    pub fn listen(&self) -> SocketAddr {
        self.listen
            .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080)))
    }

    /// The numbers that the flags ask for. A missing flag is `None`.
    pub fn seed_request(&self) -> SeedRequest {
        SeedRequest {
            games: self.games,
            seed: self.seed,
            shards: self.shards.map(usize::from),
        }
    }
}
