//! Three clones, each a process, and a balancer in front of them.
//!
//! The balancer runs in this process, so that the demonstration can ask it how the clones are
//! doing.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use ch01_clones::deploy::CloneProcess;
use ch01_clones::{Balancer, Upstream, balancer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::commands::serve::common_arguments;

/// Dropping it kills the clones and ends the balancer.
pub struct Cluster {
    /// The balancer's.
    pub address: SocketAddr,
    clones: Vec<CloneProcess>,
    balancer: Arc<Balancer>,
    /// Holds the balancer's task: a set ends its tasks when it is dropped.
    _front: JoinSet<()>,
}

impl Cluster {
    /// `sessions` is the place that all clones are given. `folder` is asked once for each clone
    /// where its avatars shall lie.
    pub async fn start(
        sessions: &str,
        folder: impl Fn(&str) -> Option<PathBuf>,
    ) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("this program cannot tell where it lies")?;
        let (mut clones, mut upstreams) = (Vec::new(), Vec::new());
        for name in ["clone-1", "clone-2", "clone-3"] {
            let arguments = common_arguments(sessions, folder(name).as_deref());
            let clone = CloneProcess::start(&program, name, &arguments).await?;
            upstreams.push(Upstream::new(name, clone.address));
            clones.push(clone);
        }
        let balancer = Arc::new(Balancer::new(upstreams));
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.context("cannot listen on any port of 127.0.0.1")?;
        let address = listener.local_addr()?;
        let mut front = JoinSet::new();
        front.spawn(balancer::run(
            listener,
            Arc::clone(&balancer),
            std::future::pending(),
        ));
        Ok(Cluster {
            address,
            clones,
            balancer,
            _front: front,
        })
    }

    /// `kill -9` for the clone with this name.
    pub async fn kill(&mut self, name: &str) -> anyhow::Result<()> {
        let mut named = self.clones.iter_mut().filter(|clone| clone.name == name);
        named
            .next()
            .with_context(|| format!("there is no {name}"))?
            .kill()
            .await?;
        Ok(())
    }

    /// How the balancer sees the clones, as a table.
    pub fn print_status(&self) {
        println!(
            "   {:<9} {:<5} {:>8} {:>8}",
            "clone", "state", "requests", "failures"
        );
        for clone in self.balancer.status() {
            let state = if clone.is_up { "up" } else { "down" };
            println!(
                "   {:<9} {state:<5} {:>8} {:>8}",
                clone.name, clone.requests, clone.failures
            );
        }
    }
}
