//! `balancer`, `clone`, `worker` and `publisher`: one role alone in this process.
//!
//! A role other than the balancer connects to the servers that the environment names. It prints a
//! line when it is ready, so a parent process can wait for that line.

use std::io::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use ch01_clones::web::identity::Identity;
use ch02_database::seed::SeedRequest;
use common::shutdown;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::progress::seeding_progress;
use crate::cli::{BalancerArgs, CloneArgs, RoleArgs, WorkerArgs};
use crate::http::CloneState;
use crate::http::metrics::Metrics;
use crate::roles;
use crate::services::external::{Addresses, ExternalServers};
use crate::services::{DataDir, Services};

/// How long a stopping worker may continue its current job.
const JOB_TIMEOUT: Duration = Duration::from_secs(4);

/// Runs a balancer until Ctrl-C or SIGTERM.
pub async fn balancer(args: &BalancerArgs) -> anyhow::Result<()> {
    let stop = shutdown::signal();
    let listener = roles::balancer::bind(args.listen).await?;
    let clones: Vec<_> = args
        .upstreams
        .iter()
        .enumerate()
        .map(|(index, addr)| (format!("clone-{}", index + 1), *addr))
        .collect();
    let balancer = roles::balancer::balancer(&clones)?;
    print_ready(&format!("http://{}", listener.local_addr()?));
    roles::balancer::run(listener, balancer, stop).await;
    Ok(())
}

/// Runs a clone until it must stop. Prints its address when it answers.
pub async fn clone(args: &CloneArgs) -> anyhow::Result<()> {
    let stop = shutdown::requested(args.role.exit_on_stdin_close);
    let listener = TcpListener::bind(args.listen).await;
    let listener = listener
        .with_context(|| format!("cannot listen on {}; choose another --listen", args.listen))?;
    let Some((servers, stop)) = connect(&args.role, stop).await? else {
        return Ok(());
    };
    let state = CloneState {
        services: Services::external(&servers),
        identity: Identity::new(&args.name),
        metrics: Metrics::default(),
        stopping: CancellationToken::new(),
    };
    roles::subscribe(&state.services).await;
    let (stopping, writes) = (state.stopping.clone(), state.services.writes.clone());
    print_ready(&format!("http://{}", listener.local_addr()?));
    let stop = async {
        stop.await;
        // Event streams end first, because they would keep the server from stopping.
        stopping.cancel();
    };
    roles::clone::run(listener, state, stop).await;
    // Some writes continue after their clients have disconnected.
    writes.close();
    writes.wait().await;
    servers.close().await;
    Ok(())
}

/// Runs a worker and the notifiers until they must stop. The worker finishes its current job.
pub async fn worker(args: &WorkerArgs) -> anyhow::Result<()> {
    let stop = shutdown::requested(args.role.exit_on_stdin_close);
    let Some((servers, stop)) = connect(&args.role, stop).await? else {
        return Ok(());
    };
    let services = Services::external(&servers);
    roles::subscribe(&services).await;
    let worker = roles::worker::worker(args.name.clone(), &services);
    let stopping = CancellationToken::new();
    let notifiers = roles::notifier::notifiers(&services, &Metrics::default());
    let notifiers: Vec<_> = notifiers.into_iter().map(roles::notifier::start).collect();
    print_ready(&format!("{} is running", args.name));
    let stop = async {
        stop.await;
        stopping.cancel();
    };
    let give_up = async {
        stopping.cancelled().await;
        tokio::time::sleep(JOB_TIMEOUT).await;
    };
    worker.run(stop, give_up).await;
    // An unfinished notification is sent later.
    for notifier in notifiers {
        notifier.stop(Instant::now()).await;
    }
    servers.close().await;
    Ok(())
}

/// Runs the publisher until it must stop.
pub async fn publisher(args: &RoleArgs) -> anyhow::Result<()> {
    let stop = shutdown::requested(args.exit_on_stdin_close);
    let Some((servers, stop)) = connect(args, stop).await? else {
        return Ok(());
    };
    let services = Services::external(&servers);
    let publisher = roles::publisher::publisher(&services);
    let withdrawn = publisher.withdraw_stale().await;
    withdrawn.context("outdated pages cannot be removed")?;
    roles::subscribe(&services).await;
    print_ready("the publisher is running");
    roles::publisher::run(publisher, services.events.clone(), stop).await;
    servers.close().await;
    Ok(())
}

/// Connects to the servers that the environment names. `None` if the process must stop meanwhile.
async fn connect<Stop: Future<Output = ()>>(
    args: &RoleArgs,
    stop: Stop,
) -> anyhow::Result<Option<(Arc<ExternalServers>, Pin<Box<Stop>>)>> {
    let addresses = Addresses::from_env()
        .context("a role that runs alone shares its servers with the other roles")?;
    let dir = DataDir::resolve_shared(args.data_dir.as_deref())?;
    let mut stop = Box::pin(stop);
    let request = SeedRequest::default();
    let connecting =
        ExternalServers::connect(&addresses, &dir, request, &args.naive, seeding_progress());
    let servers = tokio::select! {
        servers = connecting => servers?,
        () = &mut stop => return Ok(None),
    };
    Ok(Some((Arc::new(servers), stop)))
}

/// Prints the line that a parent process waits for.
fn print_ready(line: &str) {
    let mut out = std::io::stdout().lock();
    // Standard output may be closed already. The role runs anyway.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
