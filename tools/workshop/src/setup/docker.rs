//! Whether Docker can be used: [`DockerStatus::check`] runs `docker version`.
//!
//! The testbed gives the same explanations (`tools/testbed/src/error.rs`), but gets the status from
//! a client library. This crate has no such library, because it has to build in seconds.

use crate::run::machine::{CommandResult, Machine};

/// The status of Docker on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DockerStatus {
    /// The engine runs.
    Running {
        /// The engine's version.
        version: String,
    },
    /// Docker is not installed.
    NotInstalled,
    /// Docker is installed, but its engine does not run.
    NotRunning,
    /// The engine runs, but the user may not use it.
    NoPermission,
    /// The engine accepts requests but does not respond.
    NotResponding,
    /// Any other problem, with Docker's own message.
    Failed(String),
}

impl DockerStatus {
    /// The status of this machine's Docker.
    pub fn check(machine: &Machine) -> Self {
        let arguments = ["version", "--format", "{{.Server.Version}}"];
        parse_version_result(&machine.run("docker", &arguments))
    }

    /// What is wrong and what to do, in one sentence; `None` if Docker can be used.
    pub fn problem(&self) -> Option<String> {
        let sentence = match self {
            DockerStatus::Running { .. } => return None,
            DockerStatus::NotInstalled => {
                "Docker is not installed, but this needs real servers in containers. On Debian or \
                 Ubuntu, `cargo workshop doctor --fix` (as root) installs and starts it; for other \
                 systems see https://docs.docker.com/get-docker/"
            }
            DockerStatus::NotRunning => {
                "Docker is installed, but its engine does not run. Start it with \
                 `sudo systemctl start docker`, with Docker Desktop or with \
                 `cargo workshop doctor --fix`, and try again"
            }
            DockerStatus::NoPermission => {
                "Docker runs, but this user may not use it. Join its group with \
                 `sudo usermod -aG docker $USER`, log in again, and try again"
            }
            DockerStatus::NotResponding => {
                "Docker's engine does not answer. Restart it with `sudo systemctl restart docker` \
                 or with Docker Desktop, and try again"
            }
            DockerStatus::Failed(message) => {
                return Some(format!(
                    "Docker cannot be used; it says: {message}. Make `docker version` work, and \
                     try again"
                ));
            }
        };
        Some(sentence.to_owned())
    }
}

/// Parses the result of `docker version --format '{{.Server.Version}}'`.
pub fn parse_version_result(result: &CommandResult) -> DockerStatus {
    let (success, stdout, stderr) = match result {
        CommandResult::NotFound => return DockerStatus::NotInstalled,
        CommandResult::TimedOut => return DockerStatus::NotResponding,
        CommandResult::Finished {
            success,
            stdout,
            stderr,
        } => (*success, stdout.trim(), stderr.trim()),
    };
    if success && !stdout.is_empty() {
        return DockerStatus::Running {
            version: stdout.to_owned(),
        };
    }
    let lower_case = stderr.to_lowercase();
    let contains_any = |texts: &[&str]| texts.iter().any(|text| lower_case.contains(text));
    if contains_any(&["permission denied", "access is denied"]) {
        DockerStatus::NoPermission
    } else if contains_any(&[
        "cannot connect to the docker daemon",
        "failed to connect to the docker api",
        "daemon is not running",
    ]) {
        DockerStatus::NotRunning
    } else {
        let message = stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        let message = message.trim_end_matches('.');
        DockerStatus::Failed(
            if message.is_empty() {
                "nothing"
            } else {
                message
            }
            .to_owned(),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The status for a recorded message of Docker's client, which ended with exit code 1.
    fn status_for(stderr: &str) -> DockerStatus {
        parse_version_result(&CommandResult::Finished {
            success: false,
            stdout: "\n".to_owned(),
            stderr: format!("{stderr}\n"),
        })
    }

    #[test]
    fn running_engine_has_a_version() {
        let docker = parse_version_result(&CommandResult::Finished {
            success: true,
            stdout: "20.10.24+dfsg1\n".to_owned(),
            stderr: String::new(),
        });
        let version = "20.10.24+dfsg1".to_owned();
        assert_eq!(docker, DockerStatus::Running { version });
        assert_eq!(docker.problem(), None);
    }

    #[test]
    fn stopped_engine_is_recognised_from_every_client() {
        for words in [
            // 20.10 to 28, Linux and macOS
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
            // 29
            "failed to connect to the docker API at unix:///var/run/docker.sock; check if the path \
             is correct and if the daemon is running: dial unix /var/run/docker.sock: connect: no \
             such file or directory",
            // 29 on Windows
            "failed to connect to the docker API at npipe:////./pipe/dockerDesktopLinuxEngine; \
             check if the path is correct and if the daemon is running: open \
             //./pipe/dockerDesktopLinuxEngine: The system cannot find the file specified.",
            // 19 on Windows
            "error during connect: Get http://%2F%2F.%2Fpipe%2Fdocker_engine/v1.40/version: open \
             //./pipe/docker_engine: The system cannot find the file specified. In the default \
             daemon configuration on Windows, the docker client must be run elevated to connect. \
             This error may also indicate that the docker daemon is not running.",
        ] {
            assert_eq!(status_for(words), DockerStatus::NotRunning, "{words}");
        }
    }

    #[test]
    fn missing_permission_is_recognised() {
        for words in [
            // 20.10 to 28
            "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get \
             \"http://%2Fvar%2Frun%2Fdocker.sock/v1.50/version\": dial unix /var/run/docker.sock: connect: permission denied",
            // 29
            "permission denied while trying to connect to the docker API at unix:///var/run/docker.sock",
        ] {
            assert_eq!(status_for(words), DockerStatus::NoPermission, "{words}");
        }
    }

    #[test]
    fn unknown_problem_shows_dockers_message() {
        let context = "Failed to initialize: unable to resolve docker endpoint: context \"nix\": context not found";
        assert_eq!(
            status_for(context),
            DockerStatus::Failed(context.to_owned())
        );

        let windows_subsystem = "\nThe command 'docker' could not be found in this WSL 2 distro.\n\
             We recommend to activate the WSL integration in Docker Desktop settings.\n";
        let problem = status_for(windows_subsystem).problem().unwrap();
        assert!(
            problem.contains("WSL integration in Docker Desktop settings. Make"),
            "{problem}"
        );

        assert_eq!(status_for(""), DockerStatus::Failed("nothing".to_owned()));
    }

    #[test]
    fn slow_engine_and_engine_without_version_differ() {
        let slow = parse_version_result(&CommandResult::TimedOut);
        assert_eq!(slow, DockerStatus::NotResponding);
        let result = CommandResult::Finished {
            success: true,
            stdout: "\n".to_owned(),
            stderr: String::new(),
        };
        let no_version = parse_version_result(&result);
        assert!(matches!(no_version, DockerStatus::Failed(_)));
    }

    #[test]
    fn testbed_gives_the_same_explanations() {
        let testbed = fs::read_to_string(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../testbed/src/error.rs"
        ))
        .unwrap();
        // A backslash at the end of a line joins the lines without the indentation.
        let testbed: String = testbed.split("\\\n").map(str::trim_start).collect();
        for docker in [
            DockerStatus::NotInstalled,
            DockerStatus::NotRunning,
            DockerStatus::NoPermission,
        ] {
            let sentence = docker.problem().unwrap();
            assert!(
                testbed.contains(&sentence),
                "tools/testbed/src/error.rs has other words than: {sentence}"
            );
        }
    }
}
