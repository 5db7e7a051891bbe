//! `serve`: runs the whole store until it is told to stop; and `balancer`, one role alone.

use anyhow::Context;
use ch01_clones::server::stop_signal;

use crate::cli::{BalancerArgs, Serve};
use crate::inspect::RunFile;
use crate::roles;
use crate::store::Store;

mod tour;

/// Runs all roles until Ctrl-C or SIGTERM.
pub async fn serve(args: &Serve) -> anyhow::Result<()> {
    let store = Store::start(args).await?;
    let _run_file =
        RunFile::write(&store.dir, store.address, &store.clones).context("the run file cannot be written")?;
    tour::print(&store);
    stop_signal().await;
    eprintln!("\nstopping: finishing what is in flight");
    store.stop().await;
    Ok(())
}

/// Runs a balancer until Ctrl-C or SIGTERM.
pub async fn balancer_alone(args: &BalancerArgs) -> anyhow::Result<()> {
    let listener = roles::balancer::bind(args.listen).await?;
    let clones: Vec<_> = args
        .upstreams
        .iter()
        .enumerate()
        .map(|(index, addr)| (format!("clone-{}", index + 1), *addr))
        .collect();
    println!("http://{}", listener.local_addr()?);
    roles::balancer::run(listener, roles::balancer::over(&clones), stop_signal()).await;
    Ok(())
}
