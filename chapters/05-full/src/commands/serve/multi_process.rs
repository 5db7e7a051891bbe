//! A store with servers in containers and one process for each clone, worker and publisher.
//!
//! The balancer runs in this process. A learner can `kill -9` any other process. Stopping the store
//! removes the containers with their data. If this process is killed, its child processes exit
//! ([`role_process`](super::role_process)), and the next program that uses the testbed removes the
//! containers.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use ch02_database::seed::SeedRequest;
use futures_util::future::{join_all, select_all, try_join_all};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout_at};

use super::role_process::RoleProcess;
use crate::cli::ServeArgs;
use crate::commands::progress::seeding_progress;
use crate::http::metrics::Metrics;
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
    /// The clones, each with its address.
    pub clones: Vec<(RoleProcess, SocketAddr)>,
    /// The workers.
    pub workers: Vec<RoleProcess>,
    /// The publisher.
    pub publisher: RoleProcess,
    /// The addresses of the servers.
    pub addresses: Addresses,
    balancer: RoleTask,
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
            ExternalServers::connect(&addresses, &dir, request, seeding_progress()).await?;
        let servers = Arc::new(servers);

        // The publisher removes outdated pages before the first clone serves a request.
        let publisher = RoleProcess::start("publisher", &["publisher"], &addresses, &path).await?;
        let clones = (1..=args.clones()).map(|number| start_clone(number, &addresses, &path));
        let workers = (1..=args.workers()).map(|number| start_worker(number, &addresses, &path));
        let (clones, workers) = tokio::try_join!(try_join_all(clones), try_join_all(workers))?;

        let upstreams: Vec<_> = clones
            .iter()
            .map(|(process, addr)| (process.name().to_owned(), *addr))
            .collect();
        let balancer = roles::balancer::balancer(&upstreams);
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
            balancer: RoleTask::start(|stop| roles::balancer::run(listener, balancer, stop)),
            metrics: RoleTask::start(|stop| {
                roles::balancer::serve_metrics(metrics_listener, metrics, orders, stop)
            }),
            servers,
            folder,
            containers,
        })
    }

    /// The common prefix of the container names.
    pub fn container_prefix(&self) -> &str {
        self.containers.name_prefix()
    }

    /// Waits until a child process exits, and describes the exit. Never returns if none exits.
    pub async fn next_exit(&mut self) -> String {
        let clones = self.clones.iter_mut().map(|(process, _)| process);
        let processes = clones.chain(&mut self.workers).chain([&mut self.publisher]);
        let exits: Vec<_> = processes
            .filter(|process| !process.has_exited())
            .map(|process| Box::pin(process.wait()))
            .collect();
        if exits.is_empty() {
            return std::future::pending().await;
        }
        select_all(exits).await.0
    }

    /// Stops all roles, then removes the containers.
    ///
    /// The balancer stops first, so no new request comes in while the clones finish their requests.
    pub async fn stop(self) {
        let deadline = Instant::now() + STOP_TIMEOUT;
        self.metrics.begin_stop();
        self.balancer.stop(deadline).await;
        let clones = self.clones.into_iter().map(|(process, _)| process);
        let processes = clones.chain(self.workers).chain([self.publisher]);
        join_all(processes.map(|process| process.stop(deadline))).await;
        let _ = timeout_at(deadline, self.servers.close()).await;
        self.containers.remove().await;
        drop(self.folder);
    }
}

async fn start_clone(
    number: u16,
    addresses: &Addresses,
    folder: &Path,
) -> anyhow::Result<(RoleProcess, SocketAddr)> {
    let name = format!("clone-{number}");
    let arguments = ["clone", "--listen", "127.0.0.1:0", "--name", &name];
    let process = RoleProcess::start(&name, &arguments, addresses, folder).await?;
    let address = process.address()?;
    Ok((process, address))
}

async fn start_worker(
    number: u16,
    addresses: &Addresses,
    folder: &Path,
) -> anyhow::Result<RoleProcess> {
    let name = format!("worker-{number}");
    RoleProcess::start(&name, &["worker", "--name", &name], addresses, folder).await
}
