//! The running store: every role in this process, and what they stand on.
//!
//! On the way down the balancer goes first, so that nothing new comes in while the clones finish what they have; then the clones,
//! then the publisher and the workers, and the databases last. Everything together ends within [`STOP_WITHIN`]. Left out: roles that are started
//! again when they fail; a role that panics stays away until the store is restarted.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use ch01_clones::web::identity::Identity;
use ch02_database::seed::SeedRequest;
use ch04_async::Worker;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::cli::{Serve, ServiceSource};
use crate::embedded::{DataDir, Embedded};
use crate::http::CloneState;
use crate::metrics::Metrics;
use crate::roles;
use crate::servers::{Addresses, Servers};
use crate::services::Services;

/// From the signal until everything is closed, at most. People press Ctrl-C a second time after about five seconds.
pub const STOP_WITHIN: Duration = Duration::from_millis(4_500);

/// What is not finished by then is cut off. The rest of the time is for writing down what was cut off, and for closing files.
const CUT_OFF_AFTER: Duration = Duration::from_secs(4);

/// A store that runs in this process: all roles, and what they stand on.
pub struct Store {
    /// Where the balancer listens.
    pub address: SocketAddr,
    /// Each clone's name and address.
    pub clones: Vec<(String, SocketAddr)>,
    /// How many jobs of the last run went back on the queue.
    pub resumed_jobs: usize,
    /// Where its files are.
    pub dir: DataDir,
    stands_on: StandsOn,
    services: Services,
    /// Told first: endless answers end.
    stopping: CancellationToken,
    balancer: Role,
    clone_roles: Vec<Role>,
    workers: Vec<WorkerRole>,
    publisher: Role,
    notifiers: Vec<Role>,
}

/// What is to be closed when every role has ended.
enum StandsOn {
    Embedded(Arc<Embedded>),
    Servers(Arc<Servers>, Addresses),
}

/// A role on a task of its own, and the way to tell it to stop.
struct Role {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// A worker can be told twice: to begin no other job, and to let go of the one in hand.
struct WorkerRole {
    role: Role,
    cut_off: CancellationToken,
}

impl Store {
    /// Opens the data and starts every role. When this returns, the store answers.
    pub async fn start(args: &Serve) -> anyhow::Result<Store> {
        args.check()?;
        match args.services {
            ServiceSource::Embedded => {}
            ServiceSource::External => return Store::start_on(&Addresses::from_env()?, args).await,
            ServiceSource::Docker => {
                bail!("a store in containers has a process for each role, see `fleet`")
            }
        }
        // First of all, so that a port in use is told before the filling of a new store.
        let listener = roles::balancer::bind(args.listen()).await?;
        let dir = DataDir::resolve(args.data_dir.as_deref())?;
        let embedded = Arc::new(Embedded::open(&dir, args.seed_request(), progress_bar()).await?);
        let opened = Services::embedded(&embedded).await;
        let (services, resumed_jobs) = opened.context("the jobs of the last run cannot be read")?;
        Store::run(
            args,
            listener,
            StandsOn::Embedded(embedded),
            services,
            dir,
            resumed_jobs,
        )
        .await
    }

    /// The same on real servers at these addresses: all roles in this process, the data in theirs.
    pub async fn start_on(addresses: &Addresses, args: &Serve) -> anyhow::Result<Store> {
        let listener = roles::balancer::bind(args.listen()).await?;
        let folder = shared_folder(args.data_dir.clone())?;
        let request = SeedRequest {
            shards: None,
            ..args.seed_request()
        };
        let servers = Arc::new(Servers::open(addresses, &folder, request, progress_bar()).await?);
        let services = Services::on_servers(&servers);
        let stands_on = StandsOn::Servers(servers, addresses.clone());
        Store::run(
            args,
            listener,
            stands_on,
            services,
            DataDir::Folder(folder),
            0,
        )
        .await
    }

