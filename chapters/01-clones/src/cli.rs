//! The command line: which server to be, where to listen, and where the visitors' things lie.
//!
//! Sessions are opened while the arguments are read, so a wrong place is told like any other wrong argument.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use ch01_clones::balancer::strategy::StrategyName;
use ch01_clones::balancer::{Config, UpstreamConfig};
use ch01_clones::{AvatarStore, MemorySessions, RedisSessions, SessionStore};
use clap::{Args, Parser, Subcommand, ValueEnum};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;

use crate::experiment;

#[derive(Parser)]
#[command(about = "Chapter 1: a balancer and its clones. Without a command: the demonstration")]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Subcommand)]
pub enum Command {
    /// Runs one clone
    Clone(CloneArguments),
    /// Measures: how much clones bring, who waits for a slow one, what the balancer costs
    Experiment(experiment::Arguments),
    /// Runs the balancer
    Balancer(BalancerArguments),
    /// Runs a whole site, the balancer and its clones, until Ctrl-C; a clone that dies is started again
    Serve(ServeArguments),
    /// Packs this program into an artefact that `deploy` takes, and prints where it lies
    Pack(PackArguments),
    /// Replaces all clones of a running site by those of an artefact, one by one, and goes back if they are sick
    Deploy(DeployArguments),
}

#[derive(Args)]
pub struct CloneArguments {
    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8081")]
    pub listen: SocketAddr,
    /// The name in `x-served-by`
    #[arg(long, default_value = "clone-1")]
    pub name: String,
    /// Where sessions lie: `local`, in the clone's own memory; `sticky`, the same, for a balancer with `--strategy sticky`,
    /// which sends each visitor back to the clone that knows them; or `redis://HOST:PORT[/N]`, shared with all clones
    #[arg(long, value_name = "PLACE", default_value = "local", value_parser = sessions)]
    pub sessions: Arc<dyn SessionStore>,
    /// The folder of the avatars, made if it is not there; without it they lie in the clone's own memory
    #[arg(long, value_name = "DIR")]
    pub avatars: Option<PathBuf>,
    /// How many milliseconds it says "not ready" at `/readyz`, and still answers, before it stops
    #[arg(long, value_name = "MS", default_value = "2000")]
    pub notice: u64,
    /// The version in `x-release`
    #[arg(long, value_name = "VERSION")]
    pub release: Option<String>,
    /// What is wrong with this release, to see a deploy go back
    #[arg(long, value_name = "KIND", value_enum)]
    pub defect: Option<Defect>,
    /// Stops when the standard input ends; for the child of another program
    #[arg(long, hide = true)]
    pub exit_on_stdin_close: bool,
}

/// A mistake that the tests before a deploy did not find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Defect {
    /// It starts, and never says that it is ready
    NeverReady,
    /// It says that it is ready, and answers everything else with 500
    Errors,
    /// It answers with 500 whoever has a session, and nobody else
    Sessions,
    /// It ends before it listens
    Exits,
}

#[derive(Args)]
pub struct BalancerArguments {
    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Where its other door is: `GET /upstreams`, `GET /metrics` and what else `curl` may ask; without it there is none
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<SocketAddr>,
    /// A TOML file with everything else; a change of it, or SIGHUP, is taken over while requests come
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The address of a clone, and perhaps how much it carries compared with the others; once for each clone
    #[arg(long, value_name = "ADDR[=WEIGHT]", required_unless_present = "config", value_parser = weighted)]
    pub upstream: Vec<(SocketAddr, u32)>,
    /// How a clone is chosen for a request [default: round-robin]
    #[arg(long, value_name = "NAME", value_enum)]
    pub strategy: Option<StrategyName>,
    /// What each clone is asked twice a second; it gets requests while it answers with 2xx [default: /readyz]
    #[arg(long, value_name = "PATH")]
    pub probe: Option<String>,
    /// How many requests a clone may have in flight; what no clone has room for is refused with 503 [default: 1024]
    #[arg(long, value_name = "REQUESTS")]
    pub max_in_flight: Option<usize>,
    /// The address of a proxy in front of this one, whose `X-Forwarded-For` and `Forwarded` are believed; once for each
    #[arg(long, value_name = "ADDR")]
    pub trust: Vec<IpAddr>,
}

