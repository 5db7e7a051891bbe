//! `serve`: runs the whole store until it is told to stop; and `balancer`, one role alone.

use std::pin::pin;

use ch01_clones::server::stop_signal;

use crate::cli::{BalancerArgs, Serve};
use crate::inspect::RunFile;
use crate::roles;
use crate::store::Store;

mod tour;

/// Runs all roles until Ctrl-C or SIGTERM.
pub async fn serve(args: &Serve) -> anyhow::Result<()> {
    let mut stop = pin!(stop_signal());
    let store = tokio::select! {
        store = Store::start(args) => store?,
        // In the middle of filling a new store, perhaps. What is not whole is made anew at the next start.
        () = &mut stop => return Ok(()),
    };
    let run_file = RunFile::write(&store.dir, store.address, &store.clones)
        .inspect_err(|error| tracing::warn!(%error, "`inspect` will not find this store by its data directory"));
    tour::print(&store);
    stop.await;
    eprintln!("\nstopping: finishing what is in flight");
    // Before the store lets go of its directory: the file of the next store must not be ours to remove.
    drop(run_file);
    store.stop().await;
    Ok(())
}

/// Runs a balancer until Ctrl-C or SIGTERM.
pub async fn balancer_alone(args: &BalancerArgs) -> anyhow::Result<()> {
    let stop = stop_signal();
    let listener = roles::balancer::bind(args.listen).await?;
    let clones: Vec<_> = args
        .upstreams
        .iter()
        .enumerate()
        .map(|(index, addr)| (format!("clone-{}", index + 1), *addr))
        .collect();
    println!("http://{}", listener.local_addr()?);
    roles::balancer::run(listener, roles::balancer::over(&clones), stop).await;
    Ok(())
}
