//! Our balancer with one of its parts switched off: what that part costs is the difference.
//!
//! Only what the library can be told to do without is here. Headers cannot be switched off, because
//! a proxy that passes `Connection` on is wrong, and not only faster.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use ch01_clones::balancer::strategy::StrategyName;
use ch01_clones::balancer::{self, ProbePolicy, RetryPolicy};
use ch01_clones::{Balancer, Upstream};
use clap::{Args, ValueEnum};
use common::shutdown::signal as stop_signal;
use tokio::net::TcpListener;

/// What is different.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Nothing: as `balancer` runs.
    Nothing,
    /// Nobody asks the clones how they are.
    NoProbes,
    /// No request is sent again, so none is kept.
    NoRetries,
    /// The clone is chosen by latency and load instead of in turn.
    PeakEwma,
    /// The clone is chosen by looking at all of them.
    LeastRequests,
}

#[derive(Args)]
pub struct Arguments {
    #[arg(long, required = true)]
    upstream: Vec<SocketAddr>,
    #[arg(long, value_enum)]
    part: Part,
}

pub async fn run(Arguments { upstream, part }: Arguments) -> anyhow::Result<()> {
    let clones = (1..)
        .zip(upstream)
        .map(|(n, address)| Upstream::new(format!("clone-{n}"), address));
    let strategy = match part {
        Part::PeakEwma => StrategyName::PeakEwma,
        Part::LeastRequests => StrategyName::LeastRequests,
        _ => StrategyName::RoundRobin,
    };
    let mut balancer = Balancer::new(clones.collect())
        .with_strategy(strategy.build(1))
        .with_max_in_flight(1024);
    if part != Part::NoProbes {
        balancer = balancer.with_probes(ProbePolicy::default());
    }
    if part == Part::NoRetries {
        balancer = balancer.with_retries(RetryPolicy {
            max_attempts: 1,
            ..RetryPolicy::default()
        });
    }
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .context("cannot listen on any port of 127.0.0.1")?;
    println!("{part:?} listens on http://{}", listener.local_addr()?);
    balancer::run(listener, Arc::new(balancer), stop_signal()).await;
    Ok(())
}
