//! What has to be there before tests can run: [`needs_servers`] tells whose tests need it, [`servers`] sees to it, and [`images()`] to the
//! least of it, for somebody who is waiting.
//!
//! Docker, then the images, then the shared servers; each is looked for first, so the next run does nothing but look. Left out:
//! the servers that a test starts for itself, and everything that cargo gets.

use std::io::Write;
use std::process::Stdio;

use anyhow::bail;

use crate::cargo;
use crate::docker::Docker;
use crate::images;
use crate::machine::Machine;
use crate::repair::{self, Part};

/// The packages whose tests need no server. Any other counts as one that does.
const WITHOUT_SERVERS: [&str; 3] = ["book", "loadgen", "workshop"];

/// Whether the tests of these packages need servers; of all packages, if none is named.
pub fn needs_servers(packages: &[String]) -> bool {
    packages.is_empty()
        || packages
            .iter()
            .any(|package| !WITHOUT_SERVERS.contains(&package.as_str()))
}

/// Brings the shared servers up, and whatever that takes. Says on `output` what is done; if all is there, one line.
pub fn servers(machine: &Machine, output: &mut impl Write) -> anyhow::Result<()> {
    let mut docker = Docker::look(machine);
    if matches!(docker, Docker::Missing | Docker::NotRunning) && repair::is_possible(machine) {
        repair::repair(machine, &[Part::Docker], output)?;
        docker = Docker::look(machine);
    }
    if let Some(sentence) = docker.trouble() {
        bail!(sentence);
    }
    if images::present(machine) != Some(images::ALL) {
        testbed(machine, "images", output)?;
    }
    let said = testbed(machine, "up", output)?;
    // The others say where the servers listen, which the tests ask for themselves.
    let summary = said.lines().last().unwrap_or_default();
    writeln!(output, "servers: {summary}")?;
    Ok(())
}

/// Looks whether servers can be started, and gets their images where one is missing. Where all is there, it says nothing and takes a
/// moment: the tests themselves start what does not run yet.
pub fn images(machine: &Machine, output: &mut impl Write) -> anyhow::Result<()> {
    if let Some(sentence) = Docker::look(machine).trouble() {
        bail!(sentence);
    }
    if images::present(machine) != Some(images::ALL) {
        testbed(machine, "images", output)?;
    }
    Ok(())
}

/// What the testbed's program answers to this.
fn testbed(machine: &Machine, argument: &str, output: &mut impl Write) -> anyhow::Result<String> {
    let (status, answer) = cargo::program(
        machine,
        &cargo::TESTBED,
        &[argument],
        Stdio::piped(),
        output,
    )?;
    if !status.success() {
        bail!(
            "the servers that these tests need are not there, for `cargo workshop {argument}` fails; it says above why"
        );
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn only_tests_that_need_servers_wait_for_them() {
        assert!(!needs_servers(&packages(&["workshop"])));
        assert!(!needs_servers(&packages(&["workshop", "loadgen"])));
        assert!(needs_servers(&packages(&["loadgen", "ch03-cache"])));
        assert!(needs_servers(&packages(&["testbed"])));
        assert!(needs_servers(&[]), "that is the whole workspace");
    }

    #[cfg(unix)]
    mod with_programs {
        use super::*;
        use crate::fakes::{DOCKER, Fakes};

        fn prepared(fakes: &Fakes) -> Result<String, String> {
            let mut output = Vec::new();
            let result = servers(&fakes.machine(), &mut output);
            let output = String::from_utf8(output).unwrap();
            result
                .map(|()| output)
                .map_err(|error| format!("{error:#}"))
        }

        /// A machine with a testbed that gets images and starts servers.
        fn with_testbed() -> Fakes {
            let fakes = Fakes::new();
            fakes.program("docker", DOCKER);
            let script = "
                case \"$*\" in
                *images) : > images; echo redis:8.0;;
                *up) echo '127.0.0.1:1  workshop-redis'; echo 'ready after 0.1 s';;
                esac";
            fakes.program("cargo", script);
            fakes
        }

        fn runs_of_the_testbed(fakes: &Fakes) -> Vec<String> {
            let calls = fakes.calls();
            let runs = calls
                .iter()
                .filter_map(|call| call.strip_prefix("cargo run "));
            runs.map(|run| run.rsplit(' ').next().unwrap_or_default().to_owned())
                .collect()
        }

        #[test]
        fn the_first_time_images_are_got_and_then_never_again() {
            let fakes = with_testbed();
            fakes.file("running", "");

            assert_eq!(prepared(&fakes).unwrap(), "servers: ready after 0.1 s\n");
            assert_eq!(runs_of_the_testbed(&fakes), ["images", "up"]);

            assert_eq!(prepared(&fakes).unwrap(), "servers: ready after 0.1 s\n");
            assert_eq!(runs_of_the_testbed(&fakes), ["up"]);
        }

        #[test]
        fn where_all_is_there_a_learner_does_not_wait_for_the_testbed() {
            let fakes = with_testbed();
            fakes.file("running", "");

            images(&fakes.machine(), &mut Vec::new()).unwrap();
            assert_eq!(runs_of_the_testbed(&fakes), ["images"]);

            images(&fakes.machine(), &mut Vec::new()).unwrap();
            assert!(runs_of_the_testbed(&fakes).is_empty());
        }

        #[test]
        fn on_debian_as_root_a_stopped_engine_is_started_once() {
            let fakes = with_testbed();
            fakes.debian();
            fakes.program("dockerd", ": > running");

            let output = prepared(&fakes).unwrap();
            assert!(output.starts_with("$ dockerd"), "{output}");

            let output = prepared(&fakes).unwrap();
            assert_eq!(
                output, "servers: ready after 0.1 s\n",
                "the second time it runs"
            );
        }

        #[test]
        fn elsewhere_it_is_told_and_nothing_is_built() {
            let fakes = with_testbed();

            let error = prepared(&fakes).unwrap_err();

            assert!(
                error.starts_with("Docker is installed, but its engine does not run."),
                "{error}"
            );
            assert!(!fakes.calls().iter().any(|call| call.starts_with("cargo")));
        }

        #[test]
        fn servers_that_do_not_start_are_an_error() {
            let fakes = with_testbed();
            fakes.file("running", "");
            fakes.file("images", "");
            fakes.program("cargo", "exit 1");

            let error = prepared(&fakes).unwrap_err();

            assert!(
                error.contains("`cargo workshop up` fails; it says above why"),
                "{error}"
            );
        }
    }
}
