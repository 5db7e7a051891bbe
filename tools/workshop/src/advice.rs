//! What to do next: [`next`] is the last sentence of `cargo workshop doctor`, and [`install`] what to type where `--fix` cannot do it.
//!
//! Left out: every Linux but Fedora and Debian's family, which is sent to the manuals.

use crate::docker::Docker;
use crate::examination::Findings;
use crate::images;
use crate::machine::Machine;
use crate::repair::{self, Part};
use crate::system::System;

/// The sentence that an examination ends with: all is well, or what to do. `has_tried` to mend it before.
pub fn next(findings: &Findings, machine: &Machine, has_tried: bool) -> String {
    let missing = findings.missing();
    let stopped = findings.docker == Docker::NotRunning;
    if !findings.has_rust() {
        return "Next: get a newer Rust with `rustup update`, or see https://rustup.rs.".to_owned();
    }
    if !missing.is_empty() || stopped {
        let can_fix = repair::is_possible(machine);
        if can_fix && !has_tried {
            return "Next: `cargo workshop doctor --fix` installs and starts what is missing."
                .to_owned();
        }
        if !missing.is_empty() {
            let advice = install(machine.system(), machine.is_root(), &missing);
            let why = if has_tried && !can_fix {
                "`--fix` works on Debian and Ubuntu as root. "
            } else {
                ""
            };
            return format!("{why}Next: {advice}; then `cargo workshop doctor` again.");
        }
    }
    if let Some(sentence) = findings.docker.trouble() {
        return format!("{sentence}.");
    }
    if findings.images != Some(images::ALL) {
        return "All is well but for the images: the first test that needs one gets it, and `cargo workshop images` does so now.".to_owned();
    }
    "All is well: `cargo workshop test` runs every test.".to_owned()
}

/// How to install these parts by hand, as one sentence without its full stop. `root` needs no `sudo`.
pub fn install(system: System, root: bool, parts: &[Part]) -> String {
    let sudo = if root { "" } else { "sudo " };
    let docker = parts.contains(&Part::Docker);
    let packages = |name: fn(Part) -> &'static str| {
        parts
            .iter()
            .map(|part| name(*part))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let command = match system {
        System::Debian => format!(
            "{sudo}apt-get update && {sudo}apt-get install -y {}",
            packages(debian)
        ),
        System::Fedora => {
            let start = if docker {
                format!(" && {sudo}systemctl enable --now docker")
            } else {
                String::new()
            };
            format!("{sudo}dnf install -y {}{start}", packages(fedora))
        }
        _ => {
            let mut ways: Vec<&str> = parts.iter().map(|part| elsewhere(system, *part)).collect();
            ways.dedup();
            return ways.join(", then ");
        }
    };
    let group = if docker && !root {
        ", join Docker's group with `sudo usermod -aG docker $USER`, and log in again"
    } else {
        ""
    };
    format!("run `{command}`{group}")
}

fn debian(part: Part) -> &'static str {
    match part {
        Part::Docker => "docker.io",
        Part::Compiler => "build-essential",
        Part::Curl => "curl",
    }
}

fn fedora(part: Part) -> &'static str {
    match part {
        Part::Docker => "moby-engine",
        Part::Compiler => "gcc",
        Part::Curl => "curl",
    }
}

fn elsewhere(system: System, part: Part) -> &'static str {
    match (part, system) {
        (Part::Docker, System::MacOs | System::Windows) => {
            "install Docker Desktop (https://docs.docker.com/get-docker/) and start it"
        }
        (Part::Docker, _) => {
            "install Docker's engine (https://docs.docker.com/engine/install/) and start it"
        }
        (Part::Compiler, System::MacOs) => "run `xcode-select --install` for the C compiler",
        (Part::Compiler, System::Windows) => {
            "install the C++ build tools (https://rust-lang.github.io/rustup/installation/windows-msvc.html)"
        }
        (Part::Compiler, _) => "install a C compiler, such as gcc, as `cc`",
        (Part::Curl, _) => "install curl (https://curl.se/download.html)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Part; 3] = [Part::Docker, Part::Compiler, Part::Curl];

    #[test]
    fn debian_without_root_is_one_line_to_paste_and_a_group_to_join() {
        assert_eq!(
            install(System::Debian, false, &ALL),
            "run `sudo apt-get update && sudo apt-get install -y docker.io build-essential curl`, join Docker's group with \
             `sudo usermod -aG docker $USER`, and log in again"
        );
    }

    #[test]
    fn only_what_is_missing_is_named() {
        assert_eq!(
            install(System::Debian, false, &[Part::Curl]),
            "run `sudo apt-get update && sudo apt-get install -y curl`"
        );
        assert_eq!(
            install(System::Fedora, true, &[Part::Compiler]),
            "run `dnf install -y gcc`"
        );
    }

    #[test]
    fn fedora_has_docker_under_another_name_and_does_not_start_it() {
        let advice = install(System::Fedora, true, &[Part::Docker]);
        assert_eq!(
            advice,
            "run `dnf install -y moby-engine && systemctl enable --now docker`"
        );
    }

    #[test]
    fn a_desktop_gets_docker_desktop() {
        for system in [System::MacOs, System::Windows] {
            assert!(install(system, false, &ALL).starts_with("install Docker Desktop"));
        }
        assert!(
            install(System::Linux, false, &ALL).contains("https://docs.docker.com/engine/install/")
        );
    }
}
