//! Clones in containers with a CPU quota each, and a balancer in this process.
//!
//! The balancer runs in this process because an experiment replaces it between two rounds. It sends
//! no probes: a clone that is slow on purpose must not be ejected.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use ch01_clones::balancer::strategy::Strategy;
use ch01_clones::{Balancer, Upstream, balancer};
use futures_util::future::try_join_all;
use loadgen::Target;
use testbed::Program;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// The response time-out. It is longer than any queue in these experiments, so that the balancer
/// retries nothing.
const RESPONSE_TIMEOUT: Duration = Duration::from_mins(1);

/// Starts one clone for each CPU quota in `cpus`. `shared` names the shared server that each
/// request asks too; see [`super::burn`].
pub async fn start(
    role: &str,
    cpus: &[f64],
    rounds: u64,
    shared: Option<&str>,
) -> anyhow::Result<Vec<Program>> {
    let program = std::env::current_exe()
        .context("the operating system does not tell the path of this program")?;
    let starting = (1..).zip(cpus).map(|(n, cpus)| {
        let name = format!("{role}-{n}");
        let burn = [
            "experiment",
            "burn",
            "--listen",
            "0.0.0.0:8080",
            "--name",
            &name,
            "--rounds",
            &rounds.to_string(),
        ];
        let shared = shared.map(|shared| ["--shared".to_owned(), shared.to_owned()]);
        Program::builder(&program)
            .role(&name)
            .arguments(burn)
            .arguments(shared.into_iter().flatten())
            // One thread per clone, so that its requests queue for the CPU quota.
            .variable("TOKIO_WORKER_THREADS", "1")
            .cpus(*cpus)
            .start()
    });
    try_join_all(starting)
        .await
        .context("cannot start the clones")
}

/// A balancer in front of some clones. Dropping this closes its connections.
pub struct TestBalancer {
    pub target: Target,
    pub address: SocketAddr,
    /// Holds the balancer's task. Dropping the set aborts the task.
    _balancer: JoinSet<()>,
}

impl TestBalancer {
    /// `weights` are the weights of the clones; a missing weight is 1.
    pub async fn new(
        clones: &[Program],
        weights: &[u32],
        strategy: Box<dyn Strategy>,
    ) -> anyhow::Result<Self> {
        let weights = weights.iter().copied().chain(std::iter::repeat(1));
        let named = (1..).zip(clones).zip(weights);
        let upstreams = named
            .map(|((n, clone), weight)| {
                Upstream::new(format!("clone-{n}"), clone.address()).with_weight(weight)
            })
            .collect();
        let timeouts = balancer::Timeouts {
            response: RESPONSE_TIMEOUT,
            total: RESPONSE_TIMEOUT,
            ..balancer::Timeouts::default()
        };
        let balancer = Balancer::new(upstreams)
            .with_strategy(strategy)
            .with_timeouts(timeouts);
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.context("cannot listen on any port of 127.0.0.1")?;
        let address = listener.local_addr()?;
        let target = Target::parse(&format!("http://{address}"))?;
        let mut tasks = JoinSet::new();
        tasks.spawn(balancer::run(
            listener,
            Arc::new(balancer),
            std::future::pending(),
        ));
        Ok(TestBalancer {
            target,
            address,
            _balancer: tasks,
        })
    }
}
