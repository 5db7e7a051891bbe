//! `cargo workshop test`: prepares the servers, runs all tests, verifies the exercises, and counts.
//!
//! Without a package, `cargo test` runs the workspace's default members. The exercises do not belong
//! to them, because their tests fail until a learner solves them. `verify` proves them afterwards,
//! and each exercise counts like a test. `cargo test` prints a result per test binary but no total,
//! so the last line here is the total. The servers keep running for the next run.

pub mod summary;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;

use crate::app::{App, exit_code};
use crate::run::cargo;
use crate::run::cargo_test;
use crate::setup::test_servers;
use crate::terminal::colour::ColourSupport;
use crate::verify::command as verify_command;
use summary::TestSummary;

/// The arguments of `cargo workshop test`.
#[derive(Debug, Default, clap::Args)]
pub struct TestOptions {
    /// Tests only this package, such as ch03-cache; may be repeated
    #[arg(short, long = "package", value_name = "PACKAGE")]
    packages: Vec<String>,
    /// Arguments for the test binaries, after `--`: a part of a test's name, --nocapture, …
    #[arg(last = true, value_name = "ARGS")]
    arguments: Vec<OsString>,
}

/// Runs the tests. The exit code is 0 only if there are tests and all of them pass.
pub fn run(options: &TestOptions) -> anyhow::Result<ExitCode> {
    let app = App::detect();
    let summary = run_tests(options, &app, &mut io::stdout(), &mut io::stderr())?;
    summary.print(&mut io::stdout())?;
    Ok(exit_code(summary.is_success()))
}

fn run_tests(
    options: &TestOptions,
    app: &App,
    output: &mut impl Write,
    messages: &mut impl Write,
) -> anyhow::Result<TestSummary> {
    let machine = &app.machine;
    if test_servers::need_servers(&options.packages)
        && let Err(error) = test_servers::start_servers(machine, messages)
    {
        return Ok(TestSummary::not_started(format!("{error:#}")));
    }
    let mut command = cargo::cargo_command(machine);
    command
        // In a package's folder, cargo would test only this package.
        .current_dir(app.repository.root())
        .args(cargo_arguments(options, machine.colour));
    let mut summary = match cargo_test::run(&mut command, output) {
        Ok(result) => TestSummary::new(&result),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            return Err(error).context("the output is closed, so the tests were stopped");
        }
        Err(error) => {
            return Ok(TestSummary::not_started(format!(
                "cannot run {}: {error}. Is Rust installed and on the PATH? See https://rustup.rs",
                machine.cargo.display()
            )));
        }
    };
    if options.include_exercises() {
        writeln!(
            output,
            "\nThe exercises: each stub has to fail, each solution to pass, and each wrong answer \
             to be rejected\n"
        )?;
        match verify_command::verify_all(app, output, messages) {
            Ok(counts) => summary.add_exercises(counts),
            Err(error) => {
                summary.add_failure(format!("The exercises could not be verified: {error:#}"));
            }
        }
    }
    Ok(summary)
}

impl TestOptions {
    /// Whether the options select neither a package nor a test.
    fn include_exercises(&self) -> bool {
        let is_name = |argument: &OsString| !argument.to_string_lossy().starts_with('-');
        self.packages.is_empty() && !self.arguments.iter().any(is_name)
    }
}

