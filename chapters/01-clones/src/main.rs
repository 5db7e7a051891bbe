//! `cargo run -p ch01-clones`: the chapter's guided demonstration, or one of its servers by itself.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use ch01_clones::{Readiness, app, balancer, server};
use clap::Parser;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use cli::{Arguments, Command, avatars};

mod cli;
mod demo;
mod experiment;
mod runtime;

fn main() -> ExitCode {
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr);
    log.with_env_filter(EnvFilter::from_default_env()).init();
    match runtime::start(|| run(Arguments::parse().command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Option<Command>) -> anyhow::Result<()> {
    match command {
        None => demo::run().await?,
        Some(Command::Experiment(arguments)) => experiment::run(arguments).await?,
        Some(Command::Clone {
            listen,
            name,
            sessions,
            avatars: folder,
            notice,
        }) => {
            let readiness = Readiness::default();
            let app = app::router_with(&name, sessions, avatars(folder.as_deref())?, readiness.clone());
            let stop = readiness.leave(server::stop_signal(), Duration::from_millis(notice));
            server::run(bind(&name, listen).await?, app, stop).await;
        }
        Some(Command::Balancer {
            listen,
            upstream,
            strategy,
            probe,
            max_in_flight,
            trust,
        }) => {
            let balancer = cli::balancer(upstream, strategy, probe, max_in_flight);
            let balancer = Arc::new(balancer.with_trusted(trust));
            balancer::run(bind("balancer", listen).await?, balancer, server::stop_signal()).await;
        }
    }
    Ok(())
}

async fn bind(name: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.with_context(|| format!("cannot listen on {address}; choose another `--listen`"))?;
    println!("{name} listens on http://{} (Ctrl-C ends it)", listener.local_addr()?);
    Ok(listener)
}
