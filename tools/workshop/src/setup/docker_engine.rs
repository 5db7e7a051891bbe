//! Starts Docker's engine and waits until it responds: [`start`].
//!
//! There are three ways: systemd, a System V script (`service docker start`), or `dockerd` as a
//! background process, as in a container.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::docker::DockerStatus;
use super::logged_command::run_logged;
use crate::run::machine::Machine;
use crate::terminal::text::last_lines;

/// The log of a `dockerd` that we started.
const LOG: &str = "/var/log/dockerd.log";

/// Starts the engine and waits until it responds. Prints each command before it runs.
pub fn start(machine: &Machine, output: &mut impl Write) -> anyhow::Result<()> {
    if let Some(host) = &machine.docker_host {
        bail!(
            "DOCKER_HOST says that Docker's engine is at {host}, but no engine answers there. \
             Start that engine, or unset DOCKER_HOST to use this machine's, and try again"
        );
    }
    if machine.path_of("/run/systemd/system").is_dir() {
        let command = run_logged(machine, "systemctl", &["start", "docker"], output)?;
        if !command.success {
            bail!(
                "systemd cannot start Docker: {}. `systemctl status docker` shows more",
                command.summary()
            );
        }
        return wait_until_ready(machine, None);
    }
    if machine.path_of("/etc/init.d/docker").is_file() && machine.has_program("service") {
        // Such scripts set limits and mount file systems, which not every container allows.
        let command = run_logged(machine, "service", &["docker", "start"], output)?;
        if command.success && wait_until_ready(machine, None).is_ok() {
            return Ok(());
        }
        writeln!(
            output,
            "this did not start the engine: {}",
            command.summary()
        )?;
    }
    let mut dockerd = start_in_background(machine, output)?;
    wait_until_ready(machine, Some(&mut dockerd))
}

fn start_in_background(machine: &Machine, output: &mut impl Write) -> anyhow::Result<Child> {
    let path = machine.path_of(LOG);
    writeln!(output, "$ dockerd >>{} 2>&1 &", path.display())?;
    let open = || -> std::io::Result<(File, File)> {
        fs::create_dir_all(path.parent().expect("the log file is in a folder"))?;
        let log = OpenOptions::new().create(true).append(true).open(&path)?;
        Ok((log.try_clone()?, log))
    };
    let (stdout, stderr) = open().with_context(|| format!("cannot write {}", path.display()))?;
    let mut command = machine.command("dockerd");
    command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
    // A process group of its own: Ctrl-C ends this program, but not the engine.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn().context("cannot start dockerd")
}