fn cargo_arguments(options: &TestOptions, colour: ColourSupport) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["test".into(), "--no-fail-fast".into()];
    for package in &options.packages {
        arguments.extend(["--package".into(), package.into()]);
    }
    if colour.stdout && colour.stderr {
        arguments.extend(["--color".into(), "always".into()]);
    }

    let mut test_arguments = options.arguments.clone();
    let has_colour = test_arguments
        .iter()
        .any(|argument| argument.to_string_lossy().starts_with("--color"));
    // A test binary rejects a second `--color`.
    if colour.stdout && !has_colour {
        test_arguments.extend(["--color".into(), "always".into()]);
    }
    if !test_arguments.is_empty() {
        arguments.push("--".into());
        arguments.extend(test_arguments);
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: ColourSupport = ColourSupport {
        stdout: false,
        stderr: false,
    };
    const COLOURED: ColourSupport = ColourSupport {
        stdout: true,
        stderr: true,
    };

    #[test]
    fn default_members_exclude_the_exercises() {
        let arguments = cargo_arguments(&TestOptions::default(), PLAIN);
        assert_eq!(arguments, ["test", "--no-fail-fast"]);
    }

    #[test]
    fn filtered_runs_skip_the_exercises() {
        let options = |packages: &[&str], arguments: &[&str]| TestOptions {
            packages: packages
                .iter()
                .map(|package| (*package).to_owned())
                .collect(),
            arguments: arguments.iter().map(Into::into).collect(),
        };
        assert!(options(&[], &[]).include_exercises());
        assert!(options(&[], &["--nocapture"]).include_exercises());
        assert!(!options(&[], &["shard"]).include_exercises());
        assert!(!options(&["ch03-cache"], &[]).include_exercises());
    }

    #[test]
    fn packages_and_arguments_are_passed_to_cargo() {
        let options = TestOptions {
            packages: vec!["ch01-clones".into(), "ch02-database".into()],
            arguments: vec!["shard".into()],
        };
        assert_eq!(
            cargo_arguments(&options, COLOURED).join(" ".as_ref()),
            "test --no-fail-fast --package ch01-clones --package ch02-database --color always -- shard --color always"
        );
    }

    #[test]
    fn color_argument_of_the_learner_wins() {
        let options = TestOptions {
            packages: vec![],
            arguments: vec!["--color=never".into()],
        };
        let arguments = cargo_arguments(&options, COLOURED);
        assert_eq!(arguments.last().unwrap(), "--color=never");
    }

    #[cfg(unix)]
    mod with_fake_machine {
        use super::*;
        use crate::exercises::repository::Repository;
        use crate::run::machine::fake::{DOCKER_SCRIPT, FakeMachine};

        const PASSED_RUN: &str = "echo 'running 1 test'; \
            echo 'test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s'";

        fn run_with(fake: &FakeMachine, packages: &[&str]) -> (TestSummary, String) {
            let options = TestOptions {
                packages: packages.iter().map(|name| (*name).to_owned()).collect(),
                arguments: vec![],
            };
            let machine = fake.machine();
            let root = machine.path_of("");
            let app = App {
                machine,
                repository: Repository::new(&root),
                current_dir: root.clone(),
                target_dir: root,
            };
            let mut printed = Vec::new();
            let summary = run_tests(&options, &app, &mut printed, &mut Vec::new()).unwrap();
            summary.print(&mut printed).unwrap();
            (summary, String::from_utf8(printed).unwrap())
        }

        #[test]
        fn tests_without_servers_ignore_docker() {
            let fake = FakeMachine::new();
            fake.program("cargo", PASSED_RUN);

            let (summary, printed) = run_with(&fake, &["loadgen"]);

            assert!(summary.is_success(), "{printed}");
            assert_eq!(
                fake.calls(),
                ["cargo test --no-fail-fast --package loadgen"]
            );
        }

        #[test]
        fn servers_start_before_the_tests() {
            let fake = FakeMachine::new();
            fake.program("docker", DOCKER_SCRIPT);
            fake.file("running", "");
            fake.file("images", "");
            fake.program("cargo", &format!("[ $1 != test ] || {{ {PASSED_RUN}; }}"));

            let (summary, printed) = run_with(&fake, &["ch03-cache"]);

            assert!(summary.is_success(), "{printed}");
            let calls = fake.calls();
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
        fn unproved_exercise_is_a_failure() {
            let fake = FakeMachine::new();
            fake.program("docker", DOCKER_SCRIPT);
            fake.file("running", "");
            fake.file("images", "");
            fake.program("cargo", &format!("[ $1 != test ] || {{ {PASSED_RUN}; }}"));
            fake.file(
                "exercises/01_clones/01_round_robin/exercise.toml",
                "id = \"robin\"",
            );

            let (summary, printed) = run_with(&fake, &[]);

            assert!(!summary.is_success());
            assert!(printed.contains("round_robin   files ✗"), "{printed}");
            assert!(printed.ends_with("\n1 passed, 1 failed\n"), "{printed}");
        }

        #[test]
        fn without_docker_no_test_runs() {
            let fake = FakeMachine::new();
            fake.program("cargo", PASSED_RUN);

            let (summary, printed) = run_with(&fake, &[]);

            assert!(!summary.is_success());
            assert!(
                printed.contains("Docker is not installed here"),
                "{printed}"
            );
            assert!(printed.ends_with("\n0 passed, 1 failed\n"), "{printed}");
            assert!(
                fake.calls().is_empty(),
                "cargo ran before the check for Docker"
            );
        }
    }
}
