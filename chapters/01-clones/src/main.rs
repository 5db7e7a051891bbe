//! `cargo run -p ch01-clones`: the chapter's guided demonstration, or one of its servers by itself.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use ch01_clones::{Balancer, Upstream, app, balancer, server};
use clap::Parser;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use cli::{Arguments, Command, avatars};

mod cli;
mod demo;

#[tokio::main]
async fn main() -> ExitCode {
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr);
    log.with_env_filter(EnvFilter::from_default_env()).init();
    match run(Arguments::parse().command).await {
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
        Some(Command::Clone {
            listen,
            name,
            sessions,
            avatars: folder,
        }) => {
            let app = app::router(&name, sessions, avatars(folder.as_deref())?);
            server::run(bind(&name, listen).await?, app, server::stop_signal()).await;
        }
        Some(Command::Balancer { listen, upstream }) => {
            let named = |(n, addr)| Upstream::new(format!("clone-{n}"), addr);
            let balancer = Arc::new(Balancer::new((1..).zip(upstream).map(named).collect()));
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
