//! The command line of `ch05-full`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::bail;
use ch02_database::seed::SeedRequest;
use clap::{Args, Parser, Subcommand, ValueEnum};
use common::address::parse_address;

use crate::naive::NaiveTechnique;

/// The whole game store: balancer, clones, workers and publisher.
#[derive(Debug, Parser)]
#[command(name = "ch05-full", args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// The subcommand. The default is `serve`.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The flags of `serve`.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run all roles (the default)
    Serve(ServeArgs),
    /// Run only a balancer, in front of clones in other processes
    Balancer(BalancerArgs),
    /// Run only a clone, on the servers that the environment names (`DATABASE_URL`, `SHARD_URLS`,
    /// `REDIS_URL`, `AMQP_URL`, …)
    Clone(CloneArgs),
    /// Run only a worker, on the servers that the environment names
    Worker(WorkerArgs),
    /// Run only the publisher, on the servers that the environment names; a store has one
    Publisher(RoleArgs),
    /// Show the clones, and how the orders are distributed over the shards
    Inspect(InspectArgs),
    /// Send requests to a running store and report requests/s and latency, with and without cache
    Load(LoadArgs),
}

/// Flags of `serve`.
#[derive(Args, Debug, Default)]
pub struct ServeArgs {
    /// The address of the balancer; port 0 picks a free port [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR:PORT", value_parser = parse_address)]
    pub listen: Option<SocketAddr>,
    /// How many clones [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub clones: Option<u16>,
    /// How many workers [default: 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub workers: Option<u16>,
    /// How many replicas the database has; only with `--services docker` [default: 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=8))]
    pub replicas: Option<u16>,
    /// How many shards hold the orders; fixed when the store is created [default: 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub shards: Option<u16>,
    /// How many games a new store has [default: 10000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub games: Option<u32>,
    /// The seed of a new store's data [default: 42]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// The data directory, or `:memory:` [default: a folder in this system's data directory]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where the databases, the cache and the queue come from
    #[arg(long, value_enum, default_value = "embedded")]
    pub services: ServiceSource,
    /// Techniques to switch to their naive versions; with `--services docker` or `external`
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME,…")]
    pub naive: Vec<NaiveTechnique>,
}

/// Where the services come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ServiceSource {
    /// In this process, with the data in SQLite files
    #[default]
    Embedded,
    /// Servers in containers, with a process for each clone and worker
    Docker,
    /// Servers at addresses from the environment: `DATABASE_URL`, `REPLICA_URLS`, `SHARD_URLS`
    /// (or `CITUS_URL`), `REDIS_URL`, `MEMCACHED_URLS`, `AMQP_URL`
    External,
}

/// Flags of `balancer`.
#[derive(Args, Debug)]
pub struct BalancerArgs {
    /// The address of the balancer
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080", value_parser = parse_address)]
    pub listen: SocketAddr,
    /// The address of a clone; repeat the flag for several clones
    #[arg(long = "upstream", value_name = "ADDR:PORT", required = true, value_parser = parse_address)]
    pub upstreams: Vec<SocketAddr>,
}

/// Flags of a role that runs alone.
#[derive(Args, Clone, Debug)]
pub struct RoleArgs {
    /// The folder for pages and pictures, which all processes of the store must see
    /// [default: a folder in this system's data directory]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Techniques to switch to their naive versions
    #[arg(long, value_enum, value_delimiter = ',', value_name = "NAME,…")]
    pub naive: Vec<NaiveTechnique>,
    /// Stop when standard input closes, and ignore Ctrl-C: for a child process
    #[arg(long, hide = true)]
    pub exit_on_stdin_close: bool,
}

/// Flags of `clone`.
#[derive(Args, Debug)]
pub struct CloneArgs {
    /// The address of the clone; port 0 picks a free port
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8081", value_parser = parse_address)]
    pub listen: SocketAddr,
    /// The name in `x-served-by`
    #[arg(long, default_value = "clone-1")]
    pub name: String,
    /// The flags of every role.
    #[command(flatten)]
    pub role: RoleArgs,
}

/// Flags of `worker`.
#[derive(Args, Debug)]
pub struct WorkerArgs {
    /// The name in the log
    #[arg(long, default_value = "worker-1")]
    pub name: String,
    /// The flags of every role.
    #[command(flatten)]
    pub role: RoleArgs,
}

/// Flags of `inspect`.
#[derive(Args, Debug)]
pub struct InspectArgs {
    /// The URL of a running store; without it, the store in the data directory is shown
    #[arg(long, value_name = "URL", conflicts_with = "data_dir")]
    pub url: Option<String>,
    /// The data directory [default: a folder in this system's data directory]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

/// Flags of `load`.
#[derive(Args, Debug)]
pub struct LoadArgs {
    /// The URL of the running store; it must be on this machine
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// How many connections send requests concurrently
    #[arg(long, value_name = "N", default_value_t = 16,
        value_parser = clap::value_parser!(u16).range(1..=512))]
    pub connections: u16,
    /// The duration of each measurement
    #[arg(long, value_name = "SECONDS", default_value_t = 3,
        value_parser = clap::value_parser!(u64).range(1..=20))]
    pub seconds: u64,
    /// How many rounds; each measures with the cache and without it
    #[arg(long, value_name = "N", default_value_t = 3,
        value_parser = clap::value_parser!(u16).range(1..=10))]
    pub rounds: u16,
    /// How many different games are requested
    #[arg(long, value_name = "N", default_value_t = 1_000,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub games: u32,
}

impl ServeArgs {
    /// Fails if two flags contradict each other.
    pub fn check(&self) -> anyhow::Result<()> {
        if self.replicas.is_some() && self.services != ServiceSource::Docker {
            bail!("only `--services docker` starts replicas; leave `--replicas` out");
        }
        if self.shards.is_some() && self.services == ServiceSource::External {
            bail!(
                "with `--services external` the number of shards is the number of SHARD_URLS; \
                 leave `--shards` out"
            );
        }
        if self.services != ServiceSource::Embedded
            && self.data_dir.as_deref() == Some(Path::new(":memory:"))
        {
            bail!(
                "`--data-dir :memory:` is only for the embedded store; \
                 name a folder, or leave the flag out"
            );
        }
        if self.services == ServiceSource::Embedded && !self.naive.is_empty() {
            bail!(
                "`--naive` is for a store with several database servers, and the embedded store \
                 has none; add `--services docker` or `--services external`"
            );
        }
        if self.services == ServiceSource::Docker && !cfg!(feature = "docker") {
            bail!(
                "this program was built without the feature `docker`; \
                 `cargo run -p ch05-full --features docker -- serve --services docker` builds it \
                 with the feature"
            );
        }
        Ok(())
    }

    /// The number of clones.
    pub fn clones(&self) -> u16 {
        self.clones.unwrap_or(3)
    }

    /// The number of workers.
    pub fn workers(&self) -> u16 {
        self.workers.unwrap_or(2)
    }

    /// The number of replicas.
    pub fn replicas(&self) -> u16 {
        self.replicas.unwrap_or(2)
    }

    /// The number of shards.
    pub fn shards(&self) -> u16 {
        self.shards.unwrap_or(4)
    }

    /// The address of the balancer.
    pub fn listen(&self) -> SocketAddr {
        self.listen
            .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080)))
    }

    /// The sizes that the flags ask for. A missing flag is `None`.
    pub fn seed_request(&self) -> SeedRequest {
        SeedRequest {
            games: self.games,
            seed: self.seed,
            shards: self.shards.map(usize::from),
        }
    }
}
