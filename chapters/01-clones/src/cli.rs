//! The command line.
//!
//! Parsing `--sessions` opens the session store, so a wrong value is an ordinary argument error.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use ch01_clones::balancer::strategy::StrategyName;
use ch01_clones::balancer::{Config, UpstreamConfig};
use ch01_clones::{AvatarStore, MemorySessions, RedisSessions, SessionStore};
use clap::{Args, Parser, Subcommand, ValueEnum};
use common::address::parse_address;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;

use crate::experiment;

#[derive(Parser)]
#[command(
    about = "Chapter 1: a load balancer and its clones. Without a command: the demonstration"
)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Subcommand)]
pub enum Command {
    /// Runs one clone
    Clone(CloneArguments),
    /// Measures how throughput grows with clones, latency by strategy, and the cost of the balancer
    Experiment(experiment::Arguments),
    /// Runs the balancer
    Balancer(BalancerArguments),
    /// Runs the balancer and its clones until Ctrl-C, and restarts dead clones
    Serve(ServeArguments),
    /// Packs this program into an artefact for `deploy`, and prints its folder
    Pack(PackArguments),
    /// Deploys an artefact: replaces all running clones one by one, and rolls back if they fail
    Deploy(DeployArguments),
}

#[derive(Args)]
pub struct CloneArguments {
    /// The address to listen on; port 0 takes a free port
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8081", value_parser = parse_address)]
    pub listen: SocketAddr,
    /// The name in `x-served-by`
    #[arg(long, default_value = "clone-1")]
    pub name: String,
    /// The session store: `local`, in the clone's memory; `sticky`, the same, for a balancer with
    /// `--strategy sticky`; or `redis://HOST:PORT[/N]`, shared by all clones
    #[arg(long, value_name = "STORE", default_value = "local", value_parser = sessions)]
    pub sessions: Arc<dyn SessionStore>,
    /// The folder of the avatars, created if necessary [default: the clone's memory]
    #[arg(long, value_name = "DIR")]
    pub avatars: Option<PathBuf>,
    /// The deregistration delay in milliseconds: the time between "not ready" at `/readyz` and the
    /// stop
    #[arg(long, value_name = "MS", default_value = "2000")]
    pub notice: u64,
    /// The version in `x-release`
    #[arg(long, value_name = "VERSION")]
    pub release: Option<String>,
    /// A defect of this release, to demonstrate a rollback
    #[arg(long, value_name = "KIND", value_enum)]
    pub defect: Option<Defect>,
    /// Stop when the standard input ends, for a child process
    #[arg(long, hide = true)]
    pub exit_on_stdin_close: bool,
}

/// A defect that the tests before a deploy did not find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Defect {
    /// Starts, but never becomes ready
    NeverReady,
    /// Is ready, but responds to everything else with 500
    Errors,
    /// Responds with 500 to every request that has a session
    Sessions,
    /// Exits before it listens
    Exits,
}

#[derive(Args)]
pub struct BalancerArguments {
    /// The address to listen on; port 0 takes a free port
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080", value_parser = parse_address)]
    pub listen: SocketAddr,
    /// The address of the admin API: `GET /upstreams`, `GET /metrics` and more [default: none]
    #[arg(long, value_name = "ADDR:PORT", value_parser = parse_address)]
    pub admin: Option<SocketAddr>,
    /// A TOML file with all settings; a change of the file or SIGHUP reloads it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The address of a clone and its weight; repeat the flag for each clone
    #[arg(long, value_name = "ADDR[=WEIGHT]", required_unless_present = "config", value_parser = weighted)]
    pub upstream: Vec<(SocketAddr, u32)>,
    /// The load-balancing strategy [default: round-robin]
    #[arg(long, value_name = "NAME", value_enum)]
    pub strategy: Option<StrategyName>,
    /// The path of the health check, twice a second; a 2xx response means healthy [default:
    /// /readyz]
    #[arg(long, value_name = "PATH")]
    pub probe: Option<String>,
    /// The maximum number of requests in flight per clone; further requests get a 503 [default:
    /// 1024]
    #[arg(long, value_name = "REQUESTS")]
    pub max_in_flight: Option<usize>,
    /// The address of a trusted proxy, whose `X-Forwarded-For` and `Forwarded` are used; repeat the
    /// flag for each proxy
    #[arg(long, value_name = "ADDR")]
    pub trust: Vec<IpAddr>,
}

