//! Three clones, each a process, and a balancer in front of them.
//!
//! The balancer runs in this process, so that the demonstration can print its status.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use ch01_clones::deploy::CloneProcess;
use ch01_clones::{Balancer, Upstream, balancer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::commands::serve::common_arguments;

/// Three clones and a balancer. Dropping this kills the clones and stops the balancer.
pub struct Cluster {
    /// The balancer's address.
    pub address: SocketAddr,
    clones: Vec<CloneProcess>,
    balancer: Arc<Balancer>,
    /// Holds the balancer's task. Dropping the set aborts the task.
    _front: JoinSet<()>,
}

impl Cluster {
    /// Starts the cluster. `sessions` is the session store of all clones. `folder` returns the
    /// avatar folder of a clone.
    pub async fn start(
        sessions: &str,
        folder: impl Fn(&str) -> Option<PathBuf>,
    ) -> anyhow::Result<Self> {
        let program = std::env::current_exe()
            .context("the operating system does not tell the path of this program")?;
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

    /// Sends `kill -9` to the clone with this name.
    pub async fn kill(&mut self, name: &str) -> anyhow::Result<()> {
        let mut named = self.clones.iter_mut().filter(|clone| clone.name == name);
        named
            .next()
            .with_context(|| format!("no clone has the name {name}"))?
            .kill()
            .await?;
        Ok(())
    }

    /// Prints the balancer's view of the clones as a table.
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
