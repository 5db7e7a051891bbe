//! The running store: every role in this process, and what they stand on.
//!
//! On the way down the balancer goes first, so that nothing new comes in while the clones finish what they have; then the clones, then
//! the workers, and the databases last. Everything together ends within [`STOP_WITHIN`]. Left out: roles that are started
//! again when they fail; a role that panics stays away until the store is restarted.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use ch01_clones::identity::Identity;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::cli::Serve;
use crate::embedded::{DataDir, Embedded};
use crate::http::CloneState;
use crate::metrics::Metrics;
use crate::roles;
use crate::services::Services;

/// From the signal to the end of the process, at most.
pub const STOP_WITHIN: Duration = Duration::from_millis(4_500);

/// A store that runs in this process: all roles, and what they stand on.
pub struct Store {
    /// Where the balancer listens.
    pub address: SocketAddr,
    /// Each clone's name and address.
    pub clones: Vec<(String, SocketAddr)>,
    /// How many jobs of the last run went back on the queue.
    pub resumed_jobs: usize,
    /// Where its data is.
    pub dir: DataDir,
    embedded: Arc<Embedded>,
    services: Services,
    /// Told first: endless answers end.
    stopping: CancellationToken,
    balancer: Role,
    clone_roles: Vec<Role>,
    worker_roles: Vec<Role>,
    publisher: Role,
}

/// A role on a task of its own, and the way to tell it to stop.
struct Role {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Store {
    /// Opens the data and starts every role. When this returns, the store answers.
    pub async fn start(args: &Serve) -> anyhow::Result<Store> {
        args.check()?;
        // First of all, so that a port in use is told before the filling of a new store.
        let listener = roles::balancer::bind(args.listen()).await?;
        let address = listener.local_addr()?;
        let dir = DataDir::resolve(args.data_dir.as_deref())?;
        let embedded = Arc::new(Embedded::open(&dir, args.sizes(), progress_bar()).await?);
        let (services, changes) = Services::embedded(&embedded);
        let resumed_jobs = services
            .resume_jobs()
            .await
            .context("the jobs of the last run cannot be read")?;

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
        let worker_roles = (1..=args.workers())
            .map(|number| {
                let worker = roles::worker::worker(format!("worker-{number}"), &services);
                Role::start(|stop| worker.run(stop))
            })
            .collect();
        let publisher = Role::start(|stop| roles::publisher::run(services.clone(), changes, stop));
        let balancer = roles::balancer::over(&clones);
        metrics.set_balancer(balancer.clone());
        Ok(Store {
            address,
            clones,
            resumed_jobs,
            dir,
            embedded,
            services,
            stopping,
            balancer: Role::start(|stop| roles::balancer::run(listener, balancer, stop)),
            clone_roles,
            worker_roles,
            publisher,
        })
    }

    /// How many workers it has.
    pub fn workers(&self) -> usize {
        self.worker_roles.len()
    }

    /// Stops every role, in the order in which a request passes them, and closes the databases.
    pub async fn stop(self) {
        let deadline = Instant::now() + STOP_WITHIN;
        self.stopping.cancel();
        // Nobody waits for a worker or the publisher, so they may begin to stop meanwhile.
        self.publisher.stop.cancel();
        self.worker_roles.iter().for_each(|worker| worker.stop.cancel());
        self.balancer.stop(deadline).await;
        for clone in self.clone_roles {
            clone.stop(deadline).await;
        }
        // Writes whose clients have hung up are still under way.
        self.services.writes.close();
        let _ = tokio::time::timeout_at(deadline, self.services.writes.wait()).await;
        for role in self.worker_roles.into_iter().chain([self.publisher]) {
            role.stop(deadline).await;
        }
        let _ = tokio::time::timeout_at(deadline, self.embedded.close()).await;
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

    /// Asks the role to stop and waits; past the deadline it is dropped where it is. A job dropped like that is still on the board as
    /// unfinished, and goes back on the queue at the next start.
    async fn stop(mut self, deadline: Instant) {
        self.stop.cancel();
        if tokio::time::timeout_at(deadline, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

/// A bar on standard error while a new store is filled.
fn progress_bar() -> impl Fn(u64, u64) + Send + Sync + 'static {
    let bar = ProgressBar::no_length();
    let style = ProgressStyle::with_template("filling the store {bar:40} {pos}/{len} games").expect("a valid template");
    bar.set_style(style);
    move |done, all| {
        bar.set_length(all);
        bar.set_position(done);
        if done == all {
            bar.finish_and_clear();
        }
    }
}
