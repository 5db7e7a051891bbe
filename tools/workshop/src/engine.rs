//! Starts Docker's engine, where it is installed, and waits until it answers: [`start`].
//!
//! Three ways, by what runs the machine's services: systemd, a System V script (`service docker start`), or nothing at all, as in a
//! container; then the engine is an ordinary program in the background. Left out: stopping it again, and its settings
//! (`/etc/docker/daemon.json`).

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::docker::Docker;
use crate::machine::Machine;
use crate::step::step;

/// Where an engine that we have started writes.
const LOG: &str = "/var/log/dockerd.log";

/// Starts the engine; at its end the engine answers. Prints each step before it is taken.
pub fn start(machine: &Machine, output: &mut impl Write) -> anyhow::Result<()> {
    if let Some(host) = &machine.docker_host {
        bail!(
            "DOCKER_HOST says that Docker's engine is at {host}, where none answers. Start that one, or unset DOCKER_HOST to use this \
             machine's, and try again"
        );
    }
    if machine.file("/run/systemd/system").is_dir() {
        let done = step(machine, "systemctl", &["start", "docker"], output)?;
        if !done.success {
            bail!(
                "systemd could not start Docker: {}. `systemctl status docker` tells more",
                done.words()
            );
        }
        return wait(machine, None);
    }
    if machine.file("/etc/init.d/docker").is_file() && machine.has("service") {
        // Such scripts want to set limits and mount file systems, which not every container allows.
        let done = step(machine, "service", &["docker", "start"], output)?;
        if done.success && wait(machine, None).is_ok() {
            return Ok(());
        }
        writeln!(output, "that did not start it: {}", done.words())?;
    }
    let mut engine = in_background(machine, output)?;
    wait(machine, Some(&mut engine))
}

fn in_background(machine: &Machine, output: &mut impl Write) -> anyhow::Result<Child> {
    let path = machine.file(LOG);
    writeln!(output, "$ dockerd >>{} 2>&1 &", path.display())?;
    let open = || -> std::io::Result<(File, File)> {
        fs::create_dir_all(path.parent().expect("it lies in a folder"))?;
        let log = OpenOptions::new().create(true).append(true).open(&path)?;
        Ok((log.try_clone()?, log))
    };
    let (log, same_log) =
        open().with_context(|| format!("{} cannot be written", path.display()))?;
    let mut command = machine.command("dockerd");
    command.stdin(Stdio::null()).stdout(log).stderr(same_log);
    // A group of its own: Ctrl-C is meant for us, and the engine is to stay.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn().context("dockerd could not be started")
}