#[derive(Args)]
pub struct ServeArguments {
    /// The address of the balancer; port 0 takes a free port
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080", value_parser = parse_address)]
    pub listen: SocketAddr,
    /// The address of the admin API: `GET /clones`, `POST /deploy`, `GET /metrics`
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9901", value_parser = parse_address)]
    pub admin: SocketAddr,
    /// The number of clones
    #[arg(long, default_value = "3", value_parser = clap::value_parser!(u32).range(1..=32))]
    pub clones: u32,
    /// The session store: `local` or `redis://HOST:PORT[/N]` [default: a Redis in a container]
    #[arg(long, value_name = "STORE")]
    pub sessions: Option<String>,
    /// The load-balancing strategy
    #[arg(long, value_name = "NAME", value_enum, default_value_t)]
    pub strategy: StrategyName,
}

#[derive(Args)]
pub struct PackArguments {
    /// The version, such as `v2`
    pub version: String,
    /// The folder for the artefact [default: `releases` beside this program]
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
    /// The clones' arguments, such as `-- --defect errors`
    #[arg(last = true, value_name = "ARGUMENTS")]
    pub arguments: Vec<String>,
}

#[derive(Args)]
pub struct DeployArguments {
    /// The artefact's folder, as printed by `pack`
    pub artifact: PathBuf,
    /// The address of the admin API of the running application
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9901", value_parser = parse_address)]
    pub admin: SocketAddr,
}

fn sessions(store: &str) -> Result<Arc<dyn SessionStore>, String> {
    match store {
        "local" => Ok(Arc::new(MemorySessions::new())),
        // The difference is in the balancer, which sends a session's requests to the same clone.
        "sticky" => {
            tracing::warn!(
                "sessions are in this clone's memory; run the balancer with `--strategy sticky`"
            );
            Ok(Arc::new(MemorySessions::new()))
        }
        url if url.starts_with("redis://") => match RedisSessions::new(url) {
            Ok(sessions) => Ok(Arc::new(sessions)),
            Err(error) => Err(error.to_string()),
        },
        _ => Err(
            "take `local`, `sticky` or a Redis URL, such as `redis://127.0.0.1:6379`".to_owned(),
        ),
    }
}

fn weighted(upstream: &str) -> Result<(SocketAddr, u32), String> {
    let (addr, weight) = upstream.split_once('=').unwrap_or((upstream, "1"));
    let weight = weight
        .parse()
        .ok()
        .filter(|weight| (1..=1000).contains(weight));
    match (parse_address(addr), weight) {
        (Ok(addr), Some(weight)) => Ok((addr, weight)),
        _ => Err(
            "take an address with an optional weight from 1 to 1000: `127.0.0.1:8081` or `127.0.0.1:8081=3`".to_owned(),
        ),
    }
}

impl BalancerArguments {
    /// The settings of the file, overridden by those of the command line. A reload does the same.
    pub fn over(&self, mut file: Config) -> Config {
        if !self.upstream.is_empty() {
            let upstream = |(n, (addr, weight)): (u32, &(SocketAddr, u32))| UpstreamConfig {
                name: format!("clone-{n}"),
                addr: *addr,
                weight: *weight,
            };
            file.upstreams = (1..).zip(&self.upstream).map(upstream).collect();
        }
        if !self.trust.is_empty() {
            file.trusted_proxies.clone_from(&self.trust);
        }
        file.strategy = self.strategy.unwrap_or(file.strategy);
        file.max_in_flight = self.max_in_flight.unwrap_or(file.max_in_flight);
        file.probe.path = self.probe.clone().unwrap_or(file.probe.path);
        file
    }
}

/// A store of avatars in this folder, or in memory.
pub fn avatars(folder: Option<&Path>) -> anyhow::Result<AvatarStore> {
    let Some(folder) = folder else {
        return Ok(AvatarStore::new(Arc::new(InMemory::new())));
    };
    let shown = folder.display();
    std::fs::create_dir_all(folder).with_context(|| {
        format!("cannot create the folder `--avatars {shown}`; choose another one")
    })?;
    let objects = LocalFileSystem::new_with_prefix(folder)
        .with_context(|| format!("cannot use the folder {shown}"))?;
    // The store flushes a file to disk before the client gets its response.
    Ok(AvatarStore::new(Arc::new(objects.with_fsync(true))))
}
