//! Builds tests with cargo: [`build`] reads the JSON messages of cargo and the compiler.
//!
//! The caller decides when to show the compiler's messages. Only the progress of a long build is
//! shown at once.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use cargo_metadata::diagnostic::{self, DiagnosticLevel};
use cargo_metadata::{Message, PackageId};

use super::build_progress::{self, BuildProgress};
use super::child_group::ChildGroup;
use super::machine::Machine;
use super::process;
use crate::terminal::text::strip_escapes;

/// The result of a build.
#[derive(Debug, Default)]
pub struct BuildResult {
    /// Whether cargo built everything.
    pub success: bool,
    /// The test binaries: the package's name and the binary's path.
    pub test_binaries: Vec<(String, PathBuf)>,
    /// The compiler's messages, in their order.
    pub diagnostics: Vec<Diagnostic>,
    /// What cargo itself reported, without progress messages.
    pub cargo_errors: String,
}

/// One message of the compiler.
#[derive(Debug)]
pub struct Diagnostic {
    package: String,
    message: diagnostic::Diagnostic,
}

impl Diagnostic {
    /// Whether the package does not compile because of this message.
    pub fn is_error(&self) -> bool {
        matches!(
            self.message.level,
            DiagnosticLevel::Error | DiagnosticLevel::Ice
        )
    }

    /// Whether this is a warning.
    pub fn is_warning(&self) -> bool {
        self.message.level == DiagnosticLevel::Warning
    }

    /// The message as the compiler prints it.
    pub fn rendered(&self) -> &str {
        let rendered = self.message.rendered.as_deref();
        rendered.unwrap_or(&self.message.message)
    }

    /// Whether the message points into this file.
    fn mentions(&self, file: &Path) -> bool {
        let mut spans = self.message.spans.iter();
        spans.any(|span| file.ends_with(&span.file_name))
    }

    /// The file and the line, if the message has a location.
    pub fn location(&self) -> Option<(&str, usize)> {
        let mut spans = self.message.spans.iter();
        let span = spans.find(|span| span.is_primary)?;
        Some((&span.file_name, span.line_start))
    }
}

impl BuildResult {
    /// The messages about one package.
    pub fn diagnostics_of(&self, package: &str) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics
            .iter()
            .filter(move |diagnostic| diagnostic.package == package)
    }

    /// The errors in one file.
    pub fn errors_in(&self, file: &Path) -> impl Iterator<Item = &Diagnostic> {
        let errors = self.diagnostics.iter().filter(|it| it.is_error());
        errors.filter(move |diagnostic| diagnostic.mentions(file))
    }

    /// The test binary of a package.
    pub fn test_binary(&self, package: &str) -> Option<&Path> {
        let mut binaries = self.test_binaries.iter();
        binaries
            .find(|(name, _)| name == package)
            .map(|(_, path)| path.as_path())
    }

    /// An error with cargo's own report, if the build failed although all code compiles.
    pub fn check_cargo(&self, what: &str) -> anyhow::Result<()> {
        if !self.success && !self.diagnostics.iter().any(Diagnostic::is_error) {
            bail!(
                "cargo could not build {what}. It says:\n{}",
                self.cargo_errors.trim_end()
            );
        }
        Ok(())
    }

    fn add(&mut self, message: Message) {
        match message {
            Message::CompilerArtifact(artifact) if artifact.profile.test => {
                if let Some(path) = artifact.executable {
                    let package = package_name(&artifact.package_id).to_owned();
                    self.test_binaries.push((package, path.into()));
                }
            }
            Message::CompilerMessage(message) => {
                let text = &message.message.message;
                // The compiler's summary of a whole crate. Cargo hides it too.
                if text.starts_with("aborting due to") || text.ends_with("emitted") {
                    return;
                }
                self.diagnostics.push(Diagnostic {
                    package: package_name(&message.package_id).to_owned(),
                    message: message.message,
                });
            }
            _ => {}
        }
    }
}

/// The package's name in an id such as `path+file:///w/round_robin#0.1.0` or
/// `path+file:///w/01_round_robin#round_robin@0.1.0` (Cargo Book, "Package ID specifications").
fn package_name(id: &PackageId) -> &str {
    let (url, fragment) = id.repr.rsplit_once('#').unwrap_or((&id.repr, ""));
    match fragment.split_once('@') {
        Some((name, _)) => name,
        None => url.rsplit('/').next().unwrap_or_default(),
    }
}

