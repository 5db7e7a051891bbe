//! This balancer with one feature switched off or replaced. The difference is the feature's cost.
//!
//! Header handling cannot be switched off, because a proxy that forwards `Connection` is wrong.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use ch01_clones::balancer::strategy::StrategyName;
use ch01_clones::balancer::{self, ProbePolicy, RetryPolicy};
use ch01_clones::{Balancer, Upstream};
use clap::{Args, ValueEnum};
use common::shutdown::signal as stop_signal;
use tokio::net::TcpListener;

/// The feature that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Variant {
    /// No difference: the default balancer.
    Default,
    /// Without health probes.
    NoProbes,
    /// Without retries, so no body is kept.
    NoRetries,
    /// The strategy `peak-ewma` instead of round robin.
    PeakEwma,
    /// The strategy `least-requests`.
    LeastRequests,
}

#[derive(Args)]
pub struct Arguments {
    #[arg(long, required = true)]
    upstream: Vec<SocketAddr>,
    #[arg(long, value_enum)]
    variant: Variant,
}

pub async fn run(Arguments { upstream, variant }: Arguments) -> anyhow::Result<()> {
    let clones = (1..)
        .zip(upstream)
        .map(|(n, address)| Upstream::new(format!("clone-{n}"), address));
    let strategy = match variant {
        Variant::PeakEwma => StrategyName::PeakEwma,
        Variant::LeastRequests => StrategyName::LeastRequests,
        _ => StrategyName::RoundRobin,
    };
    let mut balancer = Balancer::new(clones.collect())
        .with_strategy(strategy.build(1))
        .with_max_in_flight(1024);
    if variant != Variant::NoProbes {
        balancer = balancer.with_probes(ProbePolicy::default());
    }
    if variant == Variant::NoRetries {
        balancer = balancer.with_retries(RetryPolicy {
            max_attempts: 1,
            ..RetryPolicy::default()
        });
    }
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .context("cannot listen on any port of 127.0.0.1")?;
    println!("{variant:?} listens on http://{}", listener.local_addr()?);
    balancer::run(listener, Arc::new(balancer), stop_signal()).await;
    Ok(())
}
