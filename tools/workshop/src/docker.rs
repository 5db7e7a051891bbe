//! Whether Docker can be used: [`Docker::look`] asks its command `docker`, and [`interpret`] understands what that says.
//!
//! The sentences are those of the testbed (`tools/testbed/src/error.rs`), which meets the same states through a client library. This
//! crate has none, for it must be built in seconds. Left out: an engine without its command.

use crate::machine::{Answer, Machine};

/// The state that Docker is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Docker {
    /// The engine answers.
    Running {
        /// Its version.
        version: String,
    },
    /// There is no Docker on this machine.
    Missing,
    /// It is installed, and its engine does not run.
    NotRunning,
    /// It runs, and this user may not talk to it.
    NoPermission,
    /// It takes our question and gives no answer.
    Hung,
    /// Something else, in its own words.
    Broken(String),
}

impl Docker {
    /// Asks this machine's.
    pub fn look(machine: &Machine) -> Self {
        interpret(&machine.ask("docker", &["version", "--format", "{{.Server.Version}}"]))
    }

    /// What is wrong and what to do about it, in one sentence; nothing if all is well.
    pub fn trouble(&self) -> Option<String> {
        let sentence = match self {
            Docker::Running { .. } => return None,
            Docker::Missing => {
                "Docker is not installed here, and this needs real servers in containers. On Debian or Ubuntu, as root, `cargo workshop \
                 doctor --fix` installs and starts it; elsewhere see https://docs.docker.com/get-docker/"
            }
            Docker::NotRunning => {
                "Docker is installed, but its engine does not run. Start it with `sudo systemctl start docker`, with Docker Desktop, or \
                 with `cargo workshop doctor --fix`, and try again"
            }
            Docker::NoPermission => {
                "Docker runs, but this user may not use it. Join its group with `sudo usermod -aG docker $USER`, log in again, and try again"
            }
            Docker::Hung => {
                "Docker's engine does not answer. Restart it with `sudo systemctl restart docker` or with Docker Desktop, and try again"
            }
            Docker::Broken(words) => {
                return Some(format!(
                    "Docker cannot be used; it says: {words}. Make `docker version` work, and try again"
                ));
            }
        };
        Some(sentence.to_owned())
    }
}

/// Understands what `docker version --format '{{.Server.Version}}'` said.
pub fn interpret(answer: &Answer) -> Docker {
    let (success, stdout, stderr) = match answer {
        Answer::Missing => return Docker::Missing,
        Answer::Late => return Docker::Hung,
        Answer::Said {
            success,
            stdout,
            stderr,
        } => (*success, stdout.trim(), stderr.trim()),
    };
    if success && !stdout.is_empty() {
        return Docker::Running {
            version: stdout.to_owned(),
        };
    }
    let says = |words: &str| stderr.to_lowercase().contains(words);
    if says("permission denied") || says("access is denied") {
        Docker::NoPermission
    } else if says("cannot connect to the docker daemon")
        || says("failed to connect to the docker api")
        || says("daemon is not running")
    {
        Docker::NotRunning
    } else {
        let words = stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        let words = words.trim_end_matches('.');
        Docker::Broken(if words.is_empty() { "nothing" } else { words }.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// What the client of Docker said, as it was recorded: exit code 1, an empty line, and this.
    fn said(stderr: &str) -> Docker {
        interpret(&Answer::Said {
            success: false,
            stdout: "\n".to_owned(),
            stderr: format!("{stderr}\n"),
        })
    }

    #[test]
    fn an_engine_that_answers_runs() {
        let docker = interpret(&Answer::Said {
            success: true,
            stdout: "20.10.24+dfsg1\n".to_owned(),
            stderr: String::new(),
        });
        let version = "20.10.24+dfsg1".to_owned();
        assert_eq!(docker, Docker::Running { version });
        assert_eq!(docker.trouble(), None);
    }

    #[test]
    fn an_engine_that_does_not_run_is_understood_from_every_client() {
        for words in [
            // 20.10 to 28, Linux and macOS; without its socket, and with a socket that nobody listens on
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
            // 29
            "failed to connect to the docker API at unix:///var/run/docker.sock; check if the path is correct and if the daemon is \
             running: dial unix /var/run/docker.sock: connect: no such file or directory",
            // 29 on Windows
            "failed to connect to the docker API at npipe:////./pipe/dockerDesktopLinuxEngine; check if the path is correct and if the \
             daemon is running: open //./pipe/dockerDesktopLinuxEngine: The system cannot find the file specified.",
            // 19 on Windows
            "error during connect: Get http://%2F%2F.%2Fpipe%2Fdocker_engine/v1.40/version: open //./pipe/docker_engine: The system cannot \
             find the file specified. In the default daemon configuration on Windows, the docker client must be run elevated to connect. \
             This error may also indicate that the docker daemon is not running.",
        ] {
            assert_eq!(said(words), Docker::NotRunning, "{words}");
        }
    }

    #[test]
    fn a_user_without_permission_is_not_told_to_start_the_engine() {
        for words in [
            // 20.10 to 28
            "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get \
             \"http://%2Fvar%2Frun%2Fdocker.sock/v1.50/version\": dial unix /var/run/docker.sock: connect: permission denied",
            // 29
            "permission denied while trying to connect to the docker API at unix:///var/run/docker.sock",
        ] {
            assert_eq!(said(words), Docker::NoPermission, "{words}");
        }
    }

    #[test]
    fn what_nobody_foresaw_is_told_in_dockers_own_words() {
        let context = "Failed to initialize: unable to resolve docker endpoint: context \"nix\": context not found";
        assert_eq!(said(context), Docker::Broken(context.to_owned()));

        let windows_subsystem = "\nThe command 'docker' could not be found in this WSL 2 distro.\n\
             We recommend to activate the WSL integration in Docker Desktop settings.\n";
        let trouble = said(windows_subsystem).trouble().unwrap();
        assert!(
            trouble.contains("WSL integration in Docker Desktop settings. Make"),
            "{trouble}"
        );

        assert_eq!(said(""), Docker::Broken("nothing".to_owned()));
    }

    #[test]
    fn an_engine_that_takes_too_long_is_not_called_stopped() {
        assert_eq!(interpret(&Answer::Late), Docker::Hung);
    }

    #[test]
    fn an_engine_without_a_version_does_not_count_as_running() {
        let answer = Answer::Said {
            success: true,
            stdout: "\n".to_owned(),
            stderr: String::new(),
        };
        assert!(matches!(interpret(&answer), Docker::Broken(_)));
    }

    #[test]
    fn the_testbed_says_the_same() {
        let testbed = fs::read_to_string(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../testbed/src/error.rs"
        ))
        .unwrap();
        // A backslash at the end of a line goes on with the string, and drops the spaces that follow.
        let testbed: String = testbed.split("\\\n").map(str::trim_start).collect();
        for docker in [Docker::Missing, Docker::NotRunning, Docker::NoPermission] {
            let sentence = docker.trouble().unwrap();
            assert!(
                testbed.contains(&sentence),
                "tools/testbed/src/error.rs does not say this: {sentence}"
            );
        }
    }
}
