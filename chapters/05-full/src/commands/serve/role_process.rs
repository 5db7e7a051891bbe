//! A role in a child process that runs this program again.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use common::child::{Child, EXIT_ON_STDIN_CLOSE};
use tokio::process::Command;
use tokio::time::Instant;

use crate::services::external::Addresses;

/// A child process that runs one role.
pub struct RoleProcess {
    /// The process id, for `kill`.
    pub pid: u32,
    child: Child,
    has_exited: bool,
}

impl RoleProcess {
    /// Starts this program with these arguments and waits for its first line.
    pub async fn start(
        name: &str,
        arguments: &[&str],
        addresses: &Addresses,
        folder: &Path,
    ) -> anyhow::Result<RoleProcess> {
        let program = std::env::current_exe().context("the path of this program is unknown")?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .args([EXIT_ON_STDIN_CLOSE, "--data-dir"])
            .arg(folder)
            .envs(addresses.to_env());
        let child = Child::start(name, &mut command).await?;
        Ok(RoleProcess {
            pid: child.id().unwrap_or_default(),
            child,
            has_exited: false,
        })
    }

    /// The name of the role, such as `clone-2`.
    pub fn name(&self) -> &str {
        self.child.name()
    }

    /// The address that the role printed in its first line.
    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.child.address()?)
    }

    /// Whether [`wait`](Self::wait) has returned.
    pub fn has_exited(&self) -> bool {
        self.has_exited
    }

    /// Waits until the process exits, and describes the exit.
    pub async fn wait(&mut self) -> String {
        let status = self.child.wait().await;
        self.has_exited = true;
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        format!("{} has exited ({status})", self.child.name())
    }

    /// Tells the process to stop and waits for it. Kills it at the deadline.
    pub async fn stop(self, deadline: Instant) {
        self.child
            .stop(deadline.saturating_duration_since(Instant::now()))
            .await;
    }
}
