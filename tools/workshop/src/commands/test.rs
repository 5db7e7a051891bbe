//! `cargo workshop test`: runs the tests of the whole repository, or of some packages, and says in one line how it went.
//!
//! Before them comes the set-up that they need, on the standard error: Docker, images, servers. Then it runs `cargo test
//! --no-fail-fast` and lets everything through that cargo and the tests say. Without a package that is the root's default members, to which
//! the exercises do not belong: they are red until somebody solves them. They are proved after that, as `verify` does, and each counts
//! like a test. The end is its own again: `cargo test` prints a result for each of some forty test binaries and no sum, and a crash among
//! them is easily overlooked. Left out: stopping the servers, which the next run uses again; `cargo workshop down` does that.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;

use super::verify;
use crate::cargo;
use crate::colour::Colour;
use crate::desk::Desk;
use crate::runner;
use crate::setup;
use crate::verdict::Verdict;

/// The command line of `cargo workshop test`.
#[derive(Debug, Default, clap::Args)]
pub struct Options {
    /// Test only this package, such as ch03-cache; may be repeated
    #[arg(short, long = "package", value_name = "PACKAGE")]
    packages: Vec<String>,
    /// Arguments for the test binaries, after `--`: a part of a test's name, --nocapture, …
    #[arg(last = true, value_name = "ARGS")]
    arguments: Vec<OsString>,
}

/// Runs the tests. The exit code is 0 only if there were tests and all of them passed.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let verdict = judge(options, &Desk::here(), &mut io::stdout(), &mut io::stderr())?;
    verdict.print(&mut io::stdout())?;
    Ok(if verdict.is_green() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn judge(
    options: &Options,
    desk: &Desk,
    report: &mut impl Write,
    progress: &mut impl Write,
) -> anyhow::Result<Verdict> {
    let machine = &desk.machine;
    if setup::needs_servers(&options.packages)
        && let Err(error) = setup::servers(machine, progress)
    {
        return Ok(Verdict::never_ran(format!("{error:#}")));
    }
    let mut command = cargo::cargo(machine);
    command
        // In a package's folder cargo would take that package for all that is meant.
        .current_dir(desk.repository.root())
        .args(cargo_arguments(options, machine.colour));
    let mut verdict = match runner::run(&mut command, report) {
        Ok(outcome) => Verdict::of(&outcome),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            return Err(error)
                .context("nobody reads the output any more, so the tests were stopped");
        }
        Err(error) => {
            return Ok(Verdict::never_ran(format!(
                "{} could not be run: {error}. Is Rust installed and on the PATH? See https://rustup.rs",
                machine.cargo.display()
            )));
        }
    };
    if options.means_everything() {
        writeln!(
            report,
            "\nThe exercises: each stub is red, each solution green, and each wrong answer rejected\n"
        )?;
        match verify::all(desk, report, progress) {
            Ok(count) => verdict.and_exercises(count),
            Err(error) => {
                verdict.and_failure(format!("The exercises could not be proved: {error:#}"))
            }
        }
    }
    Ok(verdict)
}

impl Options {
    /// Whether neither a package nor a part of a test's name was given.
    fn means_everything(&self) -> bool {
        let is_name = |argument: &OsString| !argument.to_string_lossy().starts_with('-');
        self.packages.is_empty() && !self.arguments.iter().any(is_name)
    }
}

