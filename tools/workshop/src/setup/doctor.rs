//! `cargo workshop doctor`: what the workshop requires, what this machine has, and what to do next.
//!
//! The exit code is 1 if something required is missing. Missing images are no error, because a test
//! gets the images that it needs.

use std::io::{self, Write};
use std::process::ExitCode;

use super::install::{self, Component};
use super::next_step::next_step;
use super::requirements::Requirements;
use crate::app::exit_code;
use crate::run::machine::Machine;

/// The arguments of `cargo workshop doctor`.
#[derive(Debug, Default, clap::Args)]
pub struct DoctorOptions {
    /// Installs and starts what is missing (on Debian and Ubuntu, as root)
    #[arg(long)]
    fix: bool,
}

/// Checks this machine, and installs what is missing with `--fix`.
pub fn run(options: &DoctorOptions) -> anyhow::Result<ExitCode> {
    doctor(options, &Machine::detect(), &mut io::stdout())
}

fn doctor(
    options: &DoctorOptions,
    machine: &Machine,
    output: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let mut fix_error = None;
    if options.fix && install::is_possible(machine) {
        let all = [Component::Docker, Component::CCompiler, Component::Curl];
        fix_error = install::install_missing(machine, &all, output).err();
    }

    let requirements = Requirements::check(machine);
    let report = requirements.report();
    for line in &report {
        writeln!(output, "{:<12} {}", line.label, line.text)?;
    }
    let is_ready = !report.iter().any(|line| line.is_error);
    let last_sentence = match fix_error {
        Some(error) if !is_ready => format!("{error:#}."),
        _ => next_step(&requirements, machine, options.fix),
    };
    writeln!(output, "\n{last_sentence}")?;
    output.flush()?;
    Ok(exit_code(is_ready))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::run::machine::fake::{DOCKER_SCRIPT, FakeMachine};

    const CHECK_ONLY: DoctorOptions = DoctorOptions { fix: false };
    const FIX: DoctorOptions = DoctorOptions { fix: true };

    fn run_doctor(fake: &FakeMachine, options: &DoctorOptions) -> (ExitCode, String) {
        let mut output = Vec::new();
        let code = doctor(options, &fake.machine(), &mut output).unwrap();
        (code, String::from_utf8(output).unwrap())
    }

    /// A machine that has everything that the workshop requires.
    fn ready_machine() -> FakeMachine {
        let fake = FakeMachine::new();
        fake.file("running", "");
        fake.file("images", "");
        fake.program("docker", DOCKER_SCRIPT);
        fake.program("rustc", "echo 'rustc 1.999.0 (x)'");
        for program in ["cc", "curl", "mdbook"] {
            fake.program(program, "");
        }
        fake
    }

    fn last_line(report: &str) -> &str {
        report.lines().last().unwrap()
    }

    #[test]
    fn complete_machine_is_ready() {
        let (code, report) = run_doctor(&ready_machine(), &CHECK_ONLY);

        assert_eq!(code, ExitCode::SUCCESS);
        assert_eq!(
            report,
            "ok           rustc 1.999.0 (x)\n\
             ok           a C compiler (cc)\n\
             ok           curl, for the tours\n\
             ok           Docker is installed\n\
             ok           Docker's engine runs (20.10.24)\n\
             ok           you may use Docker\n\
             ok           4 of 4 server images\n\
             ok           mdbook\n\
             \n\
             Everything is ready: `cargo workshop test` runs every test.\n"
        );
    }

    #[test]
    fn optional_parts_are_no_error() {
        let fake = ready_machine();
        fake.remove("images");
        fake.remove("bin/mdbook");
        fake.program("df", "echo Filesystem; echo /dev/vda 9 9 1048576 99% /");

        let (code, report) = run_doctor(&fake, &CHECK_ONLY);

        assert_eq!(code, ExitCode::SUCCESS, "{report}");
        assert!(
            report.contains("later        0 of 4 server images"),
            "{report}"
        );
        assert!(report.contains("optional     mdbook"), "{report}");
        assert!(report.contains("low space    1 GiB free on /"), "{report}");
        assert!(
            last_line(&report).contains("cargo workshop images"),
            "{report}"
        );
    }

    #[test]
    fn missing_requirements_are_errors() {
        for (program, mark) in [
            ("rustc", "missing      rustc 1."),
            ("cc", "missing      a C compiler"),
            ("curl", "missing      curl"),
            ("docker", "missing      Docker"),
        ] {
            let fake = ready_machine();
            fake.remove(&format!("bin/{program}"));

            let (code, report) = run_doctor(&fake, &CHECK_ONLY);

            assert_eq!(code, ExitCode::FAILURE, "without {program}:\n{report}");
            assert!(report.contains(mark), "{report}");
            assert!(last_line(&report).starts_with("Next: "), "{report}");
        }
    }

    #[test]
    fn stopped_and_forbidden_engine_differ() {
        let fake = ready_machine();
        fake.remove("running");
        let (code, report) = run_doctor(&fake, &CHECK_ONLY);
        assert_eq!(code, ExitCode::FAILURE);
        assert!(
            report.contains("not running  Docker's engine\n"),
            "{report}"
        );
        assert!(
            last_line(&report).contains("its engine does not run"),
            "{report}"
        );

        fake.program(
            "docker",
            "echo 'permission denied while trying to connect' >&2; exit 1",
        );
        let (code, report) = run_doctor(&fake, &CHECK_ONLY);
        assert_eq!(code, ExitCode::FAILURE);
        assert!(
            report.contains("forbidden    you may not use Docker\n"),
            "{report}"
        );
        assert!(
            last_line(&report).contains("usermod -aG docker"),
            "{report}"
        );
    }

    #[test]
    fn check_without_fix_changes_nothing() {
        let fake = ready_machine();
        fake.debian();
        fake.remove("running");

        let (_, report) = run_doctor(&fake, &CHECK_ONLY);

        assert!(
            last_line(&report).contains("`cargo workshop doctor --fix`"),
            "{report}"
        );
        assert!(
            !fake.calls().iter().any(|call| call.starts_with("apt-get")),
            "doctor without --fix must not install"
        );
    }

    #[test]
    fn fix_starts_a_stopped_engine() {
        let fake = ready_machine();
        fake.debian();
        fake.remove("running");
        fake.program("dockerd", ": > running");

        let (code, report) = run_doctor(&fake, &FIX);

        assert_eq!(code, ExitCode::SUCCESS, "{report}");
        assert!(report.starts_with("$ dockerd"), "{report}");
        assert!(
            last_line(&report).starts_with("Everything is ready"),
            "{report}"
        );
    }

    #[test]
    fn failed_fix_shows_the_reason() {
        let fake = ready_machine();
        fake.debian();
        fake.remove("bin/curl");
        fake.program(
            "apt-get",
            "echo 'E: Unable to locate package curl' >&2; exit 100",
        );

        let (code, report) = run_doctor(&fake, &FIX);

        assert_eq!(code, ExitCode::FAILURE);
        assert!(
            last_line(&report).contains("E: Unable to locate package curl"),
            "{report}"
        );
    }

    #[test]
    fn failed_fix_is_not_suggested_again() {
        let fake = ready_machine();
        fake.debian();
        fake.program("cc", "exit 1");

        let (code, report) = run_doctor(&fake, &FIX);

        assert_eq!(code, ExitCode::FAILURE);
        assert!(
            last_line(&report).starts_with("Next: run `apt-get update"),
            "{report}"
        );
    }

    #[test]
    fn fix_without_root_prints_instructions() {
        let fake = ready_machine();
        fake.file("/etc/os-release", "ID=ubuntu\nID_LIKE=debian\n");
        fake.program("id", "echo 1000");
        fake.program("apt-get", "");
        fake.remove("bin/docker");

        let (code, report) = run_doctor(&fake, &FIX);

        assert_eq!(code, ExitCode::FAILURE);
        assert!(last_line(&report).contains("as root"), "{report}");
        assert!(
            last_line(&report).contains("sudo apt-get install -y docker.io"),
            "{report}"
        );
        assert!(
            !fake.calls().iter().any(|call| call.starts_with("apt-get")),
            "the learner runs sudo, not doctor"
        );
    }
}
