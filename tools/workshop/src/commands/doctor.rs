//! `cargo workshop doctor`: what a learner needs, what of it is there, and what to do next. With `--fix`, it also does it, where it can.
//!
//! The exit code is 1 if something is missing without which the workshop does not work. Left out: the images, which are got when they
//! are first needed, or by `cargo workshop images`.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::advice;
use crate::examination::Findings;
use crate::machine::Machine;
use crate::repair::{self, Part};

/// The command line of `cargo workshop doctor`.
#[derive(Debug, Default, clap::Args)]
pub struct Options {
    /// Install and start what is missing (on Debian and Ubuntu, as root)
    #[arg(long)]
    fix: bool,
}

/// Examines this machine, and repairs it if that is asked for.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    examine(options, &Machine::here(), &mut io::stdout())
}

fn examine(
    options: &Options,
    machine: &Machine,
    output: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let mut failed = None;
    if options.fix && repair::is_possible(machine) {
        let all = [Part::Docker, Part::Compiler, Part::Curl];
        failed = repair::repair(machine, &all, output).err();
    }

    let findings = Findings::of(machine);
    let lines = findings.lines();
    for line in &lines {
        writeln!(output, "{:<12} {}", line.mark, line.text)?;
    }
    let is_well = !lines.iter().any(|line| line.is_fatal);
    let closing = match failed {
        Some(error) if !is_well => format!("{error:#}."),
        _ => advice::next(&findings, machine, options.fix),
    };
    writeln!(output, "\n{closing}")?;
    output.flush()?;
    Ok(if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::fakes::{DOCKER, Fakes};

    const LOOK: Options = Options { fix: false };
    const FIX: Options = Options { fix: true };

    fn examined(fakes: &Fakes, options: &Options) -> (ExitCode, String) {
        let mut output = Vec::new();
        let code = examine(options, &fakes.machine(), &mut output).unwrap();
        (code, String::from_utf8(output).unwrap())
    }

    /// A machine that has everything, with an engine that runs.
    fn well() -> Fakes {
        let fakes = Fakes::new();
        fakes.file("running", "");
        fakes.file("images", "");
        fakes.program("docker", DOCKER);
        fakes.program("rustc", "echo 'rustc 1.999.0 (x)'");
        for program in ["cc", "curl", "mdbook"] {
            fakes.program(program, "");
        }
        fakes
    }

    fn last_line(report: &str) -> &str {
        report.lines().last().unwrap()
    }

    #[test]
    fn a_machine_that_has_everything_is_well() {
        let (code, report) = examined(&well(), &LOOK);

        assert_eq!(code, ExitCode::SUCCESS);
        assert_eq!(
            report,
            "ok           rustc 1.999.0 (x)\n\
             ok           a C compiler (cc)\n\
             ok           curl, for the tours\n\
             ok           Docker is installed\n\
             ok           Docker's engine runs (20.10.24)\n\
             ok           you may use Docker\n\
             ok           4 of 4 images of servers\n\
             ok           mdbook\n\
             \n\
             All is well: `cargo workshop test` runs every test.\n"
        );
    }

    #[test]
    fn what_is_optional_or_comes_by_itself_is_no_failure() {
        let fakes = well();
        fakes.remove("images");
        fakes.remove("bin/mdbook");
        fakes.program("df", "echo Filesystem; echo /dev/vda 9 9 1048576 99% /");

        let (code, report) = examined(&fakes, &LOOK);

        assert_eq!(code, ExitCode::SUCCESS, "{report}");
        assert!(report.contains("later        0 of 4 images"), "{report}");
        assert!(report.contains("optional     mdbook"), "{report}");
        assert!(report.contains("little       1 GiB free on /"), "{report}");
        assert!(
            last_line(&report).contains("cargo workshop images"),
            "{report}"
        );
    }

    #[test]
    fn whatever_is_required_and_missing_fails_and_is_named() {
        for (program, mark) in [
            ("rustc", "missing      rustc 1."),
            ("cc", "missing      a C compiler"),
            ("curl", "missing      curl"),
            ("docker", "missing      Docker"),
        ] {
            let fakes = well();
            fakes.remove(&format!("bin/{program}"));

            let (code, report) = examined(&fakes, &LOOK);

            assert_eq!(code, ExitCode::FAILURE, "without {program}:\n{report}");
            assert!(report.contains(mark), "{report}");
            assert!(last_line(&report).starts_with("Next: "), "{report}");
        }
    }

    #[test]
    fn a_stopped_engine_and_a_forbidden_one_are_told_apart() {
        let fakes = well();
        fakes.remove("running");
        let (code, report) = examined(&fakes, &LOOK);
        assert_eq!(code, ExitCode::FAILURE);
        assert!(
            report.contains("not running  Docker's engine\n"),
            "{report}"
        );
        assert!(
            last_line(&report).contains("its engine does not run"),
            "{report}"
        );

        fakes.program(
            "docker",
            "echo 'permission denied while trying to connect' >&2; exit 1",
        );
        let (code, report) = examined(&fakes, &LOOK);
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
    fn looking_changes_nothing_and_names_the_command_that_would() {
        let fakes = well();
        fakes.debian();
        fakes.remove("running");

        let (_, report) = examined(&fakes, &LOOK);

        assert!(
            last_line(&report).contains("`cargo workshop doctor --fix`"),
            "{report}"
        );
        assert!(
            !fakes.calls().iter().any(|call| call.starts_with("apt-get")),
            "it only looks"
        );
    }

    #[test]
    fn fixing_a_stopped_engine_makes_all_well() {
        let fakes = well();
        fakes.debian();
        fakes.remove("running");
        fakes.program("dockerd", ": > running");

        let (code, report) = examined(&fakes, &FIX);

        assert_eq!(code, ExitCode::SUCCESS, "{report}");
        assert!(report.starts_with("$ dockerd"), "{report}");
        assert!(last_line(&report).starts_with("All is well"), "{report}");
    }

    #[test]
    fn fixing_what_cannot_be_fixed_ends_with_the_reason() {
        let fakes = well();
        fakes.debian();
        fakes.remove("bin/curl");
        fakes.program(
            "apt-get",
            "echo 'E: Unable to locate package curl' >&2; exit 100",
        );

        let (code, report) = examined(&fakes, &FIX);

        assert_eq!(code, ExitCode::FAILURE);
        assert!(
            last_line(&report).contains("E: Unable to locate package curl"),
            "{report}"
        );
    }

    #[test]
    fn what_a_fix_did_not_mend_is_not_sent_to_it_again() {
        let fakes = well();
        fakes.debian();
        fakes.program("cc", "exit 1");

        let (code, report) = examined(&fakes, &FIX);

        assert_eq!(code, ExitCode::FAILURE);
        assert!(
            last_line(&report).starts_with("Next: run `apt-get update"),
            "{report}"
        );
    }

    #[test]
    fn fixing_elsewhere_says_what_to_type() {
        let fakes = well();
        fakes.file("/etc/os-release", "ID=ubuntu\nID_LIKE=debian\n");
        fakes.program("id", "echo 1000");
        fakes.program("apt-get", "");
        fakes.remove("bin/docker");

        let (code, report) = examined(&fakes, &FIX);

        assert_eq!(code, ExitCode::FAILURE);
        assert!(last_line(&report).contains("as root"), "{report}");
        assert!(
            last_line(&report).contains("sudo apt-get install -y docker.io"),
            "{report}"
        );
        assert!(
            !fakes.calls().iter().any(|call| call.starts_with("apt-get")),
            "sudo is theirs to type"
        );
    }
}
