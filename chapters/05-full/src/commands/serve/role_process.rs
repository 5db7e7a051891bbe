//! A role in a child process that runs this program again, and that is started again when it exits.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use common::child::{Child, EXIT_ON_STDIN_CLOSE};
use common::error_chain;
use common::restart_delay::RestartDelay;
use tokio::process::Command;
use tokio::time::Instant;

use crate::services::external::Addresses;

/// A child process that runs one role.
pub struct RoleProcess {
    arguments: Vec<String>,
    addresses: Addresses,
    folder: PathBuf,
    child: Child,
}

/// What happens to a role.
pub enum RoleEvent {
    /// The process has exited, with this description.
    Exited(String),
    /// A new process runs the role.
    Restarted,
}

impl RoleProcess {
    /// Starts this program with these arguments and waits for its first line.
    pub async fn start(
        name: &str,
        arguments: &[&str],
        addresses: &Addresses,
        folder: &Path,
    ) -> anyhow::Result<RoleProcess> {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let child = start_child(name, &arguments, addresses, folder).await?;
        Ok(RoleProcess {
            arguments,
            addresses: addresses.clone(),
            folder: folder.to_owned(),
            child,
        })
    }

    /// The name of the role, such as `clone-2`. A restart does not change it.
    pub fn name(&self) -> &str {
        self.child.name()
    }

    /// The process id, for `kill`. 0 if the process has exited.
    pub fn pid(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// The address that the role printed in its first line. A restart changes it.
    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.child.address()?)
    }

    /// Starts the process again whenever it exits, for ever. `on_event` learns of each change.
    ///
    /// The pauses between restarts grow, so that a role that cannot run does not occupy a
    /// processor.
    pub async fn keep_running(&mut self, on_event: impl Fn(&RoleProcess, RoleEvent)) {
        let mut delay = RestartDelay::default();
        loop {
            let status = self.child.wait().await;
            let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
            on_event(self, RoleEvent::Exited(status));
            loop {
                delay.wait().await;
                match self.restart().await {
                    Ok(()) => break,
                    Err(error) => on_event(self, RoleEvent::Exited(error_chain(&*error))),
                }
            }
            on_event(self, RoleEvent::Restarted);
        }
    }

    async fn restart(&mut self) -> anyhow::Result<()> {
        let name = self.child.name();
        self.child = start_child(name, &self.arguments, &self.addresses, &self.folder).await?;
        Ok(())
    }

    /// Tells the process to stop and waits for it. Kills it at the deadline.
    pub async fn stop(self, deadline: Instant) {
        self.child
            .stop(deadline.saturating_duration_since(Instant::now()))
            .await;
    }
}

async fn start_child(
    name: &str,
    arguments: &[String],
    addresses: &Addresses,
    folder: &Path,
) -> anyhow::Result<Child> {
    let program = std::env::current_exe().context("the path of this program is unknown")?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .args([EXIT_ON_STDIN_CLOSE, "--data-dir"])
        .arg(folder)
        .envs(addresses.to_env());
    Ok(Child::start(name, &mut command).await?)
}