/// Waits until the engine responds. A `dockerd` that we started may end before that.
fn wait_until_ready(machine: &Machine, mut dockerd: Option<&mut Child>) -> anyhow::Result<()> {
    let deadline = Instant::now() + machine.docker_start_timeout;
    loop {
        // Before the status check: an engine that has ended cannot respond later.
        let ended = match &mut dockerd {
            Some(dockerd) => dockerd.try_wait()?,
            None => None,
        };
        if let DockerStatus::Running { .. } = DockerStatus::check(machine) {
            return Ok(());
        }
        if let Some(status) = ended {
            bail!(
                "dockerd ended ({status}) before it answered{}",
                log_end(machine)
            );
        }
        if Instant::now() >= deadline {
            let seconds = machine.docker_start_timeout.as_secs();
            let log = dockerd.map(|_| log_end(machine)).unwrap_or_default();
            bail!("Docker's engine was started but did not answer within {seconds} s{log}");
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// The last lines of the engine's log.
fn log_end(machine: &Machine) -> String {
    let path = machine.path_of(LOG);
    let log = fs::read(&path).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    format!(
        ". The end of {}:\n{}",
        path.display(),
        last_lines(&log, 3).join("\n")
    )
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::run::machine::fake::{DOCKER_SCRIPT, FakeMachine};
    use crate::setup::printed;

    fn started(fake: &FakeMachine) -> Result<String, String> {
        started_on(fake, &fake.machine())
    }

    fn started_on(fake: &FakeMachine, machine: &Machine) -> Result<String, String> {
        fake.program("docker", DOCKER_SCRIPT);
        printed(|output| start(machine, output))
    }

    #[test]
    fn systemd_starts_the_engine() {
        let fake = FakeMachine::new();
        fake.file("/run/systemd/system/x", "");
        fake.file("/etc/init.d/docker", "");
        fake.program("service", "exit 1");
        fake.program("dockerd", "exit 1");
        fake.program("systemctl", ": > running");

        assert_eq!(started(&fake).unwrap(), "$ systemctl start docker\n");
    }

    #[test]
    fn error_of_systemd_is_shown() {
        let fake = FakeMachine::new();
        fake.file("/run/systemd/system/x", "");
        fake.program(
            "systemctl",
            "echo 'Unit docker.service is masked.' >&2; exit 1",
        );

        let error = started(&fake).unwrap_err();

        assert!(error.contains("Unit docker.service is masked."), "{error}");
        assert!(error.contains("systemctl status docker"), "{error}");
    }

    #[test]
    fn service_script_starts_the_engine() {
        let fake = FakeMachine::new();
        fake.file("/etc/init.d/docker", "");
        fake.program("service", ": > running");
        fake.program("dockerd", "exit 1");

        assert_eq!(started(&fake).unwrap(), "$ service docker start\n");
    }

    #[test]
    fn failed_service_script_falls_back_to_dockerd() {
        let fake = FakeMachine::new();
        fake.file("/etc/init.d/docker", "");
        fake.program("service", "echo 'ulimit: cannot modify limit' >&2; exit 1");
        fake.program("dockerd", "echo listening; : > running");
        fake.file(LOG, "earlier\n");

        let output = started(&fake).unwrap();

        assert!(output.starts_with("$ service docker start\n"), "{output}");
        assert!(output.contains("ulimit: cannot modify limit"), "{output}");
        assert!(output.contains("$ dockerd >>"), "{output}");
        let log = fs::read_to_string(fake.machine().path_of(LOG)).unwrap();
        assert_eq!(log, "earlier\nlistening\n");
    }

    #[test]
    fn successful_service_script_without_engine_falls_back() {
        let fake = FakeMachine::new();
        fake.file("/etc/init.d/docker", "");
        fake.program("service", "");
        fake.program("dockerd", "exit 1");
        let mut machine = fake.machine();
        machine.docker_start_timeout = Duration::ZERO;

        let error = started_on(&fake, &machine).unwrap_err();

        assert!(
            error.contains("dockerd.log"),
            "dockerd was not started: {error}"
        );
    }

    #[test]
    fn ended_engine_shows_its_log() {
        let fake = FakeMachine::new();
        fake.program(
            "dockerd",
            "echo 'failed to start daemon: no iptables' >&2; exit 1",
        );

        let error = started(&fake).unwrap_err();

        assert!(error.contains("dockerd ended (exit status: 1)"), "{error}");
        assert!(
            error.ends_with("failed to start daemon: no iptables"),
            "{error}"
        );
    }

    #[test]
    fn waiting_for_the_engine_has_a_limit() {
        let fake = FakeMachine::new();
        fake.file("/run/systemd/system/x", "");
        fake.program("systemctl", "");
        let mut machine = fake.machine();
        machine.docker_start_timeout = Duration::ZERO;

        let error = started_on(&fake, &machine).unwrap_err();

        assert!(error.contains("did not answer within 0 s"), "{error}");
    }

    #[test]
    fn remote_engine_is_not_replaced() {
        let fake = FakeMachine::new();
        fake.program("dockerd", ": > running");
        let mut machine = fake.machine();
        machine.docker_host = Some("tcp://192.0.2.1:2375".to_owned());

        let error = started_on(&fake, &machine).unwrap_err();

        assert!(
            error.contains("DOCKER_HOST") && error.contains("192.0.2.1"),
            "{error}"
        );
        assert!(
            fake.calls().is_empty(),
            "no local command can start a remote engine"
        );
    }
}
