//! `cargo workshop up`, `down` and `images`: manage the shared servers by hand.
//!
//! The testbed's program does the work (`tools/testbed/src/main.rs`). These commands check Docker
//! first, because that takes a second, and building the testbed takes a minute.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;

use super::docker::DockerStatus;
use crate::run::cargo;
use crate::run::machine::Machine;

/// The arguments of `cargo workshop images`.
#[derive(Debug, Default, clap::Args)]
pub struct ImagesOptions {
    /// Saves the images to one file, for machines without a network
    #[arg(long, value_name = "FILE", conflicts_with = "load")]
    save: Option<PathBuf>,
    /// Loads the images from such a file
    #[arg(long, value_name = "FILE")]
    load: Option<PathBuf>,
}

/// Starts the shared servers.
pub fn up() -> anyhow::Result<ExitCode> {
    run_testbed(&Machine::detect(), &["up"])
}

/// Removes all containers of the workshop.
pub fn down() -> anyhow::Result<ExitCode> {
    remove_containers(&Machine::detect(), &mut io::stdout())
}

/// Gets, saves or loads the images.
pub fn images(options: &ImagesOptions) -> anyhow::Result<ExitCode> {
    run_testbed(&Machine::detect(), &images_arguments(options))
}

fn images_arguments(options: &ImagesOptions) -> Vec<OsString> {
    let mut arguments = vec!["images".into()];
    for (flag, file) in [("--save", &options.save), ("--load", &options.load)] {
        if let Some(file) = file {
            arguments.extend([flag.into(), file.into()]);
        }
    }
    arguments
}

fn remove_containers(machine: &Machine, output: &mut impl Write) -> anyhow::Result<ExitCode> {
    match DockerStatus::check(machine) {
        DockerStatus::NotInstalled => {
            writeln!(
                output,
                "Docker is not installed here, so there is nothing to remove"
            )?;
            Ok(ExitCode::SUCCESS)
        }
        // Stopped containers use disk space and start again with the engine.
        DockerStatus::NotRunning => bail!(
            "Docker's engine does not run, so stopped containers cannot be removed. Start it, and \
             run `cargo workshop down` again"
        ),
        _ => run_testbed(machine, &["down"]),
    }
}

/// Runs the testbed's program and returns its exit code.
fn run_testbed<A: AsRef<OsStr>>(machine: &Machine, arguments: &[A]) -> anyhow::Result<ExitCode> {
    if let Some(problem) = DockerStatus::check(machine).problem() {
        bail!(problem);
    }
    cargo::run_helper(machine, &cargo::TESTBED, arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn save_and_load_are_passed_to_the_testbed() {
        assert_eq!(images_arguments(&ImagesOptions::default()), ["images"]);
        let load = ImagesOptions {
            load: Some("a file.tar".into()),
            save: None,
        };
        assert_eq!(images_arguments(&load), ["images", "--load", "a file.tar"]);
        let save = ImagesOptions {
            save: Some("x.tar".into()),
            load: None,
        };
        assert_eq!(images_arguments(&save), ["images", "--save", "x.tar"]);
    }

    #[cfg(unix)]
    mod with_fake_machine {
        use super::*;
        use crate::run::machine::fake::{DOCKER_SCRIPT, FakeMachine};
        use crate::setup::printed;

        fn with_docker() -> FakeMachine {
            let fake = FakeMachine::new();
            fake.program("docker", DOCKER_SCRIPT);
            fake.file("running", "");
            fake
        }

        fn cargo_calls(fake: &FakeMachine) -> Vec<String> {
            let calls = fake.calls().into_iter();
            calls.filter(|call| call.starts_with("cargo")).collect()
        }

        #[test]
        fn exit_code_of_the_testbed_is_returned() {
            let fake = with_docker();
            fake.program("cargo", "exit 3");

            let code = run_testbed(&fake.machine(), &["up"]).unwrap();

            assert_eq!(code, ExitCode::from(3));
            assert_eq!(cargo_calls(&fake), ["cargo run --package testbed -- up"]);
        }

        #[test]
        fn killed_testbed_is_a_failure() {
            let fake = with_docker();
            fake.program("cargo", "kill -9 $$");

            assert_eq!(
                run_testbed(&fake.machine(), &["up"]).unwrap(),
                ExitCode::from(1)
            );
        }

        #[test]
        fn without_running_docker_nothing_is_built() {
            let fake = FakeMachine::new();
            fake.program("cargo", "");
            let up = printed(|_| run_testbed(&fake.machine(), &["up"]));
            assert!(up.unwrap_err().starts_with("Docker is not installed"));
            let down = || printed(|output| remove_containers(&fake.machine(), output));
            assert!(down().unwrap().contains("there is nothing to remove"));
            let code = remove_containers(&fake.machine(), &mut Vec::new()).unwrap();
            assert_eq!(code, ExitCode::SUCCESS);

            fake.program("docker", DOCKER_SCRIPT);
            let error = down().unwrap_err();
            assert!(error.contains("run `cargo workshop down` again"), "{error}");
            assert!(
                cargo_calls(&fake).is_empty(),
                "the testbed was built for nothing"
            );
        }

        #[test]
        fn down_runs_the_testbed() {
            let fake = with_docker();
            fake.program("cargo", "");

            let code = remove_containers(&fake.machine(), &mut Vec::new()).unwrap();

            assert_eq!(code, ExitCode::SUCCESS);
            assert_eq!(cargo_calls(&fake), ["cargo run --package testbed -- down"]);
        }
    }
}