    /// Starts every role.
    async fn run(
        args: &Serve,
        listener: TcpListener,
        stands_on: StandsOn,
        services: Services,
        dir: DataDir,
        resumed_jobs: usize,
    ) -> anyhow::Result<Store> {
        let address = listener.local_addr()?;
        let publisher = roles::publisher::publisher(&services);
        // Before the first request: a crash may have come between a commit and the withdrawal of its page.
        let outdated = publisher.withdraw_stale().await;
        outdated.context("pages that are out of date cannot be taken down")?;
        roles::subscribe(&services).await;

        let (metrics, stopping) = (Metrics::default(), CancellationToken::new());
        let mut clones = Vec::new();
        let mut clone_roles = Vec::new();
        for number in 1..=args.clones() {
            let name = format!("clone-{number}");
            // Clones take whatever port is free: only the balancer has to know it.
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                .await
                .context("no free port for a clone")?;
            clones.push((name.clone(), listener.local_addr()?));
            let state = CloneState {
                services: services.clone(),
                identity: Identity::new(&name),
                metrics: metrics.clone(),
                stopping: stopping.clone(),
            };
            clone_roles.push(Role::start(|stop| roles::clone::run(listener, state, stop)));
        }
        let workers = (1..=args.workers())
            .map(|number| {
                WorkerRole::start(roles::worker::worker(format!("worker-{number}"), &services))
            })
            .collect();
        let notifiers = roles::notifier::notifiers(&services, &metrics);
        let notifiers = notifiers
            .into_iter()
            .map(|notifier| Role::start(|stop| notifier.run(stop)));
        let events = services.events.clone();
        let publisher = Role::start(|stop| roles::publisher::run(publisher, events, stop));
        let balancer = roles::balancer::over(&clones);
        metrics.set_balancer(balancer.clone());
        Ok(Store {
            address,
            clones,
            resumed_jobs,
            dir,
            stands_on,
            services,
            stopping,
            balancer: Role::start(|stop| roles::balancer::run(listener, balancer, stop)),
            clone_roles,
            workers,
            publisher,
            notifiers: notifiers.collect(),
        })
    }

    /// How many workers it has.
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// The real servers that it stands on, if it does.
    pub fn addresses(&self) -> Option<&Addresses> {
        match &self.stands_on {
            StandsOn::Embedded(_) => None,
            StandsOn::Servers(_, addresses) => Some(addresses),
        }
    }

    /// Stops every role and closes the databases.
    pub async fn stop(self) {
        let begin = Instant::now();
        let (cut_off, end) = (begin + CUT_OFF_AFTER, begin + STOP_WITHIN);
        self.stopping.cancel();
        // Nobody waits for a worker, so it may as well begin no other job from now on.
        self.workers
            .iter()
            .for_each(|worker| worker.role.stop.cancel());
        self.balancer.stop(cut_off).await;
        // All of them first, then wait: the slowest must not use up the others' time.
        self.clone_roles
            .iter()
            .for_each(|clone| clone.stop.cancel());
        for clone in self.clone_roles {
            clone.stop(cut_off).await;
        }
        // Writes whose clients have hung up are still under way.
        self.services.writes.close();
        let _ = timeout_at(cut_off, self.services.writes.wait()).await;
        self.publisher.stop(cut_off).await;
        for notifier in self.notifiers {
            notifier.stop(cut_off).await;
        }
        for worker in self.workers {
            worker.stop(cut_off, end).await;
        }
        let _ = match self.stands_on {
            StandsOn::Embedded(embedded) => timeout_at(end, embedded.close()).await,
            StandsOn::Servers(servers, _) => timeout_at(end, servers.close()).await,
        };
    }
}

impl Role {
    fn start<F>(run: impl FnOnce(WaitForCancellationFutureOwned) -> F) -> Role
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(stop.clone().cancelled_owned()));
        Role { stop, task }
    }

    /// Asks the role to stop and waits; past the deadline it is dropped where it is.
    async fn stop(mut self, deadline: Instant) {
        self.stop.cancel();
        if timeout_at(deadline, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

impl WorkerRole {
    fn start(worker: Worker) -> WorkerRole {
        let cut_off = CancellationToken::new();
        let role = Role::start(|stop| worker.run(stop, cut_off.clone().cancelled_owned()));
        WorkerRole { role, cut_off }
    }

    /// Lets the worker finish its job until the first deadline. Then the job is taken from it: it goes back on the board as queued, with
    /// its attempt not counted, and on the queue at the next start.
    async fn stop(mut self, cut_off: Instant, end: Instant) {
        if timeout_at(cut_off, &mut self.role.task).await.is_err() {
            self.cut_off.cancel();
            self.role.stop(end).await;
        }
    }
}

/// The folder for pages and pictures that every process of a store on real servers sees: not the embedded store's own.
pub fn shared_folder(argument: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    match (argument, DataDir::resolve(None)) {
        (Some(folder), _) => Ok(folder),
        (None, Ok(DataDir::Folder(folder))) => Ok(folder.join("external")),
        (None, Ok(DataDir::Memory)) => bail!("a folder is needed; choose one with --data-dir DIR"),
        (None, Err(error)) => Err(error.into()),
    }
}

/// A bar on standard error while a new store is filled.
pub(crate) fn progress_bar() -> impl Fn(u64, u64) + Send + Sync + 'static {
    let bar = ProgressBar::no_length();
    let style = ProgressStyle::with_template("filling the store {bar:40} {pos}/{len} games")
        .expect("a valid template");
    bar.set_style(style);
    move |done, all| {
        bar.set_length(all);
        bar.set_position(done);
        if done == all {
            bar.finish_and_clear();
        }
    }
}
