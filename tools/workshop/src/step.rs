//! One step of a repair: [`step`] prints a command as one could type it, runs it, and keeps what it said.
//!
//! Left out: a time limit, for nobody knows how slow the network is. Ctrl-C reaches the command by itself.

use std::fs::{self, File};
use std::io::{self, Write};
use std::process::Stdio;

use anyhow::Context;

use crate::machine::Machine;

/// What the last step wrote.
const LOG: &str = "/var/log/workshop-doctor.log";

/// A command that has been run.
pub struct Step {
    /// Whether it says that all went well (exit code 0).
    pub success: bool,
    /// What it wrote.
    said: String,
}

/// Prints one command and runs it to its end, however long that takes.
pub fn step(
    machine: &Machine,
    program: &str,
    arguments: &[&str],
    output: &mut impl Write,
) -> anyhow::Result<Step> {
    writeln!(output, "$ {program} {}", arguments.join(" "))?;
    output.flush()?;
    let path = machine.file(LOG);
    let run = || -> io::Result<Step> {
        fs::create_dir_all(path.parent().expect("it lies in a folder"))?;
        // Into a file and not through a pipe: a service that it starts may keep a pipe open for ever.
        let log = File::create(&path)?;
        let mut command = machine.command(program);
        command
            .args(arguments)
            // Packages must not ask questions.
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let success = command.status()?.success();
        let said = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
        Ok(Step { success, said })
    };
    run().with_context(|| {
        format!(
            "{program} could not be run, or {} not be written",
            path.display()
        )
    })
}

impl Step {
    /// Its most telling words, in one line. apt names the cause in its first error or warning and ends with general advice; others end
    /// with what matters.
    pub fn words(&self) -> String {
        let lines = || {
            self.said
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
        };
        let of_apt = |mark| lines().find(|line| line.starts_with(mark));
        if let Some(line) = of_apt("E: ").or_else(|| of_apt("W: ")) {
            return line.to_owned();
        }
        let mut last: Vec<&str> = lines().rev().take(3).collect();
        last.reverse();
        last.join("; ")
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::fakes::Fakes;

    fn run(fakes: &Fakes, script: &str) -> Step {
        fakes.program("service", script);
        step(
            &fakes.machine(),
            "service",
            &["docker", "start"],
            &mut Vec::new(),
        )
        .unwrap()
    }

    #[test]
    fn a_service_that_stays_is_not_waited_for() {
        let fakes = Fakes::new();
        let stay = "i=0; while [ ! -e over ] && [ $i -lt 300 ]; do /bin/sleep 0.1; i=$((i+1)); done; : > gone";

        let step = run(&fakes, &format!("echo started; ({stay}) &"));

        assert!(
            !fakes.machine().file("gone").exists(),
            "it has waited for the service's end"
        );
        fakes.file("over", "");
        assert!(step.success);
        assert_eq!(step.words(), "started");
    }

    #[test]
    fn the_end_of_a_failure_is_told_in_one_line() {
        let step = run(
            &Fakes::new(),
            "echo 1; echo 2; echo 3 >&2; echo; echo 4; exit 1",
        );

        assert!(!step.success);
        assert_eq!(step.words(), "2; 3; 4");
    }

    #[test]
    fn of_apt_the_cause_is_told_and_not_the_advice() {
        // As recorded from apt 2.6.
        let step = run(
            &Fakes::new(),
            "echo 'E: Failed to fetch http://deb.debian.org/x.deb  Could not connect' >&2
            echo 'E: Some files failed to download' >&2; exit 100",
        );

        assert_eq!(
            step.words(),
            "E: Failed to fetch http://deb.debian.org/x.deb  Could not connect"
        );
    }
}
