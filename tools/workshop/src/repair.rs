//! Installs and starts what is missing, on Debian and Ubuntu as root: [`repair`].
//!
//! Each step is printed before it is taken, as a command that one could type. What is there already is left alone, so a second time
//! there is no step at all. Left out: `sudo`, which is never tried; other systems, whose learners are told what to type
//! ([`crate::advice`]).

use std::io::Write;

use anyhow::bail;

use crate::docker::Docker;
use crate::engine;
use crate::machine::Machine;
use crate::step::step;
use crate::system::System;

/// What a learner needs and can be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Docker, with an engine that runs.
    Docker,
    /// A C compiler.
    Compiler,
    /// For the tours.
    Curl,
}

/// Whether [`repair`] can be tried here.
pub fn is_possible(machine: &Machine) -> bool {
    machine.system() == System::Debian && machine.has("apt-get") && machine.is_root()
}

/// Brings the parts about that are not there.
pub fn repair(machine: &Machine, parts: &[Part], output: &mut impl Write) -> anyhow::Result<()> {
    let docker = Docker::look(machine);
    let missing: Vec<&str> = parts
        .iter()
        .filter_map(|part| match part {
            // A client alone says the same as an installed engine that does not run.
            Part::Docker if docker == Docker::Missing => Some("docker.io"),
            Part::Docker if docker == Docker::NotRunning && is_without_engine(machine) => {
                Some("docker.io")
            }
            Part::Compiler if !machine.has("cc") => Some("build-essential"),
            Part::Curl if !machine.has("curl") => Some("curl"),
            _ => None,
        })
        .collect();
    if !missing.is_empty() {
        install(machine, &missing, output)?;
    }
    if parts.contains(&Part::Docker) {
        if missing.contains(&"docker.io") && !machine.has("docker") {
            // Since Debian 13 the command is a package of its own.
            install(machine, &["docker-cli"], output)?;
        }
        // Where systemd runs, the package starts it.
        if Docker::look(machine) == Docker::NotRunning {
            engine::start(machine, output)?;
        }
    }
    Ok(())
}

/// An engine elsewhere needs none here.
fn is_without_engine(machine: &Machine) -> bool {
    machine.docker_host.is_none() && !machine.has("dockerd")
}

fn install(machine: &Machine, packages: &[&str], output: &mut impl Write) -> anyhow::Result<()> {
    // Lists that could not be renewed are often good enough, so what comes of them decides.
    let update = step(machine, "apt-get", &["-qq", "update"], output)?;
    // Another apt may be at work, as on a fresh Ubuntu.
    let mut arguments = vec!["-qq", "-y", "-o", "DPkg::Lock::Timeout=300", "install"];
    arguments.extend(packages);
    let install = step(machine, "apt-get", &arguments, output)?;
    if install.success {
        return Ok(());
    }
    let mut reasons = vec![install.words()];
    if !update.words().is_empty() {
        reasons.push(update.words());
    }
    bail!(
        "apt-get could not install {} ({}). Make sure of a network and of mirrors in /etc/apt that answer, and run `cargo workshop \
         doctor --fix` again",
        packages.join(" "),
        reasons.join("; ")
    );
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::fakes::{DOCKER, Fakes};

    const ALL: [Part; 3] = [Part::Docker, Part::Compiler, Part::Curl];

    fn repaired(fakes: &Fakes) -> Result<String, String> {
        let mut output = Vec::new();
        let result = repair(&fakes.machine(), &ALL, &mut output);
        let output = String::from_utf8(output).unwrap();
        result
            .map(|()| output)
            .map_err(|error| format!("{error:#}"))
    }

    /// A Debian whose apt-get brings programs along: each is a file in the folder, which it copies.
    fn debian() -> Fakes {
        let fakes = Fakes::new();
        fakes.debian();
        let copy = "for package in \"$@\"; do [ ! -d packages/$package ] || /bin/cp packages/$package/* bin/; done";
        fakes.program("apt-get", copy);
        fakes.package("docker.io", "docker", DOCKER);
        fakes.package("docker.io", "dockerd", ": > running");
        fakes.package("build-essential", "cc", "");
        fakes.package("curl", "curl", "");
        fakes
    }

    #[test]
    fn a_bare_debian_gets_everything_and_a_second_time_nothing() {
        let fakes = debian();

        let output = repaired(&fakes).unwrap();

        let steps: Vec<&str> = output.lines().collect();
        let [update, install, dockerd] = steps[..] else {
            panic!("three steps, not these: {output}");
        };
        assert_eq!(update, "$ apt-get -qq update");
        assert!(
            install.ends_with("install docker.io build-essential curl"),
            "{install}"
        );
        assert!(dockerd.starts_with("$ dockerd"), "{dockerd}");

        assert_eq!(
            repaired(&fakes).unwrap(),
            "",
            "the second time there is nothing to do"
        );
    }

    #[test]
    fn a_stopped_engine_is_started_and_not_installed_again() {
        let fakes = debian();
        repaired(&fakes).unwrap();
        fakes.remove("running");

        let output = repaired(&fakes).unwrap();

        assert!(output.starts_with("$ dockerd"), "{output}");
    }

    #[test]
    fn a_client_without_an_engine_gets_one() {
        let fakes = debian();
        fakes.program("docker", DOCKER);
        fakes.program("cc", "");
        fakes.program("curl", "");

        let output = repaired(&fakes).unwrap();

        assert!(output.contains("install docker.io\n"), "{output}");
    }

    #[test]
    fn the_command_is_installed_where_it_is_a_package_of_its_own() {
        let fakes = debian();
        fakes.remove("packages/docker.io/docker");
        fakes.package("docker-cli", "docker", DOCKER);

        let output = repaired(&fakes).unwrap();

        assert!(output.contains("install docker-cli\n"), "{output}");
    }

    #[test]
    fn without_a_network_the_error_is_apts_and_says_what_to_do() {
        let fakes = debian();
        // As recorded from apt 2.6: the update only warns, and ends with success.
        fakes.program(
            "apt-get",
            "[ $2 = update ] || { echo 'E: Unable to locate package docker.io'; echo 'E: Unable to locate package curl'; exit 100; }
             echo 'W: Failed to fetch http://deb.debian.org/debian/dists/bookworm/InRelease  Could not resolve deb.debian.org' >&2
             echo 'W: Some index files failed to download. They have been ignored, or old ones used instead.' >&2",
        );

        let error = repaired(&fakes).unwrap_err();

        assert!(
            error.contains("could not install docker.io build-essential curl"),
            "{error}"
        );
        assert!(
            error.contains("E: Unable to locate package docker.io; W: Failed to fetch"),
            "{error}"
        );
        assert!(error.contains("a network"), "{error}");
    }

    #[test]
    fn only_what_is_asked_for_is_installed() {
        let fakes = debian();
        let parts = [Part::Docker];
        let mut output = Vec::new();

        repair(&fakes.machine(), &parts, &mut output).unwrap();

        let output = String::from_utf8(output).unwrap();
        assert!(
            output.contains("install docker.io\n"),
            "only what the tests need: {output}"
        );
    }

    #[test]
    fn only_root_on_debian_can_repair() {
        let fakes = Fakes::new();
        fakes.debian();
        assert!(is_possible(&fakes.machine()));

        fakes.program("id", "echo 1000");
        assert!(!is_possible(&fakes.machine()), "that is not root");

        fakes.program("id", "echo 0");
        fakes.file("/etc/os-release", "ID=fedora\n");
        assert!(!is_possible(&fakes.machine()), "that is not Debian");
    }
}
