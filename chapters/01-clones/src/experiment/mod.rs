//! `cargo run --release -p ch01-clones -- experiment …` measures the chapter's claims on this
//! machine.
//!
//! [`scale`] measures the throughput of 1 to 8 clones, [`strategies`] the latency with one slow
//! clone, [`proxy_cost`] the processor time of the balancer. Each prints a table with medians and
//! spreads, and draws a plot with `--svg`. Rounds are interleaved (A B C, A B C, …), so that
//! other load on the machine affects all cases equally.
//!
//! Left out: other machines. Load goes to loopback, and generator, balancer and clones share the
//! same cores.

use std::net::SocketAddr;

use anyhow::bail;
use clap::{Args, Subcommand};
use common::shutdown::signal as stop_signal;
use measurement::{Settings, machine};

mod burn;
mod container_clones;
mod proxy_cost;
mod scale;
mod session_cookies;
mod strategies;
mod usl;

/// The experiment and its settings.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    experiment: Experiment,
}

#[derive(Subcommand)]
enum Experiment {
    /// Measures the throughput of 1 to 8 clones, without and with a shared server
    Scale(Settings),
    /// Measures the latency of each strategy when one of four clones is slow
    Strategies(Settings),
    /// Measures the CPU time per request of this balancer, nginx and HAProxy, and of each feature
    ProxyCost(proxy_cost::Arguments),
    /// A clone that burns processor time
    #[command(hide = true)]
    Burn(burn::Arguments),
    /// A server that responds at once
    #[command(hide = true)]
    Backend {
        #[arg(long, required = true)]
        listen: Vec<SocketAddr>,
    },
    /// This balancer with one feature switched off
    #[command(hide = true)]
    Proxy(proxy_cost::balancer_variant::Arguments),
}

/// Runs one experiment. Ctrl-C stops it and all that it has started.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    if matches!(
        arguments.experiment,
        Experiment::Scale(_) | Experiment::Strategies(_) | Experiment::ProxyCost(_)
    ) {
        machine::warn_of_debug_build();
    }
    let experiment = async {
        match arguments.experiment {
            Experiment::Scale(settings) => scale::run(&settings).await,
            Experiment::Strategies(settings) => strategies::run(&settings).await,
            Experiment::ProxyCost(arguments) => proxy_cost::run(&arguments).await,
            Experiment::Burn(arguments) => burn::run(arguments).await,
            Experiment::Backend { listen } => proxy_cost::backend::run(listen).await,
            Experiment::Proxy(arguments) => proxy_cost::balancer_variant::run(arguments).await,
        }
    };
    tokio::select! {
        result = experiment => result,
        () = stop_signal() => bail!("stopped before the end; the started programs are stopped too"),
    }
}