/// Runs a cargo command that builds.
///
/// `is_quick` names the packages that build in a moment. If cargo builds any other package, its
/// progress is written to `messages`.
pub fn build(
    mut command: Command,
    machine: &Machine,
    is_quick: impl Fn(&str) -> bool,
    messages: &mut dyn Write,
) -> anyhow::Result<BuildResult> {
    if machine.colour.stderr {
        command.args([
            "--message-format=json-diagnostic-rendered-ansi",
            "--color=always",
        ]);
    } else {
        command.arg("--message-format=json");
    }
    command
        // Cargo writes into our pipe, and prints its progress bar there only on request.
        .envs([
            ("CARGO_TERM_PROGRESS_WHEN", "always"),
            ("CARGO_TERM_PROGRESS_WIDTH", "80"),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = ChildGroup::spawn(&mut command).with_context(|| {
        format!("cannot run {program}. Is Rust installed and on the PATH? See https://rustup.rs")
    })?;
    let json = process::read_in_background(child.stdout.take().expect("stdout is piped"));
    let stderr = child.stderr.take().expect("stderr is piped");
    let name = "building the libraries that the tests use (once)";
    let mut progress = BuildProgress::new(name, is_quick, messages, machine.is_terminal);
    let mut cargo_errors = String::new();
    for line in build_progress::lines(stderr) {
        let line = line?;
        if !progress.read(&line)? && !is_summary(&strip_escapes(&line)) {
            cargo_errors.push_str(&line);
            cargo_errors.push('\n');
        }
    }
    drop(progress);
    let mut result = BuildResult {
        success: child.wait()?.success(),
        cargo_errors,
        ..BuildResult::default()
    };
    let json = json.join().unwrap_or_default();
    for message in Message::parse_stream(json.as_bytes()) {
        result.add(message?);
    }
    Ok(result)
}

/// Whether cargo only counts the compiler's messages.
fn is_summary(line: &str) -> bool {
    line.starts_with("error: could not compile")
        || line.starts_with("warning: build failed")
        || (line.starts_with("warning: ") && line.contains(" generated "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_are_no_errors() {
        assert!(is_summary(
            "error: could not compile `x` (lib) due to 1 previous error"
        ));
        assert!(is_summary(
            "warning: `round_robin` (lib) generated 1 warning"
        ));
        assert!(!is_summary("error: failed to parse manifest"));
    }

    /// A JSON message of cargo about a built artifact.
    fn artifact(name: &str, is_test: bool, executable: &str) -> String {
        format!(
            r#"{{"reason":"compiler-artifact","package_id":"path+file:///w/{name}#0.1.0",
            "manifest_path":"/w/{name}/Cargo.toml","target":{{"kind":["test"],
            "crate_types":["bin"],"name":"{name}","src_path":"/w/{name}/tests/{name}.rs",
            "edition":"2024","doc":false,"doctest":false,"test":true}},"profile":{{"opt_level":"0",
            "debuginfo":1,"debug_assertions":true,"overflow_checks":true,"test":{is_test}}},
            "features":[],"filenames":[],"executable":{executable},"fresh":false}}"#
        )
        .replace('\n', "")
    }

    #[test]
    fn only_test_binaries_are_collected() {
        let lines = [
            artifact("x", true, "\"/t/x-1\""),
            artifact("y", false, "\"/t/y\""),
            artifact("z", true, "null"),
            r#"{"reason":"build-finished","success":true}"#.to_owned(),
            "a line that a build script printed".to_owned(),
        ];
        let mut result = BuildResult::default();

        for message in Message::parse_stream(lines.join("\n").as_bytes()) {
            result.add(message.unwrap());
        }

        assert_eq!(result.test_binary("x"), Some(Path::new("/t/x-1")));
        assert_eq!(result.test_binaries.len(), 1);
    }

    #[test]
    fn package_ids_contain_the_name() {
        for (repr, name) in [
            ("path+file:///w/stub_of_x#0.1.0", "stub_of_x"),
            ("path+file:///w/01_x#x@0.1.0", "x"),
            (
                "registry+https://github.com/rust-lang/crates.io-index#libc@0.2.180",
                "libc",
            ),
        ] {
            let repr = repr.to_owned();
            assert_eq!(package_name(&PackageId { repr }), name);
        }
    }
}
