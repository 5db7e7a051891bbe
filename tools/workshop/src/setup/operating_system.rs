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
    fn systems_are_recognised() {
        use OperatingSystem::{Debian, Fedora, Linux, MacOs, Windows};
        for (os, os_release, expected) in [
            (
                "linux",
                "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n",
                Debian,
            ),
            (
                "linux",
                "NAME=\"Ubuntu\"\nID=ubuntu\nID_LIKE=debian\n",
                Debian,
            ),
            ("linux", "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", Debian),
            ("linux", "ID=fedora\n", Fedora),
            // RHEL has no moby-engine.
            ("linux", "ID=\"rhel\"\nID_LIKE=\"fedora\"\n", Linux),
            ("linux", "", Linux),
            ("macos", "", MacOs),
            ("windows", "ID=debian\n", Windows),
        ] {
            let system = OperatingSystem::parse(os, os_release);
            assert_eq!(system, expected, "{os} {os_release}");
        }
    }
}
