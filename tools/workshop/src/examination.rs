//! What `cargo workshop doctor` finds out about a machine: [`Findings::of`] asks its programs, [`Findings::lines`] says what that means.
//!
//! Left out: whether a network is there, for nothing needs one twice; and versions of anything but Rust.

use std::env;
use std::path::Path;

use crate::docker::Docker;
use crate::images;
use crate::machine::{Answer, Machine};
use crate::repair::Part;

/// Below this a build or an image may not find room: the whole workspace takes some four GiB, the images take one.
const ROOM: u64 = 8;

/// What there is.
#[derive(Clone, Debug)]
pub struct Findings {
    /// The version of the Rust compiler.
    pub rustc: Option<String>,
    /// Whether there is a C compiler.
    pub compiler: bool,
    /// Whether there is curl.
    pub curl: bool,
    /// How Docker is.
    pub docker: Docker,
    /// How many images are present, if Docker tells.
    pub images: Option<usize>,
    /// Free GiB, for each disk that matters: where it is mounted, and how much.
    pub disks: Vec<(String, u64)>,
    /// Whether there is mdBook.
    pub mdbook: bool,
}

/// One line of the report.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// `ok`, or in which way not.
    pub mark: &'static str,
    /// About what.
    pub text: String,
    /// Whether the workshop does not work without it.
    pub is_fatal: bool,
}

impl Findings {
    /// Looks at everything. Takes less than a second, or a few if something hangs.
    pub fn of(machine: &Machine) -> Self {
        let works = |program| machine.answer(program, &["--version"]).is_some();
        let docker = Docker::look(machine);
        let runs = matches!(docker, Docker::Running { .. });
        let docker_folder = runs
            .then(|| machine.answer("docker", &["info", "--format", "{{.DockerRootDir}}"]))
            .flatten();
        Findings {
            rustc: machine.answer("rustc", &["--version"]),
            // Windows' own is not on the PATH, and without it nobody could have linked us.
            compiler: machine.os == "windows" || works("cc"),
            curl: works("curl"),
            images: if runs { images::present(machine) } else { None },
            disks: disks(machine, docker_folder.as_deref()),
            docker,
            mdbook: works("mdbook"),
        }
    }

    /// What is not there and can be installed.
    pub fn missing(&self) -> Vec<Part> {
        let missing = [
            (Part::Docker, self.docker == Docker::Missing),
            (Part::Compiler, !self.compiler),
            (Part::Curl, !self.curl),
        ];
        let is_missing = |(part, is_missing)| if is_missing { Some(part) } else { None };
        missing.into_iter().filter_map(is_missing).collect()
    }

    /// Whether the compiler is as new as this workspace needs.
    pub fn has_rust(&self) -> bool {
        self.rustc
            .as_deref()
            .is_some_and(|rustc| is_at_least(rustc, env!("CARGO_PKG_RUST_VERSION")))
    }

    /// The report, a line for each thing.
    pub fn lines(&self) -> Vec<Line> {
        let needed = env!("CARGO_PKG_RUST_VERSION");
        let rustc = self.rustc.as_deref().unwrap_or("rustc");
        let mut lines = vec![match (&self.rustc, self.has_rust()) {
            (_, true) => fine(rustc),
            (Some(_), false) => fatal("too old", format!("{rustc}; {needed} or later is needed")),
            (None, false) => fatal("missing", format!("rustc {needed} or later")),
        }];
        lines.push(there_or_missing(self.compiler, "a C compiler (cc)"));
        lines.push(there_or_missing(self.curl, "curl, for the tours"));
        lines.extend(self.docker_lines());
        for (place, free) in &self.disks {
            let mark = if *free < ROOM { "little" } else { "ok" };
            lines.push(harmless(mark, format!("{free} GiB free on {place}")));
        }
        lines.push(if self.mdbook {
            fine("mdbook")
        } else {
            harmless(
                "optional",
                "mdbook, for `mdbook serve book/`: `cargo install mdbook --locked`; `cargo workshop book` does without"
                    .to_owned(),
            )
        });
        lines
    }