fn cargo_arguments(options: &Options, colour: Colour) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["test".into(), "--no-fail-fast".into()];
    for package in &options.packages {
        arguments.extend(["--package".into(), package.into()]);
    }
    if colour.stdout && colour.stderr {
        arguments.extend(["--color".into(), "always".into()]);
    }

    let mut for_tests = options.arguments.clone();
    let asks_for_colour = for_tests
        .iter()
        .any(|argument| argument.to_string_lossy().starts_with("--color"));
    // A test binary refuses to be told twice.
    if colour.stdout && !asks_for_colour {
        for_tests.extend(["--color".into(), "always".into()]);
    }
    if !for_tests.is_empty() {
        arguments.push("--".into());
        arguments.extend(for_tests);
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Colour = Colour {
        stdout: false,
        stderr: false,
    };
    const COLOURED: Colour = Colour {
        stdout: true,
        stderr: true,
    };

    #[test]
    fn without_a_package_cargo_is_left_its_default_members_to_which_exercises_do_not_belong() {
        let arguments = cargo_arguments(&Options::default(), PLAIN);
        assert_eq!(arguments, ["test", "--no-fail-fast"]);
    }

    #[test]
    fn exercises_are_proved_only_if_everything_is_meant() {
        let options = |packages: &[&str], arguments: &[&str]| Options {
            packages: packages
                .iter()
                .map(|package| (*package).to_owned())
                .collect(),
            arguments: arguments.iter().map(Into::into).collect(),
        };
        assert!(options(&[], &[]).means_everything());
        assert!(options(&[], &["--nocapture"]).means_everything());
        assert!(!options(&[], &["shard"]).means_everything());
        assert!(!options(&["ch03-cache"], &[]).means_everything());
    }

    #[test]
    fn packages_and_arguments_go_to_cargo_in_its_order() {
        let options = Options {
            packages: vec!["ch01-clones".into(), "ch02-database".into()],
            arguments: vec!["shard".into()],
        };
        assert_eq!(
            cargo_arguments(&options, COLOURED).join(" ".as_ref()),
            "test --no-fail-fast --package ch01-clones --package ch02-database --color always -- shard --color always"
        );
    }

    #[test]
    fn a_learners_own_colour_is_not_contradicted() {
        let options = Options {
            packages: vec![],
            arguments: vec!["--color=never".into()],
        };
        let arguments = cargo_arguments(&options, COLOURED);
        assert_eq!(arguments.last().unwrap(), "--color=never");
    }

    #[cfg(unix)]
    mod with_programs {
        use super::*;
        use crate::fakes::{DOCKER, Fakes};
        use crate::repository::Repository;

        const GOOD: &str = "echo 'running 1 test'; \
            echo 'test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s'";

        fn judged(fakes: &Fakes, packages: &[&str]) -> (Verdict, String) {
            let options = Options {
                packages: packages.iter().map(|name| (*name).to_owned()).collect(),
                arguments: vec![],
            };
            let machine = fakes.machine();
            let root = machine.file("");
            let desk = Desk {
                machine,
                repository: Repository::at(&root),
                stands_in: root.clone(),
                target: root,
            };
            let mut printed = Vec::new();
            let verdict = judge(&options, &desk, &mut printed, &mut Vec::new()).unwrap();
            verdict.print(&mut printed).unwrap();
            (verdict, String::from_utf8(printed).unwrap())
        }

        #[test]
        fn tests_that_need_no_server_do_not_even_look_for_docker() {
            let fakes = Fakes::new();
            fakes.program("cargo", GOOD);

            let (verdict, printed) = judged(&fakes, &["loadgen"]);

            assert!(verdict.is_green(), "{printed}");
            assert_eq!(
                fakes.calls(),
                ["cargo test --no-fail-fast --package loadgen"]
            );
        }

        #[test]
        fn tests_that_need_servers_come_after_them() {
            let fakes = Fakes::new();
            fakes.program("docker", DOCKER);
            fakes.file("running", "");
            fakes.file("images", "");
            fakes.program("cargo", &format!("[ $1 != test ] || {{ {GOOD}; }}"));

            let (verdict, printed) = judged(&fakes, &["ch03-cache"]);

            assert!(verdict.is_green(), "{printed}");
            let calls = fakes.calls();
            let cargo: Vec<&str> = calls
                .iter()
                .filter_map(|call| call.strip_prefix("cargo "))
                .collect();
            assert_eq!(
                cargo,
                [
                    "run --package testbed -- up",
                    "test --no-fail-fast --package ch03-cache"
                ]
            );
        }

        #[test]
        fn an_exercise_that_is_not_proved_is_a_failure() {
            let fakes = Fakes::new();
            fakes.program("docker", DOCKER);
            fakes.file("running", "");
            fakes.file("images", "");
            fakes.program("cargo", &format!("[ $1 != test ] || {{ {GOOD}; }}"));
            fakes.file(
                "exercises/01_clones/01_round_robin/exercise.toml",
                "id = \"robin\"",
            );

            let (verdict, printed) = judged(&fakes, &[]);

            assert!(!verdict.is_green());
            assert!(printed.contains("round_robin   files ✗"), "{printed}");
            assert!(printed.ends_with("\n1 passed, 1 failed\n"), "{printed}");
        }

        #[test]
        fn without_docker_no_test_runs_and_the_last_line_says_so() {
            let fakes = Fakes::new();
            fakes.program("cargo", GOOD);

            let (verdict, printed) = judged(&fakes, &[]);

            assert!(!verdict.is_green());
            assert!(
                printed.contains("Docker is not installed here"),
                "{printed}"
            );
            assert!(printed.ends_with("\n0 passed, 1 failed\n"), "{printed}");
            assert!(
                fakes.calls().is_empty(),
                "nothing is built before that is known"
            );
        }
    }
}