/// Waits until the engine answers. One that we have started ourselves can end before that.
fn wait(machine: &Machine, mut engine: Option<&mut Child>) -> anyhow::Result<()> {
    let deadline = Instant::now() + machine.start_patience;
    loop {
        // In this order: if it has ended, it said nothing after that.
        let ended = match &mut engine {
            Some(engine) => engine.try_wait()?,
            None => None,
        };
        let docker = Docker::look(machine);
        if let Docker::Running { .. } = docker {
            return Ok(());
        }
        if let Some(status) = ended {
            bail!(
                "dockerd ended ({status}) instead of answering{}",
                last_words(machine)
            );
        }
        if Instant::now() >= deadline {
            let seconds = machine.start_patience.as_secs();
            let log = if engine.is_some() {
                last_words(machine)
            } else {
                String::new()
            };
            bail!("Docker's engine was started and did not answer within {seconds} s{log}");
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// The last lines of the engine's log.
fn last_words(machine: &Machine) -> String {
    let path = machine.file(LOG);
    let log = fs::read(&path).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = log.lines().rev().take(3).collect();
    let lines: Vec<&str> = lines.into_iter().rev().collect();
    format!(". The end of {}:\n{}", path.display(), lines.join("\n"))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::fakes::{DOCKER, Fakes};

    fn started(fakes: &Fakes) -> Result<String, String> {
        started_on(fakes, &fakes.machine())
    }

    fn started_on(fakes: &Fakes, machine: &Machine) -> Result<String, String> {
        fakes.program("docker", DOCKER);
        let mut output = Vec::new();
        let result = start(machine, &mut output);
        let output = String::from_utf8(output).unwrap();
        result
            .map(|()| output)
            .map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn systemd_starts_it_where_it_runs() {
        let fakes = Fakes::new();
        fakes.file("/run/systemd/system/x", "");
        fakes.file("/etc/init.d/docker", "");
        fakes.program("service", "exit 1");
        fakes.program("dockerd", "exit 1");
        fakes.program("systemctl", ": > running");

        assert_eq!(started(&fakes).unwrap(), "$ systemctl start docker\n");
    }

    #[test]
    fn what_systemd_says_is_told() {
        let fakes = Fakes::new();
        fakes.file("/run/systemd/system/x", "");
        fakes.program(
            "systemctl",
            "echo 'Unit docker.service is masked.' >&2; exit 1",
        );

        let error = started(&fakes).unwrap_err();

        assert!(error.contains("Unit docker.service is masked."), "{error}");
        assert!(error.contains("systemctl status docker"), "{error}");
    }

    #[test]
    fn a_service_script_starts_it_where_there_is_no_systemd() {
        let fakes = Fakes::new();
        fakes.file("/etc/init.d/docker", "");
        fakes.program("service", ": > running");
        fakes.program("dockerd", "exit 1");

        assert_eq!(started(&fakes).unwrap(), "$ service docker start\n");
    }

    #[test]
    fn where_a_service_script_fails_the_engine_is_started_in_the_background() {
        let fakes = Fakes::new();
        fakes.file("/etc/init.d/docker", "");
        fakes.program("service", "echo 'ulimit: cannot modify limit' >&2; exit 1");
        fakes.program("dockerd", "echo listening; : > running");
        fakes.file(LOG, "earlier\n");

        let output = started(&fakes).unwrap();

        assert!(output.starts_with("$ service docker start\n"), "{output}");
        assert!(output.contains("ulimit: cannot modify limit"), "{output}");
        assert!(output.contains("$ dockerd >>"), "{output}");
        let log = fs::read_to_string(fakes.machine().file(LOG)).unwrap();
        assert_eq!(log, "earlier\nlistening\n");
    }

    #[test]
    fn a_service_script_that_says_it_did_is_not_believed() {
        let fakes = Fakes::new();
        fakes.file("/etc/init.d/docker", "");
        fakes.program("service", "");
        fakes.program("dockerd", "exit 1");
        let mut machine = fakes.machine();
        machine.start_patience = Duration::ZERO;

        let error = started_on(&fakes, &machine).unwrap_err();

        assert!(
            error.contains("dockerd.log"),
            "it was not started otherwise: {error}"
        );
    }

    #[test]
    fn an_engine_that_ends_says_why() {
        let fakes = Fakes::new();
        fakes.program(
            "dockerd",
            "echo 'failed to start daemon: no iptables' >&2; exit 1",
        );

        let error = started(&fakes).unwrap_err();

        assert!(error.contains("dockerd ended (exit status: 1)"), "{error}");
        assert!(
            error.ends_with("failed to start daemon: no iptables"),
            "{error}"
        );
    }

    #[test]
    fn an_engine_that_never_answers_is_not_waited_for_for_ever() {
        let fakes = Fakes::new();
        fakes.file("/run/systemd/system/x", "");
        fakes.program("systemctl", "");
        let mut machine = fakes.machine();
        machine.start_patience = Duration::ZERO;

        let error = started_on(&fakes, &machine).unwrap_err();

        assert!(error.contains("did not answer within 0 s"), "{error}");
    }

    #[test]
    fn an_engine_elsewhere_is_not_replaced_by_one_here() {
        let fakes = Fakes::new();
        fakes.program("dockerd", ": > running");
        let mut machine = fakes.machine();
        machine.docker_host = Some("tcp://192.0.2.1:2375".to_owned());

        let error = started_on(&fakes, &machine).unwrap_err();

        assert!(
            error.contains("DOCKER_HOST") && error.contains("192.0.2.1"),
            "{error}"
        );
        assert!(fakes.calls().is_empty(), "nothing helps there");
    }
}
