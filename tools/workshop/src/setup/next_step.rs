//! What to do next: [`next_step`] is the last sentence of `cargo workshop doctor`.
//!
//! Besides Debian and Fedora, every Linux gets links to manuals.

use super::docker::DockerStatus;
use super::install::{self, Component};
use super::operating_system::OperatingSystem;
use super::requirements::Requirements;
use crate::run::machine::Machine;

/// The last sentence of the report: everything is ready, or what to do. `has_tried_fix` says that
/// `--fix` has just run.
pub fn next_step(requirements: &Requirements, machine: &Machine, has_tried_fix: bool) -> String {
    let missing = requirements.missing_components();
    let is_stopped = requirements.docker == DockerStatus::NotRunning;
    if !requirements.has_rust() {
        return "Next: install a newer Rust with `rustup update`, or see https://rustup.rs."
            .to_owned();
    }
    if !missing.is_empty() || is_stopped {
        let can_fix = install::is_possible(machine);
        if can_fix && !has_tried_fix {
            return "Next: `cargo workshop doctor --fix` installs and starts what is missing."
                .to_owned();
        }
        if !missing.is_empty() {
            let system = OperatingSystem::detect(machine);
            let instructions = install_instructions(system, machine.is_root(), &missing);
            let reason = if has_tried_fix && !can_fix {
                "`--fix` works on Debian and Ubuntu as root. "
            } else {
                ""
            };
            return format!("{reason}Next: {instructions}; then `cargo workshop doctor` again.");
        }
    }
    if let Some(problem) = requirements.docker.problem() {
        return format!("{problem}.");
    }
    if !requirements.has_all_images() {
        return "Everything is ready except the images. The first test that needs one gets it; \
                `cargo workshop images` gets all of them now."
            .to_owned();
    }
    "Everything is ready: `cargo workshop test` runs every test.".to_owned()
}

/// How to install these components by hand, as one sentence without its full stop.
pub fn install_instructions(
    system: OperatingSystem,
    is_root: bool,
    components: &[Component],
) -> String {
    let sudo = if is_root { "" } else { "sudo " };
    let needs_docker = components.contains(&Component::Docker);
    let packages = |name: fn(Component) -> &'static str| {
        let names = components.iter().map(|component| name(*component));
        names.collect::<Vec<_>>().join(" ")
    };
    let command = match system {
        OperatingSystem::Debian => format!(
            "{sudo}apt-get update && {sudo}apt-get install -y {}",
            packages(debian_package)
        ),
        OperatingSystem::Fedora => {
            let start = if needs_docker {
                format!(" && {sudo}systemctl enable --now docker")
            } else {
                String::new()
            };
            format!("{sudo}dnf install -y {}{start}", packages(fedora_package))
        }
        _ => {
            let manual = |component: &Component| manual_instruction(system, *component);
            let mut steps: Vec<&str> = components.iter().map(manual).collect();
            steps.dedup();
            return steps.join(", then ");
        }
    };
    let group = if needs_docker && !is_root {
        ", join Docker's group with `sudo usermod -aG docker $USER`, and log in again"
    } else {
        ""
    };
    format!("run `{command}`{group}")
}

fn debian_package(component: Component) -> &'static str {
    match component {
        Component::Docker => "docker.io",
        Component::CCompiler => "build-essential",
        Component::Curl => "curl",
    }
}

fn fedora_package(component: Component) -> &'static str {
    match component {
        Component::Docker => "moby-engine",
        Component::CCompiler => "gcc",
        Component::Curl => "curl",
    }
}

fn manual_instruction(system: OperatingSystem, component: Component) -> &'static str {
    match (component, system) {
        (Component::Docker, OperatingSystem::MacOs | OperatingSystem::Windows) => {
            "install Docker Desktop (https://docs.docker.com/get-docker/) and start it"
        }
        (Component::Docker, _) => {
            "install Docker's engine (https://docs.docker.com/engine/install/) and start it"
        }
        (Component::CCompiler, OperatingSystem::MacOs) => {
            "run `xcode-select --install` for the C compiler"
        }
        (Component::CCompiler, OperatingSystem::Windows) => {
            "install the C++ build tools \
             (https://rust-lang.github.io/rustup/installation/windows-msvc.html)"
        }
        (Component::CCompiler, _) => "install a C compiler, such as gcc, as `cc`",
        (Component::Curl, _) => "install curl (https://curl.se/download.html)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Component; 3] = [Component::Docker, Component::CCompiler, Component::Curl];

    #[test]
    fn packages_are_installed_with_one_command() {
        let docker = &[Component::Docker][..];
        for (system, is_root, components, instructions) in [
            (
                OperatingSystem::Debian,
                false,
                &ALL[..],
                "run `sudo apt-get update && sudo apt-get install -y docker.io build-essential curl`, \
                 join Docker's group with `sudo usermod -aG docker $USER`, and log in again",
            ),
            (
                OperatingSystem::Debian,
                false,
                &ALL[2..],
                "run `sudo apt-get update && sudo apt-get install -y curl`",
            ),
            (
                OperatingSystem::Fedora,
                true,
                &ALL[1..2],
                "run `dnf install -y gcc`",
            ),
            (
                OperatingSystem::Fedora,
                true,
                docker,
                "run `dnf install -y moby-engine && systemctl enable --now docker`",
            ),
        ] {
            assert_eq!(
                install_instructions(system, is_root, components),
                instructions
            );
        }
    }

    #[test]
    fn desktop_systems_get_docker_desktop() {
        for system in [OperatingSystem::MacOs, OperatingSystem::Windows] {
            assert!(
                install_instructions(system, false, &ALL).starts_with("install Docker Desktop")
            );
        }
        assert!(
            install_instructions(OperatingSystem::Linux, false, &ALL)
                .contains("https://docs.docker.com/engine/install/")
        );
    }
}
