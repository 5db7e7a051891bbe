//! Which kind of system this is: [`System`], as far as the way to install something differs.
//!
//! Left out: versions and architectures, for what we install is packaged everywhere under one name.

/// A kind of system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// Debian, Ubuntu, and what descends from them.
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

impl System {
    /// From the system's name and the text of [os-release](https://www.freedesktop.org/software/systemd/man/os-release.html).
    pub fn of(os: &str, os_release: &str) -> Self {
        let words = |field| {
            let value = os_release.lines().find_map(|line| line.strip_prefix(field));
            value
                .unwrap_or_default()
                .trim_matches('"')
                .split_whitespace()
        };
        let is_debian = |word| word == "debian" || word == "ubuntu";
        match os {
            "macos" => System::MacOs,
            "windows" => System::Windows,
            "linux" if words("ID=").chain(words("ID_LIKE=")).any(is_debian) => System::Debian,
            // Those that are like Fedora, such as RHEL, do not have its package of Docker.
            "linux" if words("ID=").any(|word| word == "fedora") => System::Fedora,
            "linux" => System::Linux,
            _ => System::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descendant_of_debian_is_installed_like_debian() {
        let debian = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n";
        let ubuntu = "NAME=\"Ubuntu\"\nID=ubuntu\nID_LIKE=debian\n";
        let mint = "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n";
        for text in [debian, ubuntu, mint] {
            assert_eq!(System::of("linux", text), System::Debian, "{text}");
        }
    }

    #[test]
    fn every_other_system_is_told_apart() {
        assert_eq!(System::of("linux", "ID=fedora\n"), System::Fedora);
        assert_eq!(
            System::of("linux", "ID=\"rhel\"\nID_LIKE=\"fedora\"\n"),
            System::Linux,
            "RHEL has no moby-engine"
        );
        assert_eq!(System::of("linux", ""), System::Linux);
        assert_eq!(System::of("macos", ""), System::MacOs);
        assert_eq!(System::of("windows", "ID=debian\n"), System::Windows);
    }
}
