//! The kind of operating system: [`OperatingSystem`], as far as installing programs differs.

use std::fs;

use crate::run::machine::Machine;

/// A kind of operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperatingSystem {
    /// Debian, Ubuntu and their descendants.
    Debian,
    /// Fedora.
    Fedora,
    /// Another Linux.
    Linux,
    /// macOS.
    MacOs,
    /// Windows.
    Windows,
    /// Anything else.
    Other,
}

impl OperatingSystem {
    /// The operating system of this machine.
    pub fn detect(machine: &Machine) -> Self {
        let os_release = fs::read_to_string(machine.path_of("/etc/os-release"));
        Self::parse(machine.os, &os_release.unwrap_or_default())
    }

    /// From the system's name and the text of
    /// [os-release](https://www.freedesktop.org/software/systemd/man/os-release.html).
    fn parse(os: &str, os_release: &str) -> Self {
        let words = |field| {
            let value = os_release.lines().find_map(|line| line.strip_prefix(field));
            value
                .unwrap_or_default()
                .trim_matches('"')
                .split_whitespace()
        };
        let is_debian = |word| word == "debian" || word == "ubuntu";
        match os {
            "macos" => OperatingSystem::MacOs,
            "windows" => OperatingSystem::Windows,
            "linux" if words("ID=").chain(words("ID_LIKE=")).any(is_debian) => {
                OperatingSystem::Debian
            }
            // RHEL and other descendants of Fedora do not have its Docker package.
            "linux" if words("ID=").any(|word| word == "fedora") => OperatingSystem::Fedora,
            "linux" => OperatingSystem::Linux,
            _ => OperatingSystem::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descendants_of_debian_count_as_debian() {
        let debian = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n";
        let ubuntu = "NAME=\"Ubuntu\"\nID=ubuntu\nID_LIKE=debian\n";
        let mint = "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n";
        for text in [debian, ubuntu, mint] {
            assert_eq!(
                OperatingSystem::parse("linux", text),
                OperatingSystem::Debian,
                "{text}"
            );
        }
    }

    #[test]
    fn other_systems_are_recognised() {
        assert_eq!(
            OperatingSystem::parse("linux", "ID=fedora\n"),
            OperatingSystem::Fedora
        );
        assert_eq!(
            OperatingSystem::parse("linux", "ID=\"rhel\"\nID_LIKE=\"fedora\"\n"),
            OperatingSystem::Linux,
            "RHEL has no moby-engine"
        );
        assert_eq!(OperatingSystem::parse("linux", ""), OperatingSystem::Linux);
        assert_eq!(OperatingSystem::parse("macos", ""), OperatingSystem::MacOs);
        assert_eq!(
            OperatingSystem::parse("windows", "ID=debian\n"),
            OperatingSystem::Windows
        );
    }
}
