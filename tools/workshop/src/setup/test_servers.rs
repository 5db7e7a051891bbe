//! Prepares the servers for a run of tests: Docker, then the images, then the shared servers.
//!
//! Each step first checks whether it is done already. A test that needs a server of its own starts
//! it itself.

use std::io::Write;
use std::process::Stdio;

use anyhow::bail;

use super::docker::DockerStatus;
use super::images;
use super::install::{self, Component};
use crate::run::cargo;
use crate::run::machine::Machine;

/// The packages whose tests need no server. Unknown packages count as needing servers.
const PACKAGES_WITHOUT_SERVERS: [&str; 3] = ["book", "loadgen", "workshop"];

/// Whether the tests of these packages need servers. No package means all packages.
pub fn need_servers(packages: &[String]) -> bool {
    let needs_servers = |package: &String| !PACKAGES_WITHOUT_SERVERS.contains(&package.as_str());
    packages.is_empty() || packages.iter().any(needs_servers)
}

/// Starts the shared servers, and installs and gets what they need. Writes each step to `output`,
/// or one line if everything runs already.
pub fn start_servers(machine: &Machine, output: &mut impl Write) -> anyhow::Result<()> {
    let docker = DockerStatus::check(machine);
    if matches!(
        docker,
        DockerStatus::NotInstalled | DockerStatus::NotRunning
    ) && install::is_possible(machine)
    {
        install::install_missing(machine, &[Component::Docker], output)?;
    }
    get_images(machine, output)?;
    let addresses = run_testbed(machine, "up", output)?;
    // The other lines are the servers' addresses, which the tests find themselves.
    let summary = addresses.lines().last().unwrap_or_default();
    writeln!(output, "servers: {summary}")?;
    Ok(())
}

/// Checks Docker and gets missing images. The tests start the servers themselves.
pub fn get_images(machine: &Machine, output: &mut impl Write) -> anyhow::Result<()> {
    if let Some(problem) = DockerStatus::check(machine).problem() {
        bail!(problem);
    }
    if !images::are_all_present(machine) {
        run_testbed(machine, "images", output)?;
    }
    Ok(())
}

/// Runs the testbed's program and returns its standard output.
fn run_testbed(
    machine: &Machine,
    argument: &str,
    output: &mut impl Write,
) -> anyhow::Result<String> {
    let (helper, stdout) = (&cargo::TESTBED, Stdio::piped());
    let (status, stdout) = cargo::run_helper_with(machine, helper, &[argument], stdout, output)?;
    if !status.success() {
        bail!(
            "cannot start the servers that these tests need: `cargo workshop {argument}` failed. \
             The reason is above"
        );
    }
    Ok(stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn some_packages_need_no_servers() {
        assert!(!need_servers(&packages(&["workshop"])));
        assert!(!need_servers(&packages(&["workshop", "loadgen"])));
        assert!(need_servers(&packages(&["loadgen", "ch03-cache"])));
        assert!(need_servers(&packages(&["testbed"])));
        assert!(need_servers(&[]), "no package means the whole workspace");
    }

    #[cfg(unix)]
    mod with_fake_machine {
        use super::*;
        use crate::run::machine::fake::{DOCKER_SCRIPT, FakeMachine};
        use crate::setup::printed;

        fn start(fake: &FakeMachine) -> Result<String, String> {
            printed(|output| start_servers(&fake.machine(), output))
        }

        /// A machine with a testbed that gets images and starts servers.
        fn with_testbed() -> FakeMachine {
            let fake = FakeMachine::new();
            fake.program("docker", DOCKER_SCRIPT);
            let script = "
                case \"$*\" in
                *images) : > images; echo redis:8.0;;
                *up) echo '127.0.0.1:1  workshop-redis'; echo 'ready after 0.1 s';;
                esac";
            fake.program("cargo", script);
            fake
        }

        fn testbed_runs(fake: &FakeMachine) -> Vec<String> {
            let calls = fake.calls();
            let runs = calls
                .iter()
                .filter_map(|call| call.strip_prefix("cargo run "));
            runs.map(|run| run.rsplit(' ').next().unwrap_or_default().to_owned())
                .collect()
        }

        #[test]
        fn images_are_fetched_only_once() {
            let fake = with_testbed();
            fake.file("running", "");

            assert_eq!(start(&fake).unwrap(), "servers: ready after 0.1 s\n");
            assert_eq!(testbed_runs(&fake), ["images", "up"]);

            assert_eq!(start(&fake).unwrap(), "servers: ready after 0.1 s\n");
            assert_eq!(testbed_runs(&fake), ["up"]);
        }

        #[test]
        fn testbed_does_not_run_with_all_images() {
            let fake = with_testbed();
            fake.file("running", "");

            get_images(&fake.machine(), &mut Vec::new()).unwrap();
            assert_eq!(testbed_runs(&fake), ["images"]);

            get_images(&fake.machine(), &mut Vec::new()).unwrap();
            assert!(testbed_runs(&fake).is_empty());
        }

        #[test]
        fn stopped_engine_is_started_on_debian() {
            let fake = with_testbed();
            fake.debian();
            fake.program("dockerd", ": > running");

            let output = start(&fake).unwrap();
            assert!(output.starts_with("$ dockerd"), "{output}");

            let output = start(&fake).unwrap();
            assert_eq!(
                output, "servers: ready after 0.1 s\n",
                "the engine was started twice"
            );
        }

        #[test]
        fn stopped_engine_elsewhere_is_an_error() {
            let fake = with_testbed();

            let error = start(&fake).unwrap_err();

            assert!(
                error.starts_with("Docker is installed, but its engine does not run."),
                "{error}"
            );
            assert!(!fake.calls().iter().any(|call| call.starts_with("cargo")));
        }

        #[test]
        fn failed_server_start_is_an_error() {
            let fake = with_testbed();
            fake.file("running", "");
            fake.file("images", "");
            fake.program("cargo", "exit 1");

            let error = start(&fake).unwrap_err();

            assert!(error.contains("`cargo workshop up` failed"), "{error}");
        }
    }
}
