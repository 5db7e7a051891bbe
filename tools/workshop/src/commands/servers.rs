//! `cargo workshop up`, `down` and `images`: the real servers, by hand.
//!
//! The testbed's own program does the work (`tools/testbed/src/main.rs`). Here is only looked after Docker before, for it takes a second
//! to say that there is none, and a minute to build the testbed. Ctrl-C reaches the program by itself.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};

use anyhow::bail;

use crate::cargo;
use crate::docker::Docker;
use crate::machine::Machine;

/// The command line of `cargo workshop images`.
#[derive(Debug, Default, clap::Args)]
pub struct Images {
    /// Write them into one file, for machines without a network
    #[arg(long, value_name = "FILE", conflicts_with = "load")]
    save: Option<PathBuf>,
    /// Load them from such a file
    #[arg(long, value_name = "FILE")]
    load: Option<PathBuf>,
}

/// Starts the shared servers.
pub fn up() -> anyhow::Result<ExitCode> {
    run(&Machine::here(), &["up"])
}

/// Removes all servers.
pub fn down() -> anyhow::Result<ExitCode> {
    remove(&Machine::here(), &mut io::stdout())
}

/// Gets, saves or loads the images.
pub fn images(options: &Images) -> anyhow::Result<ExitCode> {
    run(&Machine::here(), &images_arguments(options))
}

fn images_arguments(options: &Images) -> Vec<OsString> {
    let mut arguments = vec!["images".into()];
    for (flag, file) in [("--save", &options.save), ("--load", &options.load)] {
        if let Some(file) = file {
            arguments.extend([flag.into(), file.into()]);
        }
    }
    arguments
}

fn remove(machine: &Machine, output: &mut impl Write) -> anyhow::Result<ExitCode> {
    match Docker::look(machine) {
        Docker::Missing => {
            writeln!(
                output,
                "there was nothing to remove, for Docker is not installed here"
            )?;
            Ok(ExitCode::SUCCESS)
        }
        // Stopped containers lie on the disk and come back with the engine, so this is no success.
        Docker::NotRunning => bail!(
            "Docker's engine does not run, and so none of the servers does. What they have left on the disk can be removed when it runs: \
             start it, and run `cargo workshop down` again"
        ),
        _ => run(machine, &["down"]),
    }
}

/// Runs the testbed's program and passes its exit code on.
fn run<A: AsRef<OsStr>>(machine: &Machine, arguments: &[A]) -> anyhow::Result<ExitCode> {
    if let Some(sentence) = Docker::look(machine).trouble() {
        bail!(sentence);
    }
    let (status, _) = cargo::program(
        machine,
        &cargo::TESTBED,
        arguments,
        Stdio::inherit(),
        &mut io::stderr(),
    )?;
    // A signal has no code, and is no success.
    let code = status
        .code()
        .map_or(1, |code| u8::try_from(code).unwrap_or(1));
    Ok(ExitCode::from(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_goes_to_the_testbed_with_its_flag() {
        assert_eq!(images_arguments(&Images::default()), ["images"]);
        let load = Images {
            load: Some("a file.tar".into()),
            save: None,
        };
        assert_eq!(images_arguments(&load), ["images", "--load", "a file.tar"]);
        let save = Images {
            save: Some("x.tar".into()),
            load: None,
        };
        assert_eq!(images_arguments(&save), ["images", "--save", "x.tar"]);
    }

    #[cfg(unix)]
    mod with_programs {
        use super::*;
        use crate::fakes::{DOCKER, Fakes};

        fn with_docker() -> Fakes {
            let fakes = Fakes::new();
            fakes.program("docker", DOCKER);
            fakes.file("running", "");
            fakes
        }

        fn of_cargo(fakes: &Fakes) -> Vec<String> {
            let calls = fakes.calls().into_iter();
            calls.filter(|call| call.starts_with("cargo")).collect()
        }

        #[test]
        fn the_testbed_is_run_and_its_exit_code_passed_on() {
            let fakes = with_docker();
            fakes.program("cargo", "exit 3");

            let code = run(&fakes.machine(), &["up"]).unwrap();

            assert_eq!(code, ExitCode::from(3));
            assert_eq!(of_cargo(&fakes), ["cargo run --package testbed -- up"]);
        }

        #[test]
        fn a_testbed_that_was_killed_is_no_success() {
            let fakes = with_docker();
            fakes.program("cargo", "kill -9 $$");

            assert_eq!(run(&fakes.machine(), &["up"]).unwrap(), ExitCode::from(1));
        }

        #[test]
        fn without_docker_nothing_is_built() {
            let fakes = Fakes::new();
            fakes.program("cargo", "");

            let error = run(&fakes.machine(), &["up"]).unwrap_err().to_string();

            assert!(error.starts_with("Docker is not installed here"), "{error}");
            assert!(
                of_cargo(&fakes).is_empty(),
                "a minute of building for nothing"
            );
        }

        #[test]
        fn where_docker_was_never_installed_there_is_nothing_to_remove() {
            let fakes = Fakes::new();
            fakes.program("cargo", "");
            let mut output = Vec::new();

            let code = remove(&fakes.machine(), &mut output).unwrap();

            assert_eq!(code, ExitCode::SUCCESS);
            assert!(
                String::from_utf8(output)
                    .unwrap()
                    .starts_with("there was nothing to remove")
            );
            assert!(of_cargo(&fakes).is_empty());
        }

        #[test]
        fn nothing_can_be_removed_while_the_engine_is_stopped() {
            let fakes = with_docker();
            fakes.remove("running");
            fakes.program("cargo", "");

            let error = remove(&fakes.machine(), &mut Vec::new())
                .unwrap_err()
                .to_string();

            assert!(error.contains("run `cargo workshop down` again"), "{error}");
            assert!(of_cargo(&fakes).is_empty());
        }

        #[test]
        fn with_docker_the_testbed_removes_them() {
            let fakes = with_docker();
            fakes.program("cargo", "");

            let code = remove(&fakes.machine(), &mut Vec::new()).unwrap();

            assert_eq!(code, ExitCode::SUCCESS);
            assert_eq!(of_cargo(&fakes), ["cargo run --package testbed -- down"]);
        }
    }
}
