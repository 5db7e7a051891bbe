//! A store with servers in containers and one process for each clone, worker and publisher.
//!
//! The balancer runs in this process. A learner can `kill -9` any other process: the store starts
//! it again ([`keep_running`](MultiProcessStore::keep_running)). Stopping the store removes the
//! containers with their data. If this process is killed, its child processes exit
//! ([`role_process`](super::role_process)), and the next program that uses the testbed removes the
//! containers.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use ch01_clones::{Balancer, Upstream};
use ch02_database::seed::SeedRequest;
use futures_util::future::{join, join_all, try_join_all};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout_at};

use super::role_process::{RoleEvent, RoleProcess};
use crate::cli::ServeArgs;
use crate::commands::progress::seeding_progress;
use crate::http::metrics::Metrics;
use crate::naive::naive_flag;
use crate::roles;
use crate::roles::task::RoleTask;
use crate::services::DataDir;
use crate::services::docker::Containers;
use crate::services::external::{Addresses, ExternalServers};

/// The longest time from the stop signal until all processes have ended.
const STOP_TIMEOUT: Duration = Duration::from_secs(6);

/// A running store.
pub struct MultiProcessStore {
    /// The address of the balancer.
    pub address: SocketAddr,
    /// Where this process serves the metrics of the balancer, `GET /metrics`.
    pub metrics_address: SocketAddr,
    /// The clones.
    pub clones: Vec<RoleProcess>,
    /// The workers.
    pub workers: Vec<RoleProcess>,
    /// The publisher.
    pub publisher: RoleProcess,
    /// The addresses of the servers.
    pub addresses: Addresses,
    balancer: Arc<Balancer>,
    balancer_task: RoleTask,
    metrics: RoleTask,
    servers: Arc<ExternalServers>,
    // Fields are dropped in this order: the folder and the containers last.
    folder: Option<tempfile::TempDir>,
    containers: Containers,
}

impl MultiProcessStore {
    /// Starts the containers, seeds the databases and starts all roles. When this returns, the
    /// store answers requests.
    pub async fn start(args: &ServeArgs) -> anyhow::Result<MultiProcessStore> {
        let listener = roles::balancer::bind(args.listen()).await?;
        let address = listener.local_addr()?;
        let containers = Box::pin(Containers::start(args.replicas(), args.shards())).await?;
        let addresses = containers.addresses();
        let (path, folder) = if let Some(path) = &args.data_dir {
            (path.clone(), None)
        } else {
            let folder = tempfile::tempdir().context(
                "a temporary folder cannot be created; choose a folder with --data-dir DIR",
            )?;
            (folder.path().to_owned(), Some(folder))
        };
        let request = SeedRequest {
            shards: None,
            ..args.seed_request()
        };
        let dir = DataDir::Folder(path.clone());
        let servers =
            ExternalServers::connect(&addresses, &dir, request, &args.naive, seeding_progress())
                .await?;
        let servers = Arc::new(servers);

        // The publisher removes outdated pages before the first clone serves a request.
        let role = RoleSettings {
            addresses: &addresses,
            folder: &path,
            naive: naive_flag(&args.naive),
        };
        let publisher = role.start("publisher", &["publisher"]).await?;
        let clones = (1..=args.clones()).map(|number| role.start_clone(number));
        let workers = (1..=args.workers()).map(|number| role.start_worker(number));
        let (clones, workers) = tokio::try_join!(try_join_all(clones), try_join_all(workers))?;

        let upstreams = clones
            .iter()
            .map(|clone| Ok((clone.name().to_owned(), clone.address()?)))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let balancer = roles::balancer::balancer(&upstreams)?;
        let metrics = Metrics::default();
        metrics.set_balancer(balancer.clone());
        let metrics_listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("there is no free port for the metrics")?;
        let metrics_address = metrics_listener.local_addr()?;
        let orders = servers.orders.clone();
        Ok(MultiProcessStore {
            address,
            metrics_address,
            clones,
            workers,
            publisher,
            addresses,
            balancer: balancer.clone(),
            balancer_task: roles::balancer::start(listener, balancer)?,
            metrics: RoleTask::start_server("metrics", metrics_listener, move |listener, stop| {
                let (metrics, orders) = (metrics.clone(), orders.clone());
                roles::balancer::serve_metrics(listener, metrics, orders, stop)
            })?,
            servers,
            folder,
            containers,
        })
    }

    /// The common prefix of the container names.
    pub fn container_prefix(&self) -> &str {
        self.containers.name_prefix()
    }

    /// Starts each process again whenever it exits, for ever. It reports each step to `report`, as
    /// a line of text. The balancer forgets a dead clone at once, and gets the new one with its new
    /// address.
    pub async fn keep_running(&mut self, report: impl Fn(String)) {
        let report_event = |process: &RoleProcess, event: &RoleEvent| {
            let (name, pid) = (process.name(), process.pid());
            report(match event {
                RoleEvent::Exited(reason) => {
                    format!("{name} has exited ({reason}); it is started again")
                }
                RoleEvent::Restarted => format!("{name} runs again, as process {pid}"),
            });
        };
        let balancer = &self.balancer;
        let clones = self.clones.iter_mut().map(|clone| {
            clone.keep_running(|clone, event| {
                // It fails if the clone was removed before.
                let _ = balancer.remove(clone.name());
                if let (RoleEvent::Restarted, Ok(address)) = (&event, clone.address()) {
                    let _ = balancer.add(Upstream::new(clone.name(), address));
                }
                report_event(clone, &event);
            })
        });
        let others = self.workers.iter_mut().chain([&mut self.publisher]);
        let others =
            others.map(|process| process.keep_running(|role, event| report_event(role, &event)));
        join(join_all(clones), join_all(others)).await;
    }

    /// Stops all roles, then removes the containers.
    ///
    /// The balancer stops first, so no new request comes in while the clones finish their requests.
    pub async fn stop(self) {
        let deadline = Instant::now() + STOP_TIMEOUT;
        self.metrics.begin_stop();
        self.balancer_task.stop(deadline).await;
        let clones = self.clones.into_iter();
        let processes = clones.chain(self.workers).chain([self.publisher]);
        join_all(processes.map(|process| process.stop(deadline))).await;
        let _ = timeout_at(deadline, self.servers.close()).await;
        self.containers.remove().await;
        drop(self.folder);
    }
}

/// What all child processes get.
struct RoleSettings<'s> {
    addresses: &'s Addresses,
    folder: &'s Path,
    /// The flag `--naive`. Empty if nothing is naive.
    naive: Vec<String>,
}

impl RoleSettings<'_> {
    async fn start_clone(&self, number: u16) -> anyhow::Result<RoleProcess> {
        let name = format!("clone-{number}");
        let arguments = ["clone", "--listen", "127.0.0.1:0", "--name", &name];
        self.start(&name, &arguments).await
    }

    async fn start_worker(&self, number: u16) -> anyhow::Result<RoleProcess> {
        let name = format!("worker-{number}");
        self.start(&name, &["worker", "--name", &name]).await
    }

    async fn start(&self, name: &str, arguments: &[&str]) -> anyhow::Result<RoleProcess> {
        let naive = self.naive.iter().map(String::as_str);
        let arguments: Vec<&str> = arguments.iter().copied().chain(naive).collect();
        RoleProcess::start(name, &arguments, self.addresses, self.folder).await
    }
}
