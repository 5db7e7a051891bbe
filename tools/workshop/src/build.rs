//! Has cargo build tests, and learns where they are: [`build`] reads what cargo and the compiler report as JSON.
//!
//! What the compiler says is kept, for the caller knows best when a person should read it: errors at once, warnings of a program whose
//! tests are still red not at all. What takes long is shown as it comes. Left out: running what was built, which is
//! [`execution`](crate::execution).

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;
use serde_json::Value;

use crate::machine;
use crate::tally;

/// What cargo has built and said.
#[derive(Debug, Default)]
pub struct Built {
    /// Whether all of it was built.
    pub success: bool,
    /// The programs with the tests: of which manifest, and where.
    pub programs: Vec<(PathBuf, PathBuf)>,
    /// What the compiler said, in its order.
    pub diagnostics: Vec<Diagnostic>,
    /// What cargo itself complained about.
    pub complaints: String,
}

/// One message of the compiler.
#[derive(Debug)]
pub struct Diagnostic {
    /// The manifest of the package that it is about.
    pub manifest: PathBuf,
    /// Whether the package cannot be built for it.
    pub is_error: bool,
    /// Whether it is a warning.
    pub is_warning: bool,
    /// As the compiler shows it.
    pub rendered: String,
    /// File and line, if it is about one.
    pub place: Option<(String, u64)>,
}

impl Built {
    /// What was said about the package with this manifest.
    pub fn about(&self, manifest: &Path) -> impl Iterator<Item = &Diagnostic> {
        let manifest = manifest.to_owned();
        self.diagnostics
            .iter()
            .filter(move |diagnostic| diagnostic.manifest == manifest)
    }

    /// The test program of the package with this manifest.
    pub fn program(&self, manifest: &Path) -> Option<&Path> {
        let mut programs = self.programs.iter();
        programs
            .find(|(of, _)| of == manifest)
            .map(|(_, program)| program.as_path())
    }
}

