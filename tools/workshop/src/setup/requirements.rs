//! What the workshop requires, and what this machine has: [`Requirements::check`].
//!
//! The network is not checked, because the workshop needs it only once.

use std::env;
use std::path::Path;

use super::docker::DockerStatus;
use super::images::{self, IMAGE_COUNT};
use super::install::Component;
use crate::run::machine::{CommandResult, Machine};

/// With less free space, a build or an image may fail: the whole workspace needs about 4 GiB, and
/// the images need 1 GiB.
const MIN_FREE_GIB: u64 = 8;
/// The Rust version that this workspace needs.
const MIN_RUST: &str = env!("CARGO_PKG_RUST_VERSION");

/// The state of everything that the workshop requires.
#[derive(Clone, Debug)]
pub struct Requirements {
    /// The output of `rustc --version`.
    pub rustc: Option<String>,
    /// Whether there is a C compiler.
    pub has_c_compiler: bool,
    /// Whether there is curl.
    pub has_curl: bool,
    /// The status of Docker.
    pub docker: DockerStatus,
    /// How many images are present, if Docker runs.
    pub images: Option<usize>,
    /// The disks that we use: mount point and free GiB.
    pub disks: Vec<(String, u64)>,
    /// Whether there is mdBook.
    pub has_mdbook: bool,
}

/// One line of the report.
#[derive(Debug, PartialEq, Eq)]
pub struct ReportLine {
    /// `ok`, or the kind of problem.
    pub label: &'static str,
    /// What the line is about.
    pub text: String,
    /// Whether the workshop does not work because of this.
    pub is_error: bool,
}

impl Requirements {
    /// Checks everything. This takes less than a second, or some seconds if a program hangs.
    pub fn check(machine: &Machine) -> Self {
        let works = |program| machine.stdout_of(program, &["--version"]).is_some();
        let docker = DockerStatus::check(machine);
        let is_running = matches!(docker, DockerStatus::Running { .. });
        let docker_dir = is_running
            .then(|| machine.stdout_of("docker", &["info", "--format", "{{.DockerRootDir}}"]))
            .flatten();
        Requirements {
            rustc: machine.stdout_of("rustc", &["--version"]),
            // On Windows it is not on the PATH. It exists, because it linked this program.
            has_c_compiler: machine.os == "windows" || works("cc"),
            has_curl: works("curl"),
            images: is_running.then(|| images::count_present(machine)).flatten(),
            disks: disks(machine, docker_dir.as_deref()),
            docker,
            has_mdbook: works("mdbook"),
        }
    }

    /// The components that are missing and can be installed.
    pub fn missing_components(&self) -> Vec<Component> {
        let components = [
            (Component::Docker, self.docker == DockerStatus::NotInstalled),
            (Component::CCompiler, !self.has_c_compiler),
            (Component::Curl, !self.has_curl),
        ];
        let missing = components.into_iter().filter(|(_, is_missing)| *is_missing);
        missing.map(|(component, _)| component).collect()
    }

    /// Whether all images are present.
    pub fn has_all_images(&self) -> bool {
        self.images == Some(IMAGE_COUNT)
    }

    /// Whether the Rust compiler is new enough.
    pub fn has_rust(&self) -> bool {
        let rustc = self.rustc.as_deref();
        rustc.is_some_and(|rustc| is_at_least(rustc, MIN_RUST))
    }

    /// The report, with one line for each requirement.
    pub fn report(&self) -> Vec<ReportLine> {
        let rustc = self.rustc.as_deref().unwrap_or("rustc");
        let mut lines = vec![match (&self.rustc, self.has_rust()) {
            (_, true) => ok(rustc),
            (Some(_), false) => error("too old", format!("{rustc}; {MIN_RUST} or later is needed")),
            (None, false) => error("missing", format!("rustc {MIN_RUST} or later")),
        }];
        lines.push(ok_or_missing(self.has_c_compiler, "a C compiler (cc)"));
        lines.push(ok_or_missing(self.has_curl, "curl, for the tours"));
        lines.extend(self.docker_report());
        for (mount_point, free) in &self.disks {
            let label = if *free < MIN_FREE_GIB {
                "low space"
            } else {
                "ok"
            };
            lines.push(info(label, format!("{free} GiB free on {mount_point}")));
        }
        lines.push(if self.has_mdbook {
            ok("mdbook")
        } else {
            info(
                "optional",
                "mdbook, for `mdbook serve book/`: `cargo install mdbook --locked`; \
                 `cargo workshop book` works without it"
                    .to_owned(),
            )
        });
        lines
    }

