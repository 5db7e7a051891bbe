//! One clone as a child process.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use common::child::{Child, EXIT_ON_STDIN_CLOSE};
use tokio::process::Command;

pub use common::child::ChildError;

/// A running clone. Dropping this kills the process.
#[derive(Debug)]
pub struct CloneProcess {
    /// The clone's name, as in `x-served-by`.
    pub name: String,
    /// The address on which the clone listens.
    pub address: SocketAddr,
    child: Child,
}

impl CloneProcess {
    /// Starts `program clone` on a free port with further arguments, and returns when it listens.
    pub async fn start(
        program: &Path,
        name: &str,
        arguments: &[OsString],
    ) -> Result<Self, ChildError> {
        let mut command = Command::new(program);
        command
            .args(["clone", "--listen", "127.0.0.1:0", "--name", name])
            .arg(EXIT_ON_STDIN_CLOSE)
            .args(arguments);
        let child = Child::start(name, &mut command).await?;
        Ok(CloneProcess {
            name: name.to_owned(),
            address: child.address()?,
            child,
        })
    }

    /// The process id; `None` after the process has ended.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// The exit status, if the process has ended.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait()
    }

    /// Asks the clone to stop, and kills it after `limit`. Returns whether it stopped by itself.
    pub async fn stop(self, limit: Duration) -> bool {
        self.child.stop(limit).await
    }

    /// Kills the process with SIGKILL (`kill -9`) and waits until it is gone.
    pub async fn kill(&mut self) -> Result<(), ChildError> {
        self.child.kill().await
    }
}