/// Runs a cargo command that builds. `is_ours` tells the packages of which nobody wants to hear that they are built: if any other is, that
/// takes a while, and is told on `messages`.
pub fn build(
    mut command: Command,
    colour: bool,
    is_ours: impl Fn(&str) -> bool,
    messages: &mut impl Write,
) -> anyhow::Result<Built> {
    let format = if colour {
        "json-diagnostic-rendered-ansi"
    } else {
        "json"
    };
    command.arg(format!("--message-format={format}"));
    if colour {
        command.args(["--color", "always"]);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command.spawn().with_context(|| {
        format!(
            "{program} could not be run. Is Rust installed and on the PATH? See https://rustup.rs"
        )
    })?;
    let report = machine::read_aside(child.stdout.take().expect("it was asked for as a pipe"));
    let stderr = child.stderr.take().expect("it was asked for as a pipe");
    let passed_on = pass_on(stderr, is_ours, messages);
    if passed_on.is_err() {
        // Nobody reads any more, so nothing has to be built.
        let _ = child.kill();
    }
    let success = child.wait()?.success();
    let mut built = Built {
        success,
        complaints: passed_on?,
        ..Built::default()
    };
    for line in report.recv().unwrap_or_default().lines() {
        // A line that is no JSON comes from a build script's or a macro's own printing.
        if let Ok(message) = serde_json::from_str::<Value>(line) {
            built.take(&message);
        }
    }
    Ok(built)
}

impl Built {
    fn take(&mut self, message: &Value) {
        let Some(manifest) = message["manifest_path"].as_str().map(PathBuf::from) else {
            return;
        };
        match message["reason"].as_str() {
            Some("compiler-artifact") if message["profile"]["test"] == true => {
                if let Some(program) = message["executable"].as_str() {
                    self.programs.push((manifest, program.into()));
                }
            }
            Some("compiler-message") => self
                .diagnostics
                .extend(diagnostic(manifest, &message["message"])),
            _ => {}
        }
    }
}

fn diagnostic(manifest: PathBuf, message: &Value) -> Option<Diagnostic> {
    let words = message["message"].as_str()?;
    // The compiler's sums, which cargo does not show either.
    if words.starts_with("aborting due to") || words.ends_with("emitted") {
        return None;
    }
    let level = message["level"].as_str()?;
    let spans = message["spans"].as_array();
    let primary = spans.and_then(|spans| spans.iter().find(|span| span["is_primary"] == true));
    let place = primary.and_then(|span| {
        Some((
            span["file_name"].as_str()?.to_owned(),
            span["line_start"].as_u64()?,
        ))
    });
    Some(Diagnostic {
        manifest,
        is_error: level.starts_with("error"),
        is_warning: level == "warning",
        rendered: message["rendered"].as_str().unwrap_or(words).to_owned(),
        place,
    })
}

/// Shows what takes long, and returns what cargo complains about.
fn pass_on(
    from: impl Read,
    is_ours: impl Fn(&str) -> bool,
    messages: &mut impl Write,
) -> io::Result<String> {
    let mut is_told = false;
    let mut complaints = String::new();
    for line in BufReader::new(from).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        let plain = tally::without_escapes(&line);
        let text = plain.trim_start();
        let first = text.split_whitespace().next().unwrap_or_default();
        let is_status = text.len() < plain.len();
        match first {
            "Compiling" | "Downloading" | "Downloaded" | "Updating" if is_status => {
                if text.split_whitespace().nth(1).is_some_and(&is_ours) {
                    continue;
                }
                if !is_told {
                    is_told = true;
                    writeln!(
                        messages,
                        "building the libraries that the tests use (once)…"
                    )?;
                }
                writeln!(messages, "{line}")?;
            }
            "Blocking" if is_status => writeln!(messages, "{line}")?,
            "Finished" | "Executable" | "Locking" | "Adding" if is_status => continue,
            // Sums of what the compiler has said itself.
            "error:" if text.starts_with("error: could not compile") => continue,
            "warning:"
                if text.contains(" generated ") || text.starts_with("warning: build failed") =>
            {
                continue;
            }
            _ => {
                complaints.push_str(&line);
                complaints.push('\n');
            }
        }
        messages.flush()?;
    }
    Ok(complaints)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed_on(text: &str) -> (String, String) {
        let mut messages = Vec::new();
        let complaints =
            pass_on(text.as_bytes(), |name| name == "round_robin", &mut messages).unwrap();
        (String::from_utf8(messages).unwrap(), complaints)
    }

    #[test]
    fn what_builds_in_a_moment_is_built_in_silence() {
        let text = "   Compiling round_robin v0.1.0 (/w/exercises/x)\nwarning: `round_robin` (lib) generated 1 warning\n\
                    error: could not compile `round_robin` (lib) due to 1 previous error\n\
                    \u{1b}[1m    Finished\u{1b}[0m `test` profile\n  Executable tests/x.rs (target/x)\n";
        assert_eq!(passed_on(text), (String::new(), String::new()));
    }

    #[test]
    fn what_takes_long_is_announced_once_and_shown() {
        let (messages, _) = passed_on(
            "   Compiling libc v0.2.180\n   Compiling redis v1.8.1\n   Compiling round_robin v0.1.0\n",
        );
        assert_eq!(
            messages,
            "building the libraries that the tests use (once)…\n   Compiling libc v0.2.180\n   Compiling redis v1.8.1\n"
        );
    }

    #[test]
    fn what_cargo_complains_about_is_kept() {
        let text =
            "error: failed to parse manifest at `/w/Cargo.toml`\n\nCaused by:\n  something\n";
        assert_eq!(passed_on(text), (String::new(), text.to_owned()));
    }

    #[test]
    fn only_programs_with_tests_are_taken() {
        let mut built = Built::default();
        for text in [
            r#"{"reason":"compiler-artifact","manifest_path":"/x/Cargo.toml","profile":{"test":true},"executable":"/t/x-1"}"#,
            r#"{"reason":"compiler-artifact","manifest_path":"/y/Cargo.toml","profile":{"test":false},"executable":"/t/y"}"#,
            r#"{"reason":"compiler-artifact","manifest_path":"/z/Cargo.toml","profile":{"test":true},"executable":null}"#,
            r#"{"reason":"build-finished","success":true}"#,
        ] {
            built.take(&serde_json::from_str(text).unwrap());
        }
        assert_eq!(
            built.program(Path::new("/x/Cargo.toml")),
            Some(Path::new("/t/x-1"))
        );
        assert_eq!(built.programs.len(), 1);
    }
}
