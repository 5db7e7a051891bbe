//! `cargo run -p ch01-clones`: the chapter's guided demonstration, or one of its servers by itself.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use ch01_clones::{Balancer, MemorySessions, Upstream, app, balancer, server};
use clap::{Parser, Subcommand};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

mod demo;

#[derive(Parser)]
#[command(about = "Chapter 1: a balancer and its clones. Without a command: the demonstration")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Runs one clone, with its sessions in its own memory
    Clone {
        /// Where to listen; port 0 takes a free one
        #[arg(long, default_value = "127.0.0.1:8081")]
        listen: SocketAddr,
        /// The name in `x-served-by`
        #[arg(long, default_value = "clone-1")]
        name: String,
    },
    /// Runs the balancer
    Balancer {
        /// Where to listen; port 0 takes a free one
        #[arg(long, default_value = "127.0.0.1:8080")]
        listen: SocketAddr,
        /// The address of a clone; once for each clone
        #[arg(long, required = true)]
        upstream: Vec<SocketAddr>,
    },
}

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
        Some(Command::Clone { listen, name }) => {
            let app = app::router(&name, Arc::new(MemorySessions::new()));
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