    fn docker_report(&self) -> Vec<ReportLine> {
        let installed = ok("Docker is installed");
        match &self.docker {
            DockerStatus::NotInstalled => vec![error("missing", "Docker".to_owned())],
            DockerStatus::NotRunning => vec![
                installed,
                error("not running", "Docker's engine".to_owned()),
            ],
            DockerStatus::NotResponding => vec![
                installed,
                error("no answer", "Docker's engine does not answer".to_owned()),
            ],
            DockerStatus::Failed(message) => {
                vec![error("failed", format!("Docker says: {message}"))]
            }
            DockerStatus::NoPermission => vec![
                installed,
                ok("Docker's engine runs"),
                error("forbidden", "you may not use Docker".to_owned()),
            ],
            DockerStatus::Running { version } => {
                let count = self.images.unwrap_or(0);
                let images = format!("{count} of {IMAGE_COUNT} server images");
                vec![
                    installed,
                    ok(&format!("Docker's engine runs ({version})")),
                    ok("you may use Docker"),
                    if self.has_all_images() {
                        ok(&images)
                    } else {
                        info(
                            "later",
                            format!("{images}; `cargo workshop images` gets them now"),
                        )
                    },
                ]
            }
        }
    }
}

fn ok(text: &str) -> ReportLine {
    info("ok", text.to_owned())
}

fn info(label: &'static str, text: String) -> ReportLine {
    ReportLine {
        label,
        text,
        is_error: false,
    }
}

fn error(label: &'static str, text: String) -> ReportLine {
    ReportLine {
        label,
        text,
        is_error: true,
    }
}

fn ok_or_missing(is_present: bool, text: &str) -> ReportLine {
    if is_present {
        ok(text)
    } else {
        error("missing", text.to_owned())
    }
}

/// Whether `rustc 1.95.0 (…)` is at least `1.95`.
fn is_at_least(rustc: &str, required: &str) -> bool {
    let numbers = |version: &str| -> Option<Vec<u32>> {
        // 1.97.0-nightly counts as 1.97.0.
        let version = version.split('-').next()?;
        version
            .split('.')
            .map(|number| number.parse().ok())
            .collect()
    };
    let found = rustc.split_whitespace().nth(1).and_then(numbers);
    found.is_some_and(|found| Some(found) >= numbers(required))
}

/// The disks of the build and of Docker's images, if they belong to this machine.
fn disks(machine: &Machine, docker_dir: Option<&str>) -> Vec<(String, u64)> {
    let program = env::current_exe().unwrap_or_default();
    let build_dir = program.parent().unwrap_or(Path::new("."));
    let build_dir = build_dir.to_string_lossy();
    let mut arguments = vec!["-Pk", &*build_dir];
    arguments.extend(docker_dir);
    // `df` fails if Docker's folder is inside a virtual machine, but lists the other disk.
    match machine.run("df", &arguments) {
        CommandResult::Finished { stdout, .. } => parse_df(&stdout),
        _ => Vec::new(),
    }
}

/// Parses the output of `df -Pk`. A disk with two mount points is listed once.
fn parse_df(listing: &str) -> Vec<(String, u64)> {
    let mut seen = Vec::new();
    let mut disks = Vec::new();
    for line in listing.lines().skip(1) {
        // The device and the mount point may contain spaces. The percentage separates them.
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(percentage) = words.iter().rposition(|word| word.ends_with('%')) else {
            continue;
        };
        let [device @ .., _used, free] = &words[..percentage] else {
            continue;
        };
        let device = device.join(" ");
        if let Ok(kib) = free.parse::<u64>()
            && !seen.contains(&device)
        {
            seen.push(device);
            disks.push((words[percentage + 1..].join(" "), kib / (1024 * 1024)));
        }
    }
    disks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for (rustc, is_enough) in [
            ("rustc 1.95.0 (59807616e 2026-04-14)", true),
            ("rustc 1.100.0 (x)", true),
            ("rustc 2.0.0", true),
            ("rustc 1.97.0-nightly (x)", true),
            ("rustc 1.94.1 (x)", false),
            ("rustc 1.9.0 (x)", false),
            ("something else", false),
        ] {
            assert_eq!(is_at_least(rustc, "1.95"), is_enough, "{rustc}");
        }
    }

    #[test]
    fn each_disk_is_listed_once() {
        let linux = "Filesystem     1024-blocks     Used Available Capacity Mounted on\n\
                     /dev/vda         264212084 30994812  64291076      33% /\n\
                     /dev/vda         264212084 30994816  64291072      33% /var/lib/docker\n";
        assert_eq!(parse_df(linux), [("/".to_owned(), 61)]);

        let macos = "Filesystem 1024-blocks Used Available Capacity Mounted on\n\
                     map auto_home 976490576 1 20971520 1% /System/Volumes/My Data\n";
        assert_eq!(
            parse_df(macos),
            [("/System/Volumes/My Data".to_owned(), 20)]
        );
        assert_eq!(parse_df(""), []);
    }
}
