//! The command line: which server to be, where to listen, and where the visitors' things lie.
//!
//! Sessions are opened while the arguments are read, so a wrong place is told like any other wrong argument.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use ch01_clones::balancer::Probes;
use ch01_clones::balancer::strategy::StrategyName;
use ch01_clones::{AvatarStore, Balancer, MemorySessions, RedisSessions, SessionStore, Upstream};
use clap::{Parser, Subcommand};
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
    Clone {
        /// Where to listen; port 0 takes a free one
        #[arg(long, default_value = "127.0.0.1:8081")]
        listen: SocketAddr,
        /// The name in `x-served-by`
        #[arg(long, default_value = "clone-1")]
        name: String,
        /// Where sessions lie: `local`, in the clone's own memory, or `redis://HOST:PORT[/N]`, shared with all clones
        #[arg(long, value_name = "PLACE", default_value = "local", value_parser = sessions)]
        sessions: Arc<dyn SessionStore>,
        /// The folder of the avatars, made if it is not there; without it they lie in the clone's own memory
        #[arg(long, value_name = "DIR")]
        avatars: Option<PathBuf>,
        /// How many milliseconds it says "not ready" at `/readyz`, and still answers, before it stops
        #[arg(long, value_name = "MS", default_value = "2000")]
        notice: u64,
    },
    /// Measures: how much clones bring, who waits for a slow one, what the balancer costs
    Experiment(experiment::Arguments),
    /// Runs the balancer
    Balancer {
        /// Where to listen; port 0 takes a free one
        #[arg(long, default_value = "127.0.0.1:8080")]
        listen: SocketAddr,
        /// The address of a clone, and perhaps how much it carries compared with the others; once for each clone
        #[arg(long, value_name = "ADDR[=WEIGHT]", required = true, value_parser = weighted)]
        upstream: Vec<(SocketAddr, u32)>,
        /// How a clone is chosen for a request
        #[arg(long, value_name = "NAME", value_enum, default_value_t)]
        strategy: StrategyName,
        /// What each clone is asked twice a second; it gets requests while it answers with 2xx
        #[arg(long, value_name = "PATH", default_value = "/readyz")]
        probe: String,
        /// How many requests a clone may have in flight; what no clone has room for is refused with 503
        #[arg(long, value_name = "REQUESTS", default_value = "1024")]
        max_in_flight: usize,
        /// The address of a proxy in front of this one, whose `X-Forwarded-For` and `Forwarded` are believed; once for each
        #[arg(long, value_name = "ADDR")]
        trust: Vec<IpAddr>,
    },
}

fn sessions(place: &str) -> Result<Arc<dyn SessionStore>, String> {
    match place {
        "local" => Ok(Arc::new(MemorySessions::new())),
        url if url.starts_with("redis://") => match RedisSessions::new(url) {
            Ok(sessions) => Ok(Arc::new(sessions)),
            Err(error) => Err(error.to_string()),
        },
        "sticky" => Err(
            "stickiness is the balancer's: take `local` here, and `--strategy sticky` there; or `redis://127.0.0.1:6379`"
                .to_owned(),
        ),
        _ => Err("take `local`, or the address of a Redis, such as `redis://127.0.0.1:6379`".to_owned()),
    }
}

fn weighted(upstream: &str) -> Result<(SocketAddr, u32), String> {
    let (addr, weight) = upstream.split_once('=').unwrap_or((upstream, "1"));
    let weight = weight.parse().ok().filter(|weight| (1..=1000).contains(weight));
    match (addr.parse(), weight) {
        (Ok(addr), Some(weight)) => Ok((addr, weight)),
        _ => Err(
            "take an address, and perhaps a weight from 1 to 1000: `127.0.0.1:8081` or `127.0.0.1:8081=3`".to_owned(),
        ),
    }
}

/// A balancer as the arguments say, over clones called `clone-1`, `clone-2`, …
pub fn balancer(
    upstreams: Vec<(SocketAddr, u32)>,
    strategy: StrategyName,
    probe: String,
    max_in_flight: usize,
) -> Balancer {
    let named = |(n, (addr, weight))| Upstream::new(format!("clone-{n}"), addr).with_weight(weight);
    let probes = Probes {
        path: probe,
        ..Probes::default()
    };
    Balancer::new((1..).zip(upstreams).map(named).collect())
        .with_strategy(strategy.build(std::process::id().into()))
        .with_probes(probes)
        .with_max_in_flight(max_in_flight)
}

/// The avatars in this folder, or in memory. An error names what could not be done.
pub fn avatars(folder: Option<&Path>) -> anyhow::Result<AvatarStore> {
    let Some(folder) = folder else {
        return Ok(AvatarStore::new(Arc::new(InMemory::new())));
    };
    let shown = folder.display();
    std::fs::create_dir_all(folder)
        .with_context(|| format!("`--avatars {shown}` is no folder and cannot be made one; choose another"))?;
    let objects = LocalFileSystem::new_with_prefix(folder).with_context(|| format!("cannot use the folder {shown}"))?;
    // Flushed to the disk before the visitor hears that it is kept.
    Ok(AvatarStore::new(Arc::new(objects.with_fsync(true))))
}