    fn docker_lines(&self) -> Vec<Line> {
        let installed = || fine("Docker is installed");
        match &self.docker {
            Docker::Missing => vec![fatal("missing", "Docker".to_owned())],
            Docker::NotRunning => vec![
                installed(),
                fatal("not running", "Docker's engine".to_owned()),
            ],
            Docker::Hung => vec![
                installed(),
                fatal("hung", "Docker's engine does not answer".to_owned()),
            ],
            Docker::Broken(words) => vec![fatal("broken", format!("Docker says: {words}"))],
            Docker::NoPermission => vec![
                installed(),
                fine("Docker's engine runs"),
                fatal("forbidden", "you may not use Docker".to_owned()),
            ],
            Docker::Running { version } => {
                let counted = format!(
                    "{} of {} images of servers",
                    self.images.unwrap_or(0),
                    images::ALL
                );
                vec![
                    installed(),
                    fine(&format!("Docker's engine runs ({version})")),
                    fine("you may use Docker"),
                    if self.images == Some(images::ALL) {
                        fine(&counted)
                    } else {
                        // The first test that needs one gets it.
                        harmless(
                            "later",
                            format!("{counted}; `cargo workshop images` gets them now"),
                        )
                    },
                ]
            }
        }
    }
}

fn fine(text: &str) -> Line {
    harmless("ok", text.to_owned())
}

fn harmless(mark: &'static str, text: String) -> Line {
    let is_fatal = false;
    Line {
        mark,
        text,
        is_fatal,
    }
}

fn fatal(mark: &'static str, text: String) -> Line {
    let is_fatal = true;
    Line {
        mark,
        text,
        is_fatal,
    }
}

fn there_or_missing(is_there: bool, text: &str) -> Line {
    if is_there {
        fine(text)
    } else {
        fatal("missing", text.to_owned())
    }
}

/// Whether `rustc 1.95.0 (…)` is at least `1.95`.
fn is_at_least(rustc: &str, needed: &str) -> bool {
    let numbers = |version: &str| -> Option<Vec<u32>> {
        // 1.97.0-nightly is a 1.97.
        let version = version.split('-').next()?;
        version
            .split('.')
            .map(|number| number.parse().ok())
            .collect()
    };
    let found = rustc.split_whitespace().nth(1).and_then(numbers);
    found.is_some_and(|found| Some(found) >= numbers(needed))
}

/// The disks on which we build and on which Docker keeps its images, if they are this machine's.
fn disks(machine: &Machine, docker_folder: Option<&str>) -> Vec<(String, u64)> {
    let program = env::current_exe().unwrap_or_default();
    let folder = program
        .parent()
        .unwrap_or(Path::new("."))
        .to_string_lossy()
        .into_owned();
    let mut arguments = vec!["-Pk", &folder];
    arguments.extend(docker_folder);
    // It fails if one of the folders is inside a virtual machine, and tells of the other all the same.
    match machine.ask("df", &arguments) {
        Answer::Said { stdout, .. } => free(&stdout),
        _ => Vec::new(),
    }
}

/// From the output of `df -Pk`: each disk once, though it may be mounted in two places.
fn free(listing: &str) -> Vec<(String, u64)> {
    let mut seen = Vec::new();
    let mut disks = Vec::new();
    for line in listing.lines().skip(1) {
        // The device before the numbers and the folder after them may contain spaces; the percentage stands between them.
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
    fn a_compiler_is_judged_by_number_and_not_by_letter() {
        assert!(is_at_least("rustc 1.95.0 (59807616e 2026-04-14)", "1.95"));
        assert!(is_at_least("rustc 1.100.0 (x)", "1.95"));
        assert!(is_at_least("rustc 2.0.0", "1.95"));
        assert!(is_at_least("rustc 1.97.0-nightly (x)", "1.95"));
        assert!(!is_at_least("rustc 1.94.1 (x)", "1.95"));
        assert!(!is_at_least("rustc 1.9.0 (x)", "1.95"));
        assert!(!is_at_least("something else", "1.95"));
    }

    #[test]
    fn a_disk_is_named_once_with_what_is_free() {
        let linux = "Filesystem     1024-blocks     Used Available Capacity Mounted on\n\
                     /dev/vda         264212084 30994812  64291076      33% /\n\
                     /dev/vda         264212084 30994816  64291072      33% /var/lib/docker\n";
        assert_eq!(free(linux), [("/".to_owned(), 61)]);

        let macos = "Filesystem 1024-blocks Used Available Capacity Mounted on\n\
                     map auto_home 976490576 1 20971520 1% /System/Volumes/My Data\n";
        assert_eq!(free(macos), [("/System/Volumes/My Data".to_owned(), 20)]);
        assert_eq!(free(""), []);
    }
}
