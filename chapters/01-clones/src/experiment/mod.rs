//! `cargo run --release -p ch01-clones -- experiment …`: the chapter's claims in numbers, measured
//! on this machine.
//!
//! [`scale`] asks how much one more clone brings, [`strategies`] who waits when one clone is slow,
//! [`proxy_cost`] what the balancer itself costs. Each prints a table with its spread, says what
//! the machine was, and draws itself with `--svg`. Rounds are interleaved (A B C, A B C, …), so
//! that whatever else the machine does hits all alike, and medians are compared.
//!
//! Left out: other machines. Load goes to loopback, and generator, balancer and clones share the
//! same cores.

use std::net::SocketAddr;

use anyhow::bail;
use clap::{Args, Subcommand};
use common::shutdown::signal as stop_signal;

mod burn;
mod clones;
mod machine;
mod proxy_cost;
mod scale;
mod settings;
mod spread;
mod strategies;
mod usl;
mod visitors;

use settings::Settings;

/// Which experiment, and how.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    experiment: Experiment,
}

#[derive(Subcommand)]
enum Experiment {
    /// How much one more clone brings, where nothing is shared and where all wait for one server
    Scale(Settings),
    /// How long visitors wait with each strategy when one clone of four is slow
    Strategies(Settings),
    /// How much CPU time a request costs in this balancer, in nginx and in HAProxy, and what each
    /// part of it costs
    ProxyCost(proxy_cost::Arguments),
    /// A clone that burns processor time
    #[command(hide = true)]
    Burn(burn::Arguments),
    /// A server that answers at once
    #[command(hide = true)]
    Backend {
        #[arg(long, required = true)]
        listen: Vec<SocketAddr>,
    },
    /// This balancer with parts of it switched off
    #[command(hide = true)]
    Proxy(proxy_cost::part::Arguments),
}

/// Runs one experiment. Ctrl-C ends it, and whatever it started with it.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    if matches!(
        arguments.experiment,
        Experiment::Scale(_) | Experiment::Strategies(_) | Experiment::ProxyCost(_)
    ) {
        machine::warn_of_debug_build();
    }
    let measured = async {
        match arguments.experiment {
            Experiment::Scale(settings) => scale::run(&settings).await,
            Experiment::Strategies(settings) => strategies::run(&settings).await,
            Experiment::ProxyCost(arguments) => proxy_cost::run(&arguments).await,
            Experiment::Burn(arguments) => burn::run(arguments).await,
            Experiment::Backend { listen } => proxy_cost::backend::run(listen).await,
            Experiment::Proxy(arguments) => proxy_cost::part::run(arguments).await,
        }
    };
    tokio::select! {
        done = measured => done,
        () = stop_signal() => bail!("stopped before the end; what was started is gone too"),
    }
}
