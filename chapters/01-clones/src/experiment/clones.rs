//! Clones in containers, each with a part of a processor, and a balancer in front of them in this
//! process.
//!
//! In this process, because an experiment wants to change the balancer between two rounds. It has
//! no probes: a clone that is slow on purpose is not sick, and it must not be taken out of the
//! experiment.

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

/// How long a clone gets for one request at least: longer than any queue in these experiments, so
/// nothing is sent again.
const PATIENCE: Duration = Duration::from_mins(1);

/// Starts a clone for each of these parts of a processor. `shared` is what each request asks
/// besides; see [`super::burn`].
pub async fn start(
    role: &str,
    cpus: &[f64],
    rounds: u64,
    shared: Option<&str>,
) -> anyhow::Result<Vec<Program>> {
    let program = std::env::current_exe().context("this program cannot tell where it lies")?;
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
            // Requests wait for each other in a clone, as they wait for its part of a processor.
            .variable("TOKIO_WORKER_THREADS", "1")
            .cpus(*cpus)
            .start()
    });
    try_join_all(starting)
        .await
        .context("the clones could not be started")
}

/// A balancer in front of some clones. Dropping it closes its connections.
pub struct Front {
    pub target: Target,
    pub address: SocketAddr,
    /// Holds the balancer's task: a set ends its tasks when it is dropped.
    _balancer: JoinSet<()>,
}

impl Front {
    /// Weights are those of the clones; without one, 1.
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
            response: PATIENCE,
            total: PATIENCE,
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
        Ok(Front {
            target,
            address,
            _balancer: tasks,
        })
    }
}
