//! `serve`: runs the whole store until Ctrl-C or SIGTERM.
//!
//! With `--services embedded` and `external` all roles run in this process ([`single_process`]).
//! With `--services docker` each clone and worker has its own process (`multi_process`).

#[cfg(feature = "docker")]
pub mod multi_process;
#[cfg(feature = "docker")]
pub mod role_process;
pub mod single_process;
mod tour;

use std::pin::pin;

use common::shutdown;

use super::run_file::RunFile;
use crate::cli::{ServeArgs, ServiceSource};
use single_process::SingleProcessStore;
use tour::Tour;

/// Runs the store.
pub async fn serve(args: &ServeArgs) -> anyhow::Result<()> {
    args.check()?;
    match args.services {
        ServiceSource::Embedded | ServiceSource::External => serve_in_one_process(args).await,
        #[cfg(feature = "docker")]
        ServiceSource::Docker => serve_in_several_processes(args).await,
        #[cfg(not(feature = "docker"))]
        ServiceSource::Docker => unreachable!("`check` has rejected it"),
    }
}

async fn serve_in_one_process(args: &ServeArgs) -> anyhow::Result<()> {
    let mut stop = pin!(shutdown::signal());
    let store = tokio::select! {
        store = SingleProcessStore::start(args) => store?,
        // An interrupted seeding starts again at the next start.
        () = &mut stop => return Ok(()),
    };
    let run_file = RunFile::write(&store.dir, store.address, &store.clones).inspect_err(|error| {
        tracing::warn!(%error, "`inspect` will not find this store by its data directory");
    });
    Tour::of_single_process(&store).print();
    stop.await;
    eprintln!("\nstopping: finishing the requests in flight");
    // Removed before the store releases its directory. Later, the file could belong to the next
    // store.
    drop(run_file);
    store.stop().await;
    Ok(())
}

#[cfg(feature = "docker")]
async fn serve_in_several_processes(args: &ServeArgs) -> anyhow::Result<()> {
    let mut stop = pin!(shutdown::signal());
    eprintln!("starting PostgreSQL, Redis, Memcached and RabbitMQ in containers");
    let mut store = tokio::select! {
        store = multi_process::MultiProcessStore::start(args) => store?,
        // Dropping the future removes the containers that have started.
        () = &mut stop => return Ok(()),
    };
    Tour::of_several_processes(&store).print();
    tokio::select! {
        () = &mut stop => {}
        () = store.keep_running(|line| eprintln!("{line}")) => {}
    }
    eprintln!("\nstopping: finishing the requests in flight, then removing the containers");
    store.stop().await;
    Ok(())
}
