//! Installs and starts missing components on Debian and Ubuntu as root: [`install_missing`].
//!
//! Each command is printed before it runs. Installed components stay as they are, so a second run
//! does nothing. `sudo` is never used. Learners on other systems get instructions
//! ([`next_step`](super::next_step)).

use std::io::Write;

use anyhow::bail;

use super::docker::DockerStatus;
use super::docker_engine;
use super::logged_command::run_logged;
use super::operating_system::OperatingSystem;
use crate::run::machine::Machine;

/// A component that a learner needs and that can be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// Docker, with a running engine.
    Docker,
    /// A C compiler.
    CCompiler,
    /// curl, for the tours.
    Curl,
}

/// Whether [`install_missing`] works on this machine.
pub fn is_possible(machine: &Machine) -> bool {
    OperatingSystem::detect(machine) == OperatingSystem::Debian
        && machine.has_program("apt-get")
        && machine.is_root()
}

/// Installs the missing ones of these components, and starts Docker's engine.
pub fn install_missing(
    machine: &Machine,
    components: &[Component],
    output: &mut impl Write,
) -> anyhow::Result<()> {
    let docker = DockerStatus::check(machine);
    // A client without an engine reports the same as a stopped engine.
    let is_docker_missing = docker == DockerStatus::NotInstalled
        || docker == DockerStatus::NotRunning && needs_local_engine(machine);
    let packages: Vec<&str> = components
        .iter()
        .filter_map(|component| match component {
            Component::Docker if is_docker_missing => Some("docker.io"),
            Component::CCompiler if !machine.has_program("cc") => Some("build-essential"),
            Component::Curl if !machine.has_program("curl") => Some("curl"),
            _ => None,
        })
        .collect();
    if !packages.is_empty() {
        apt_install(machine, &packages, output)?;
    }
    if components.contains(&Component::Docker) {
        if packages.contains(&"docker.io") && !machine.has_program("docker") {
            // Since Debian 13, the client is a package of its own.
            apt_install(machine, &["docker-cli"], output)?;
        }
        // With systemd, the package starts the engine itself.
        if DockerStatus::check(machine) == DockerStatus::NotRunning {
            docker_engine::start(machine, output)?;
        }
    }
    Ok(())
}

/// A remote engine needs no local one.
fn needs_local_engine(machine: &Machine) -> bool {
    machine.docker_host.is_none() && !machine.has_program("dockerd")
}

fn apt_install(
    machine: &Machine,
    packages: &[&str],
    output: &mut impl Write,
) -> anyhow::Result<()> {
    // A failed update is no error: the old package lists are often good enough.
    let update = run_logged(machine, "apt-get", &["-qq", "update"], output)?;
    // Another apt may be running, as on a fresh Ubuntu.
    let mut arguments = vec!["-qq", "-y", "-o", "DPkg::Lock::Timeout=300", "install"];
    arguments.extend(packages);
    let install = run_logged(machine, "apt-get", &arguments, output)?;
    if install.success {
        return Ok(());
    }
    let mut reasons = vec![install.summary(), update.summary()];
    reasons.retain(|reason| !reason.is_empty());
    bail!(
        "apt-get cannot install {} ({}). Check the network and the mirrors in /etc/apt, and run \
         `cargo workshop doctor --fix` again",
        packages.join(" "),
        reasons.join("; ")
    );
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::run::machine::fake::{DOCKER_SCRIPT, FakeMachine};
    use crate::setup::printed;

    const ALL: [Component; 3] = [Component::Docker, Component::CCompiler, Component::Curl];

    fn run_install(fake: &FakeMachine) -> Result<String, String> {
        printed(|output| install_missing(&fake.machine(), &ALL, output))
    }

    /// A Debian whose apt-get copies the programs of a package to the machine.
    fn debian() -> FakeMachine {
        let fake = FakeMachine::new();
        fake.debian();
        let copy = "for package in \"$@\"; do [ ! -d packages/$package ] || /bin/cp packages/$package/* bin/; done";
        fake.program("apt-get", copy);
        fake.package("docker.io", "docker", DOCKER_SCRIPT);
        fake.package("docker.io", "dockerd", ": > running");
        fake.package("build-essential", "cc", "");
        fake.package("curl", "curl", "");
        fake
    }

    #[test]
    fn bare_debian_gets_everything_once() {
        let fake = debian();

        let output = run_install(&fake).unwrap();

        let steps: Vec<&str> = output.lines().collect();
        let [update, install, dockerd] = steps[..] else {
            panic!("expected three commands: {output}");
        };
        assert_eq!(update, "$ apt-get -qq update");
        assert!(
            install.ends_with("install docker.io build-essential curl"),
            "{install}"
        );
        assert!(dockerd.starts_with("$ dockerd"), "{dockerd}");

        assert_eq!(
            run_install(&fake).unwrap(),
            "",
            "the second run installs something again"
        );
    }

    #[test]
    fn stopped_engine_is_started_not_installed() {
        let fake = debian();
        run_install(&fake).unwrap();
        fake.remove("running");

        let output = run_install(&fake).unwrap();

        assert!(output.starts_with("$ dockerd"), "{output}");
    }

    #[test]
    fn client_without_engine_gets_one() {
        let fake = debian();
        fake.program("docker", DOCKER_SCRIPT);
        fake.program("cc", "");
        fake.program("curl", "");

        let output = run_install(&fake).unwrap();

        assert!(output.contains("install docker.io\n"), "{output}");
    }

    #[test]
    fn separate_client_package_is_installed() {
        let fake = debian();
        fake.remove("packages/docker.io/docker");
        fake.package("docker-cli", "docker", DOCKER_SCRIPT);

        let output = run_install(&fake).unwrap();

        assert!(output.contains("install docker-cli\n"), "{output}");
    }

    #[test]
    fn failed_installation_shows_apts_error() {
        let fake = debian();
        // Recorded from apt 2.6 without a network: the update only warns and succeeds.
        fake.program(
            "apt-get",
            "if [ $2 != update ]; then
               echo 'E: Unable to locate package docker.io'
               echo 'E: Unable to locate package curl'
               exit 100
             fi
             server=deb.debian.org
             echo \"W: Failed to fetch http://$server/dists/InRelease  Could not resolve $server\" >&2
             echo 'W: Some index files failed to download.' >&2",
        );

        let error = run_install(&fake).unwrap_err();

        assert!(
            error.contains("cannot install docker.io build-essential curl"),
            "{error}"
        );
        assert!(
            error.contains("E: Unable to locate package docker.io; W: Failed to fetch"),
            "{error}"
        );
        assert!(error.contains("Check the network"), "{error}");
    }

    #[test]
    fn only_requested_components_are_installed() {
        let fake = debian();
        let docker = [Component::Docker];
        let output = printed(|output| install_missing(&fake.machine(), &docker, output)).unwrap();

        assert!(
            output.contains("install docker.io\n"),
            "more than Docker was installed: {output}"
        );
    }

    #[test]
    fn only_root_on_debian_can_install() {
        let fake = FakeMachine::new();
        fake.debian();
        assert!(is_possible(&fake.machine()));

        fake.program("id", "echo 1000");
        assert!(!is_possible(&fake.machine()), "the user is not root");

        fake.program("id", "echo 0");
        fake.file("/etc/os-release", "ID=fedora\n");
        assert!(!is_possible(&fake.machine()), "the system is not Debian");
    }
}
