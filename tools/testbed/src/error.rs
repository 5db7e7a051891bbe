//! Errors between a test and its server. Each message ends with what to do next.
//!
//! `Debug` prints the same text as `Display`, because a test that calls
//! `testbed::redis().await.unwrap()` shows the former.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use common::error_chain;
use testcontainers::bollard::errors::Error as DockerError;

/// Why there is no server.
#[derive(thiserror::Error)]
pub enum Error {
    /// Docker is not installed on this machine.
    #[error(
        "Docker is not installed, but this needs real servers in containers. On Debian or Ubuntu, \
         `cargo workshop doctor --fix` (as root) installs and starts it; for other systems see \
         https://docs.docker.com/get-docker/"
    )]
    DockerMissing,
    /// Docker is installed, but its engine does not run.
    #[error(
        "Docker is installed, but its engine does not run. Start it with \
         `sudo systemctl start docker`, with Docker Desktop or with `cargo workshop doctor --fix`, \
         and try again"
    )]
    DockerNotRunning,
    /// The engine runs, but this user may not use it.
    #[error(
        "Docker runs, but this user may not use it. Join its group with \
         `sudo usermod -aG docker $USER`, log in again, and try again"
    )]
    NoPermission,
    /// There is no space for an image, a container or its data.
    #[error(
        "the disk that Docker uses is full ({0}). Free some space, for example with \
         `docker system prune`, and try again"
    )]
    DiskFull(String),
    /// An image is missing, and both pulling and building it failed.
    #[error(
        "there is no image for {server}: pulling {image} failed ({pull}), and building it from \
         Debian packages failed too ({build}). Connect to a network once and run \
         `cargo workshop images`, or load a file of images with `cargo workshop images --load FILE`"
    )]
    NoImage {
        /// The server that needs the image.
        server: &'static str,
        /// The image that could not be pulled.
        image: String,
        /// Why pulling failed.
        pull: String,
        /// Why building failed.
        build: String,
    },
    /// The container runs, but its server does not answer.
    #[error(
        "{server} did not answer within {seconds} s; on a slow machine try again. Its last log \
         lines are:\n{log}"
    )]
    StartTimeout {
        /// The container's name.
        server: String,
        /// The time limit.
        seconds: u64,
        /// The end of its log.
        log: String,
    },
    /// The container ended while it started.
    #[error("{server} ended while it started. Its last log lines are:\n{log}")]
    Ended {
        /// The container's name.
        server: String,
        /// The end of its log.
        log: String,
    },
    /// A shared server runs, but refuses to create a database or a virtual host for this test.
    #[error(
        "{server} runs, but it creates no namespace for this test ({reason}). \
         `cargo workshop down` removes the server; the next run starts a new one"
    )]
    NoNamespace {
        /// The container's name.
        server: String,
        /// Its error message.
        reason: String,
    },
    /// A server runs, but does not take a setting.
    #[error("{server} runs, but it does not take a setting: {reason}")]
    Setting {
        /// The container's name.
        server: String,
        /// What went wrong.
        reason: String,
    },
    /// The folder with the lock files is not usable.
    #[error("{path} is not usable for lock files ({reason}); make it writable, and try again")]
    State {
        /// The folder or file.
        path: String,
        /// The operating system's error.
        reason: String,
    },
    /// A file with images cannot be written or read.
    #[error("{path} is not usable as a file of images: {reason}")]
    Bundle {
        /// The file.
        path: String,
        /// What went wrong.
        reason: String,
    },
    /// A program cannot be put into a container.
    #[error("{path} cannot be put into a container: {reason}")]
    Program {
        /// The file.
        path: String,
        /// What went wrong.
        reason: String,
    },
    /// A fault proxy cannot listen.
    #[error("a fault proxy cannot listen: {0}")]
    Proxy(#[from] io::Error),
    /// Docker refused a request for another reason.
    #[error("Docker could not {action}: {reason}")]
    Docker {
        /// The request.
        action: String,
        /// Docker's error message.
        reason: String,
    },
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error {
    /// Docker's error for a request to `action`, such as "start redis".
    pub(crate) fn docker(action: impl Into<String>, error: &DockerError) -> Self {
        match io_error_kind(error) {
            Some(io::ErrorKind::PermissionDenied) => return Error::NoPermission,
            Some(io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                return Error::engine_unreachable();
            }
            _ => {}
        }
        let reason = match error {
            DockerError::DockerResponseServerError { message, .. } => message.clone(),
            other => error_chain(other),
        };
        Error::docker_message(action, reason)
    }

    /// The same from Docker's message alone.
    pub(crate) fn docker_message(action: impl Into<String>, reason: String) -> Self {
        if reason.contains("no space left on device") {
            Error::DiskFull(reason)
        } else {
            let action = action.into();
            Error::Docker { action, reason }
        }
    }

    /// No process listens on Docker's socket: either Docker is not installed or it does not run.
    fn engine_unreachable() -> Self {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let is_installed = std::env::split_paths(&paths).any(|folder| {
            ["dockerd", "docker", "docker.exe"]
                .iter()
                .any(|program| folder.join(program).is_file())
        });
        if is_installed {
            Error::DockerNotRunning
        } else {
            Error::DockerMissing
        }
    }
}

/// The kind of the operating system's error in a chain of causes.
fn io_error_kind(error: &DockerError) -> Option<io::ErrorKind> {
    if let DockerError::SocketNotFoundError(_) = error {
        return Some(io::ErrorKind::NotFound);
    }
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unwrap_shows_the_message() {
        let shown = format!("{:?}", Error::NoPermission);
        assert!(
            shown.starts_with("Docker runs, but this user may not use it."),
            "`Debug` must print the same as `Display`: {shown}"
        );
    }

    #[test]
    fn full_disk_has_its_own_error() {
        let message = "mkdir /x: no space left on device".to_owned();
        let error = Error::docker_message("start redis", message);
        assert!(matches!(error, Error::DiskFull(_)), "{error}");
    }
}
