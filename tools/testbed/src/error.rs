//! What can go wrong between a test and its server, each in one sentence that ends with what to do next.
//!
//! `Debug` prints the same sentence as `Display`, because a test that says `testbed::redis().await.unwrap()` shows the former.

use std::error::Error as _;
use std::fmt;
use std::io;

use testcontainers::bollard::errors::Error as DockerError;

use crate::service::Service;

/// Why there is no server.
#[derive(thiserror::Error)]
pub enum Error {
    /// There is no Docker on this machine.
    #[error(
        "Docker is not installed here, and this needs real servers in containers. On Debian or Ubuntu, as root, `cargo workshop \
         doctor --fix` installs and starts it; elsewhere see https://docs.docker.com/get-docker/"
    )]
    DockerMissing,
    /// Docker is installed, but nobody listens on its socket.
    #[error(
        "Docker is installed, but its engine does not run. Start it with `sudo systemctl start docker`, with Docker Desktop, or \
         with `cargo workshop doctor --fix`, and try again"
    )]
    DockerNotRunning,
    /// The engine runs, and this user may not talk to it.
    #[error(
        "Docker runs, but this user may not use it. Join its group with `sudo usermod -aG docker $USER`, log in again, and try again"
    )]
    NoPermission,
    /// No room for an image, a container or its data.
    #[error(
        "the disk that Docker uses is full ({0}). Make room, for instance with `docker system prune`, and try again"
    )]
    DiskFull(String),
    /// An image is not there, could not be pulled and could not be built.
    #[error(
        "there is no image for {service}: pulling {image} failed ({pull}), and building it from Debian packages failed too \
         ({build}). Connect to a network once and run `cargo workshop images`, or load a classroom's bundle with `cargo workshop images --load FILE`"
    )]
    NoImage {
        /// The server that needs it.
        service: Service,
        /// What was pulled.
        image: String,
        /// Why pulling failed.
        pull: String,
        /// Why building failed.
        build: String,
    },
    /// The container ran, but the server in it never answered.
    #[error(
        "{server} did not answer within {seconds} s; on a slow machine try again. Its last lines were:\n{log}"
    )]
    StartTimeout {
        /// The container's name.
        server: String,
        /// How long we waited.
        seconds: u64,
        /// The end of its log.
        log: String,
    },
    /// The server ended instead of answering.
    #[error("{server} ended while it started. Its last lines were:\n{log}")]
    Ended {
        /// The container's name.
        server: String,
        /// The end of its log.
        log: String,
    },
    /// A server answers, but does not give us a database or a virtual host of our own.
    #[error(
        "{server} runs, but gives no room for a test of its own ({reason}). `cargo workshop down` removes it; the next run starts a new one"
    )]
    NoNamespace {
        /// The container's name.
        server: String,
        /// What it said.
        reason: String,
    },
    /// The folder with the lock files cannot be used.
    #[error("{path} cannot be used for lock files ({reason}); make it writable, and try again")]
    State {
        /// The folder or file.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// A file with images cannot be written or read.
    #[error("{path} cannot be used as a bundle of images: {reason}")]
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
    /// The proxy before a server cannot listen.
    #[error("a fault proxy cannot listen on 127.0.0.1: {0}")]
    Proxy(#[from] io::Error),
    /// Docker refused something else.
    #[error("Docker could not {action}: {reason}")]
    Docker {
        /// What was tried.
        action: String,
        /// What it said.
        reason: String,
    },
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error {
    /// Translates what Docker said when it was asked to `action`, such as "start redis".
    pub(crate) fn docker(action: impl Into<String>, error: &DockerError) -> Self {
        match io_kind(error) {
            Some(io::ErrorKind::PermissionDenied) => return Error::NoPermission,
            Some(io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                return Error::unreachable();
            }
            _ => {}
        }
        let reason = match error {
            DockerError::DockerResponseServerError { message, .. } => message.clone(),
            other => chain(other),
        };
        Error::said(action, reason)
    }

    /// The same from words alone.
    pub(crate) fn said(action: impl Into<String>, reason: String) -> Self {
        if reason.contains("no space left on device") {
            Error::DiskFull(reason)
        } else {
            let action = action.into();
            Error::Docker { action, reason }
        }
    }

    /// Nobody listens on Docker's socket: is it there at all?
    fn unreachable() -> Self {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let installed = std::env::split_paths(&paths).any(|folder| {
            ["dockerd", "docker", "docker.exe"]
                .iter()
                .any(|program| folder.join(program).is_file())
        });
        if installed {
            Error::DockerNotRunning
        } else {
            Error::DockerMissing
        }
    }
}

/// The operating system's error, however deep it lies.
fn io_kind(error: &DockerError) -> Option<io::ErrorKind> {
    if let DockerError::SocketNotFoundError(_) = error {
        return Some(io::ErrorKind::NotFound);
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        cause = error.source();
    }
    None
}

/// An error with all its causes in one line.
fn chain(error: &DockerError) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unwrap_shows_the_sentence() {
        let shown = format!("{:?}", Error::NoPermission);
        assert!(
            shown.starts_with("Docker runs, but this user may not use it."),
            "{shown}"
        );
    }

    #[test]
    fn a_full_disk_is_told_as_such() {
        let error = Error::said(
            "start redis",
            "mkdir /x: no space left on device".to_owned(),
        );
        assert!(matches!(error, Error::DiskFull(_)), "{error}");
    }
}
