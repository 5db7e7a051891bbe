//! `serve`: runs the whole store until it is told to stop; and `balancer`, `clone`, `worker` and `publisher`, one role alone.

use std::io::Write;
use std::pin::pin;
use std::sync::Arc;

use anyhow::{Context, bail};
use ch01_clones::web::identity::Identity;
use ch01_clones::web::shutdown::stop_signal;
use ch02_database::seed::SeedRequest;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::cli::{BalancerArgs, CloneArgs, RoleArgs, Serve, ServiceSource, WorkerArgs};
use crate::http::CloneState;
use crate::inspect::RunFile;
use crate::metrics::Metrics;
use crate::roles;
use crate::servers::{Addresses, Servers};
use crate::services::Services;
use crate::store::{Store, progress_bar, shared_folder};

#[cfg(feature = "docker")]
mod containers;
mod stop;
mod tour;

/// Runs all roles until Ctrl-C or SIGTERM.
pub async fn serve(args: &Serve) -> anyhow::Result<()> {
    args.check()?;
    if args.services == ServiceSource::Docker {
        #[cfg(feature = "docker")]
        return containers::serve(args).await;
    }
    let mut stop = pin!(stop_signal());
    let store = tokio::select! {
        store = Store::start(args) => store?,
        // In the middle of filling a new store, perhaps. What is not whole is made anew at the next start.
        () = &mut stop => return Ok(()),
    };
    let run_file = RunFile::write(&store.dir, store.address, &store.clones).inspect_err(
        |error| tracing::warn!(%error, "`inspect` will not find this store by its data directory"),
    );
    tour::print(&tour::Tour::of_one_process(&store));
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
    say(&format!("http://{}", listener.local_addr()?));
    roles::balancer::run(listener, roles::balancer::over(&clones), stop).await;
    Ok(())
}

/// Runs a clone until it is told to stop. It says its address once it answers.
pub async fn clone_alone(args: &CloneArgs) -> anyhow::Result<()> {
    let stop = stop::requested(args.role.end_with_stdin);
    let listener = TcpListener::bind(args.listen).await;
    let listener = listener
        .with_context(|| format!("cannot listen on {}; choose another --listen", args.listen))?;
    let Some((servers, stop)) = open(&args.role, stop).await? else {
        return Ok(());
    };
    let state = CloneState {
        services: Services::on_servers(&servers),
        identity: Identity::new(&args.name),
        metrics: Metrics::default(),
        stopping: CancellationToken::new(),
    };
    roles::subscribe(&state.services).await;
    let (stopping, writes) = (state.stopping.clone(), state.services.writes.clone());
    say(&format!("http://{}", listener.local_addr()?));
    let stop = async {
        stop.await;
        // Endless answers end first.
        stopping.cancel();
    };
    roles::clone::run(listener, state, stop).await;
    // Writes whose clients have hung up are still under way.
    writes.close();
    writes.wait().await;
    servers.close().await;
    Ok(())
}

/// Runs a worker, with a notifier for each channel, until it is told to stop and has finished the job in hand.
pub async fn worker_alone(args: &WorkerArgs) -> anyhow::Result<()> {
    let stop = stop::requested(args.role.end_with_stdin);
    let Some((servers, stop)) = open(&args.role, stop).await? else {
        return Ok(());
    };
    let services = Services::on_servers(&servers);
    roles::subscribe(&services).await;
    let worker = roles::worker::worker(args.name.clone(), &services);
    let stopping = CancellationToken::new();
    for notifier in roles::notifier::notifiers(&services, &Metrics::default()) {
        tokio::spawn(notifier.run(stopping.clone().cancelled_owned()));
    }
    say(&format!("{} is at work", args.name));
    let stop = async {
        stop.await;
        stopping.cancel();
    };
    let cut_off = async {
        stopping.cancelled().await;
        tokio::time::sleep(stop::PATIENCE).await;
    };
    worker.run(stop, cut_off).await;
    servers.close().await;
    Ok(())
}

/// Runs the publisher until it is told to stop.
pub async fn publisher_alone(args: &RoleArgs) -> anyhow::Result<()> {
    let stop = stop::requested(args.end_with_stdin);
    let Some((servers, stop)) = open(args, stop).await? else {
        return Ok(());
    };
    let services = Services::on_servers(&servers);
    let publisher = roles::publisher::publisher(&services);
    let outdated = publisher.withdraw_stale().await;
    outdated.context("pages that are out of date cannot be taken down")?;
    roles::subscribe(&services).await;
    say("the publisher is at work");
    roles::publisher::run(publisher, services.events.clone(), stop).await;
    servers.close().await;
    Ok(())
}

/// Connects to the servers that the environment names; `None` if the process is told to stop meanwhile.
async fn open<Stop: Future<Output = ()>>(
    args: &RoleArgs,
    stop: Stop,
) -> anyhow::Result<Option<(Arc<Servers>, std::pin::Pin<Box<Stop>>)>> {
    let addresses = match Addresses::from_env() {
        Ok(addresses) => addresses,
        Err(error) => bail!("a role alone shares its servers with the others. {error}"),
    };
    let folder = shared_folder(args.data_dir.clone())?;
    let mut stop = Box::pin(stop);
    let servers = tokio::select! {
        servers = Servers::open(&addresses, &folder, SeedRequest::default(), progress_bar()) => servers?,
        () = &mut stop => return Ok(None),
    };
    Ok(Some((Arc::new(servers), stop)))
}

/// Prints the line that others wait for. Whoever reads our output may have closed it already; that is no reason not to work.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