#[derive(Args)]
pub struct ServeArguments {
    /// Where the balancer listens; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Where the site's other door is: `GET /clones`, `POST /deploy`, `GET /metrics`
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9901")]
    pub admin: SocketAddr,
    /// How many clones there are
    #[arg(long, default_value = "3", value_parser = clap::value_parser!(u32).range(1..=32))]
    pub clones: u32,
    /// Where sessions lie: `local` or `redis://HOST:PORT[/N]`; without it, in a Redis in a container that is started if need be
    #[arg(long, value_name = "PLACE")]
    pub sessions: Option<String>,
    /// How a clone is chosen for a request
    #[arg(long, value_name = "NAME", value_enum, default_value_t)]
    pub strategy: StrategyName,
}

#[derive(Args)]
pub struct PackArguments {
    /// Its name for people, such as `v2`
    pub version: String,
    /// The folder to put it into [default: `releases` beside this program]
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
    /// What its clones are started with, such as `-- --defect errors`
    #[arg(last = true, value_name = "ARGUMENTS")]
    pub arguments: Vec<String>,
}

#[derive(Args)]
pub struct DeployArguments {
    /// The artefact's folder, as `pack` has printed it
    pub artifact: PathBuf,
    /// The other door of the running site
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9901")]
    pub admin: SocketAddr,
}

fn sessions(place: &str) -> Result<Arc<dyn SessionStore>, String> {
    match place {
        "local" => Ok(Arc::new(MemorySessions::new())),
        // To the clone it is the same. What makes the difference is who is sent to it.
        "sticky" => {
            tracing::warn!(
                "sessions lie in this clone's memory; each visitor comes back to it with `balancer --strategy sticky`"
            );
            Ok(Arc::new(MemorySessions::new()))
        }
        url if url.starts_with("redis://") => match RedisSessions::new(url) {
            Ok(sessions) => Ok(Arc::new(sessions)),
            Err(error) => Err(error.to_string()),
        },
        _ => Err(
            "take `local`, `sticky`, or the address of a Redis, such as `redis://127.0.0.1:6379`"
                .to_owned(),
        ),
    }
}

fn weighted(upstream: &str) -> Result<(SocketAddr, u32), String> {
    let (addr, weight) = upstream.split_once('=').unwrap_or((upstream, "1"));
    let weight = weight
        .parse()
        .ok()
        .filter(|weight| (1..=1000).contains(weight));
    match (addr.parse(), weight) {
        (Ok(addr), Some(weight)) => Ok((addr, weight)),
        _ => Err(
            "take an address, and perhaps a weight from 1 to 1000: `127.0.0.1:8081` or `127.0.0.1:8081=3`".to_owned(),
        ),
    }
}

impl BalancerArguments {
    /// What the command line says wins over what the file says, today and whenever the file is read again.
    pub fn over(&self, mut file: Config) -> Config {
        if !self.upstream.is_empty() {
            let named = |(n, (addr, weight)): (u32, &(SocketAddr, u32))| UpstreamConfig {
                name: format!("clone-{n}"),
                addr: *addr,
                weight: *weight,
            };
            file.upstreams = (1..).zip(&self.upstream).map(named).collect();
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

/// The avatars in this folder, or in memory. An error names what could not be done.
pub fn avatars(folder: Option<&Path>) -> anyhow::Result<AvatarStore> {
    let Some(folder) = folder else {
        return Ok(AvatarStore::new(Arc::new(InMemory::new())));
    };
    let shown = folder.display();
    std::fs::create_dir_all(folder).with_context(|| {
        format!("`--avatars {shown}` is no folder and cannot be made one; choose another")
    })?;
    let objects = LocalFileSystem::new_with_prefix(folder)
        .with_context(|| format!("cannot use the folder {shown}"))?;
    // Flushed to the disk before the visitor hears that it is kept.
    Ok(AvatarStore::new(Arc::new(objects.with_fsync(true))))
}
