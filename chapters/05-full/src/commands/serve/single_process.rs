//! A store whose roles all run in this process, on embedded services or on external servers.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use ch01_clones::web::identity::Identity;
use ch02_database::seed::SeedRequest;
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::cli::{ServeArgs, ServiceSource};
use crate::commands::progress::seeding_progress;
use crate::http::CloneState;
use crate::http::metrics::Metrics;
use crate::roles;
use crate::roles::task::{RoleTask, WorkerTask};
use crate::services::embedded::EmbeddedStorage;
use crate::services::external::{Addresses, ExternalServers};
use crate::services::{DataDir, Services};

/// The longest time from the stop signal to the end. People press Ctrl-C again after about 5 s.
pub const STOP_TIMEOUT: Duration = Duration::from_millis(4_500);

/// When a stopping store aborts what is still running. The rest of [`STOP_TIMEOUT`] is for putting
/// jobs back and closing files.
const ABORT_AFTER: Duration = Duration::from_secs(4);

/// A store that runs in this process.
pub struct SingleProcessStore {
    /// The address of the balancer.
    pub address: SocketAddr,
    /// The name and the address of each clone.
    pub clones: Vec<(String, SocketAddr)>,
    /// How many unfinished jobs of the last run were put back on the queue.
    pub resumed_jobs: usize,
    /// Where the store keeps its files.
    pub dir: DataDir,
    backend: Backend,
    services: Services,
    /// Cancelled first when the store stops: event streams end.
    stopping: CancellationToken,
    balancer: RoleTask,
    clone_tasks: Vec<RoleTask>,
    workers: Vec<WorkerTask>,
    publisher: RoleTask,
    notifiers: Vec<RoleTask>,
}

/// What stands behind the services. Closed when every role has ended.
enum Backend {
    Embedded(Arc<EmbeddedStorage>),
    External(Arc<ExternalServers>, Addresses),
}

impl SingleProcessStore {
    /// Opens the data and starts all roles. When this returns, the store answers requests.
    pub async fn start(args: &ServeArgs) -> anyhow::Result<SingleProcessStore> {
        args.check()?;
        match args.services {
            ServiceSource::Embedded => SingleProcessStore::start_embedded(args).await,
            ServiceSource::External => {
                SingleProcessStore::start_external(&Addresses::from_env()?, args).await
            }
            ServiceSource::Docker => {
                bail!("`--services docker` needs a process for each role (`MultiProcessStore`)")
            }
        }
    }

    async fn start_embedded(args: &ServeArgs) -> anyhow::Result<SingleProcessStore> {
        // Binds first, so that a port in use is reported before a new store is seeded.
        let listener = roles::balancer::bind(args.listen()).await?;
        let dir = DataDir::resolve(args.data_dir.as_deref())?;
        let storage = EmbeddedStorage::open(&dir, args.seed_request(), seeding_progress()).await?;
        let storage = Arc::new(storage);
        let (services, resumed_jobs) = Services::embedded(&storage)
            .await
            .context("the jobs of the last run cannot be read")?;
        let backend = Backend::Embedded(storage);
        SingleProcessStore::run(args, listener, backend, services, dir, resumed_jobs).await
    }

    /// Starts all roles on the servers at these addresses.
    pub async fn start_external(
        addresses: &Addresses,
        args: &ServeArgs,
    ) -> anyhow::Result<SingleProcessStore> {
        let listener = roles::balancer::bind(args.listen()).await?;
        let dir = DataDir::resolve_shared(args.data_dir.as_deref())?;
        let request = SeedRequest {
            shards: None,
            ..args.seed_request()
        };
        let servers =
            ExternalServers::connect(addresses, &dir, request, &args.naive, seeding_progress())
                .await?;
        let servers = Arc::new(servers);
        let services = Services::external(&servers);
        let backend = Backend::External(servers, addresses.clone());
        SingleProcessStore::run(args, listener, backend, services, dir, 0).await
    }

    async fn run(
        args: &ServeArgs,
        listener: TcpListener,
        backend: Backend,
        services: Services,
        dir: DataDir,
        resumed_jobs: usize,
    ) -> anyhow::Result<SingleProcessStore> {
        let address = listener.local_addr()?;
        let publisher = roles::publisher::publisher(&services);
        // Before the first request: a crash between a commit and the withdrawal of a page leaves
        // an outdated page.
        let withdrawn = publisher.withdraw_stale().await;
        withdrawn.context("outdated pages cannot be removed")?;
        roles::subscribe(&services).await;

        let (metrics, stopping) = (Metrics::default(), CancellationToken::new());
        let mut clones = Vec::new();
        let mut clone_tasks = Vec::new();
        for number in 1..=args.clones() {
            let name = format!("clone-{number}");
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                .await
                .context("there is no free port for a clone")?;
            clones.push((name.clone(), listener.local_addr()?));
            let state = CloneState {
                services: services.clone(),
                identity: Identity::new(&name),
                metrics: metrics.clone(),
                stopping: stopping.clone(),
            };
            clone_tasks.push(RoleTask::start_server(
                name,
                listener,
                move |listener, stop| roles::clone::run(listener, state.clone(), stop),
            )?);
        }
        let workers = (1..=args.workers())
            .map(|number| roles::worker::worker(format!("worker-{number}"), &services))
            .map(WorkerTask::start)
            .collect();
        let notifiers = roles::notifier::notifiers(&services, &metrics)
            .into_iter()
            .map(roles::notifier::start)
            .collect();
        let publisher = roles::publisher::start(&services);
        let balancer = roles::balancer::balancer(&clones)?;
        metrics.set_balancer(balancer.clone());
        let balancer = roles::balancer::start(listener, balancer)?;
        Ok(SingleProcessStore {
            address,
            clones,
            resumed_jobs,
            dir,
            backend,
            services,
            stopping,
            balancer,
            clone_tasks,
            workers,
            publisher,
            notifiers,
        })
    }

    /// How many workers the store has.
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// The addresses of the external servers. `None` for an embedded store.
    pub fn addresses(&self) -> Option<&Addresses> {
        match &self.backend {
            Backend::Embedded(_) => None,
            Backend::External(_, addresses) => Some(addresses),
        }
    }

    /// Stops all roles and closes the databases, within [`STOP_TIMEOUT`].
    ///
    /// The balancer stops first, so no new request comes in while the clones finish their requests.
    /// Then the clones, the publisher and the workers stop. The databases close last.
    pub async fn stop(self) {
        let begin = Instant::now();
        let (abort, deadline) = (begin + ABORT_AFTER, begin + STOP_TIMEOUT);
        self.stopping.cancel();
        // No request waits for a worker, so the workers take no more jobs from now on.
        self.workers.iter().for_each(WorkerTask::begin_stop);
        self.balancer.stop(abort).await;
        // All clones begin to stop before the first one is awaited, so they stop concurrently.
        self.clone_tasks.iter().for_each(RoleTask::begin_stop);
        for clone in self.clone_tasks {
            clone.stop(abort).await;
        }
        // Some writes continue after their clients have disconnected.
        self.services.writes.close();
        let _ = timeout_at(abort, self.services.writes.wait()).await;
        self.publisher.stop(abort).await;
        for notifier in self.notifiers {
            notifier.stop(abort).await;
        }
        for worker in self.workers {
            worker.stop(abort, deadline).await;
        }
        let _ = match self.backend {
            Backend::Embedded(storage) => timeout_at(deadline, storage.close()).await,
            Backend::External(servers, _) => timeout_at(deadline, servers.close()).await,
        };
    }
}
