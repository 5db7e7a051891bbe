//! Runs one command of an installation: [`run_logged`] prints it, runs it and keeps its output.
//!
//! There is no time limit, because a download may take long. Ctrl-C reaches the command by itself.

use std::fs::{self, File};
use std::io::{self, Write};
use std::process::Stdio;

use anyhow::Context;

use crate::run::machine::Machine;
use crate::terminal::text::last_lines;

/// The output of the last command.
const LOG: &str = "/var/log/workshop-doctor.log";

/// A command that has ended.
pub struct LoggedCommand {
    /// Whether the exit code is 0.
    pub success: bool,
    output: String,
}

/// Prints a command and runs it to its end.
pub fn run_logged(
    machine: &Machine,
    program: &str,
    arguments: &[&str],
    output: &mut impl Write,
) -> anyhow::Result<LoggedCommand> {
    writeln!(output, "$ {program} {}", arguments.join(" "))?;
    output.flush()?;
    let path = machine.path_of(LOG);
    let run = || -> io::Result<LoggedCommand> {
        fs::create_dir_all(path.parent().expect("the log file is in a folder"))?;
        // A file, not a pipe: a service that the command starts may keep a pipe open for ever.
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
        let output = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
        Ok(LoggedCommand { success, output })
    };
    run().with_context(|| format!("cannot run {program} or cannot write {}", path.display()))
}

impl LoggedCommand {
    /// The most important output in one line: the first error or warning of apt, which names the
    /// cause, else the last three lines.
    pub fn summary(&self) -> String {
        let lines = || {
            let lines = self.output.lines().map(str::trim);
            lines.filter(|line| !line.is_empty())
        };
        let with_prefix = |prefix| lines().find(|line| line.starts_with(prefix));
        if let Some(line) = with_prefix("E: ").or_else(|| with_prefix("W: ")) {
            return line.to_owned();
        }
        let text = lines().collect::<Vec<_>>().join("\n");
        last_lines(&text, 3).join("; ")
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::run::machine::fake::FakeMachine;

    fn run(fake: &FakeMachine, script: &str) -> LoggedCommand {
        fake.program("service", script);
        run_logged(
            &fake.machine(),
            "service",
            &["docker", "start"],
            &mut Vec::new(),
        )
        .unwrap()
    }

    #[test]
    fn background_service_does_not_block() {
        let fake = FakeMachine::new();
        let stay = "i=0; while [ ! -e over ] && [ $i -lt 300 ]; do /bin/sleep 0.1; i=$((i+1)); done; : > gone";

        let command = run(&fake, &format!("echo started; ({stay}) &"));

        assert!(
            !fake.machine().path_of("gone").exists(),
            "the command waited for the end of the service"
        );
        fake.file("over", "");
        assert!(command.success);
        assert_eq!(command.summary(), "started");
    }

    #[test]
    fn last_lines_summarise_a_failure() {
        let command = run(
            &FakeMachine::new(),
            "echo 1; echo 2; echo 3 >&2; echo; echo 4; exit 1",
        );

        assert!(!command.success);
        assert_eq!(command.summary(), "2; 3; 4");
    }

    #[test]
    fn first_apt_error_is_the_summary() {
        // Recorded from apt 2.6.
        let command = run(
            &FakeMachine::new(),
            "echo 'E: Failed to fetch http://deb.debian.org/x.deb  Could not connect' >&2
            echo 'E: Some files failed to download' >&2; exit 100",
        );

        assert_eq!(
            command.summary(),
            "E: Failed to fetch http://deb.debian.org/x.deb  Could not connect"
        );
    }
}
