//! A store in pieces: real servers in containers, and every clone, worker and publisher in a process of its own.
//!
//! The balancer stays in this process. So a learner may `kill -9` anything but the one in front, as on real machines, and watch
//! what the others make of it. Nothing is kept: the containers and their data go when the store stops. If this process is killed
//! itself, its children end by themselves ([`child`]), and the containers are removed by the next program that uses the testbed.
//!
//! Left out: starting a child again that has ended. On real machines systemd or Kubernetes does that.

mod child;
mod containers;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use ch02_database::seed::SeedRequest;
use futures_util::future::{join_all, try_join_all};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::cli::Serve;
use crate::metrics::Metrics;
use crate::roles;
use crate::servers::{Addresses, Servers};
use crate::store::progress_bar;

pub use child::Child;
use containers::Containers;

/// From the signal until every process has ended, at most.
const STOP_WITHIN: Duration = Duration::from_secs(6);

/// A running store in pieces.
pub struct Fleet {
    /// Where the balancer listens.
    pub address: SocketAddr,
    /// Where this process tells what the balancer counts: `GET /metrics`, and nothing else.
    pub operations: SocketAddr,
    /// The clones, each with its address.
    pub clones: Vec<(Child, SocketAddr)>,
    /// The workers.
    pub workers: Vec<Child>,
    /// The publisher.
    pub publisher: Child,
    /// Where the servers are.
    pub addresses: Addresses,
    balancer: JoinHandle<()>,
    stop: CancellationToken,
    servers: Arc<Servers>,
    // Last, so that they are dropped last.
    folder: Option<tempfile::TempDir>,
    containers: Containers,
}

impl Fleet {
    /// Starts the containers, fills the databases, and starts every role. When this returns, the store answers.
    pub async fn start(args: &Serve) -> anyhow::Result<Fleet> {
        let listener = roles::balancer::bind(args.listen()).await?;
        let address = listener.local_addr()?;
        let containers = Box::pin(Containers::start(args.replicas(), args.shards())).await?;
        let addresses = containers.addresses();
        let folder = args.data_dir.is_none().then(tempfile::tempdir).transpose();
        let folder =
            folder.context("no temporary folder can be made; choose one with --data-dir DIR")?;
        let path = match (&args.data_dir, &folder) {
            (Some(path), _) => path.clone(),
            (None, Some(temporary)) => temporary.path().to_owned(),
            (None, None) => unreachable!("one of the two was chosen just now"),
        };
        let request = SeedRequest {
            shards: None,
            ..args.seed_request()
        };
        let servers = Arc::new(Servers::open(&addresses, &path, request, progress_bar()).await?);

        // The publisher takes down pages that are out of date before anybody is served.
        let publisher = Child::start("publisher", &["publisher"], &addresses, &path).await?;
        let workers = (1..=args.workers()).map(|number| worker(number, &addresses, &path));
        let clones = (1..=args.clones()).map(|number| clone(number, &addresses, &path));
        let (clones, workers) = tokio::try_join!(try_join_all(clones), try_join_all(workers))?;

        let named: Vec<_> = clones
            .iter()
            .map(|(child, addr)| (child.name.clone(), *addr))
            .collect();
        let balancer = roles::balancer::over(&named);
        let metrics = Metrics::default();
        metrics.set_balancer(balancer.clone());
        let operations = TcpListener::bind("127.0.0.1:0")
            .await
            .context("no free port for the metrics")?;
        let stop = CancellationToken::new();
        let fleet = Fleet {
            address,
            operations: operations.local_addr()?,
            clones,
            workers,
            publisher,
            addresses,
            balancer: tokio::spawn(roles::balancer::run(
                listener,
                balancer,
                stop.clone().cancelled_owned(),
            )),
            stop: stop.clone(),
            servers: servers.clone(),
            folder,
            containers,
        };
        tokio::spawn(roles::balancer::tell(
            operations,
            metrics,
            servers.orders.clone(),
            stop.cancelled_owned(),
        ));
        Ok(fleet)
    }

    /// What the names of all its containers begin with.
    pub fn container_prefix(&self) -> &str {
        self.containers.prefix()
    }

    /// Waits until one of the children ends, which none should, and says which and how. For ever if none does.
    pub async fn a_child_ended(&mut self) -> String {
        let clones = self.clones.iter_mut().map(|(child, _)| child);
        let children = clones.chain(&mut self.workers).chain([&mut self.publisher]);
        let ends: Vec<_> = children
            .filter(|child| !child.has_ended())
            .map(|child| Box::pin(child.ended()))
            .collect();
        if ends.is_empty() {
            return std::future::pending().await;
        }
        futures_util::future::select_all(ends).await.0
    }

    /// Stops everything in order, then removes the containers.
    pub async fn stop(self) {
        let deadline = Instant::now() + STOP_WITHIN;
        // The balancer first, so that nothing new comes in while the clones finish what they have.
        self.stop.cancel();
        let _ = timeout_at(deadline, self.balancer).await;
        let clones = self.clones.into_iter().map(|(child, _)| child);
        let children = clones.chain(self.workers).chain([self.publisher]);
        join_all(children.map(|child| child.stop(deadline))).await;
        let _ = timeout_at(deadline, self.servers.close()).await;
        self.containers.remove().await;
        drop(self.folder);
    }
}

async fn clone(
    number: u16,
    addresses: &Addresses,
    folder: &Path,
) -> anyhow::Result<(Child, SocketAddr)> {
    let name = format!("clone-{number}");
    let child = Child::start(
        &name,
        &["clone", "--listen", "127.0.0.1:0", "--name", &name],
        addresses,
        folder,
    )
    .await?;
    let address = child.first_line.trim_start_matches("http://").parse();
    let address = address
        .with_context(|| format!("{name} said {:?} instead of its address", child.first_line))?;
    Ok((child, address))
}

async fn worker(number: u16, addresses: &Addresses, folder: &Path) -> anyhow::Result<Child> {
    let name = format!("worker-{number}");
    Child::start(&name, &["worker", "--name", &name], addresses, folder).await
}
