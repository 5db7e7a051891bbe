//! The files of the workshop: [`Repository`] knows the root folder and the paths below it.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::Context;

/// The repository in which the learner works.
#[derive(Clone, Debug)]
pub struct Repository {
    root: PathBuf,
}

impl Repository {
    /// The repository that this program belongs to.
    pub fn detect() -> Self {
        // `cargo run` sets the variable. The path of the build is right until the folder is moved,
        // and helps if the program is started without cargo.
        let package = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        let root = package.ancestors().nth(2).unwrap_or(&package);
        Repository::new(root)
    }

    /// The repository with this root folder.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Repository { root: root.into() }
    }

    /// The root folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of the exercises, which learners edit.
    pub fn exercises_dir(&self) -> PathBuf {
        self.root.join("exercises")
    }

    /// The folder of the solutions.
    pub fn solutions_dir(&self) -> PathBuf {
        self.root.join("solutions")
    }

    /// The learner's own folder, which git ignores: the progress, and backups of `reset`.
    pub fn learner_dir(&self) -> PathBuf {
        self.root.join(".workshop")
    }

    /// A path for messages: relative to the root, with forward slashes.
    pub fn display_path(&self, path: &Path) -> String {
        let path = path.strip_prefix(&self.root).unwrap_or(path);
        path.display().to_string().replace('\\', "/")
    }

    /// Reads a text file of the repository. See [`read_text`].
    pub fn read(&self, path: &Path) -> anyhow::Result<String> {
        read_text(path).with_context(|| {
            let path = self.display_path(path);
            format!("cannot read {path}. If the file is missing, run `git checkout -- {path}`")
        })
    }

    /// Writes a text file atomically: a reader sees the old text or the new one.
    pub fn write(&self, path: &Path, text: &str) -> anyhow::Result<()> {
        let temporary = path.with_extension(format!("new-{}", process::id()));
        let write = || -> io::Result<()> {
            fs::create_dir_all(path.parent().unwrap_or(&self.root))?;
            fs::write(&temporary, text)?;
            fs::rename(&temporary, path)
        };
        write().with_context(|| {
            // Removing fails if the file was not created.
            let _ = fs::remove_file(&temporary);
            format!(
                "cannot write {}. Is the disk full, or does another user own the folder?",
                self.display_path(path)
            )
        })
    }
}

/// Reads a text file that a learner may have edited. Windows editors may write a byte order mark
/// and `\r\n`; the text has neither.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] names the line that is not UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    let bytes = fs::read(path)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.split(|byte| *byte == b'\n').count();
        let message = format!("line {line} is not UTF-8; save the file with the encoding UTF-8");
        io::Error::new(io::ErrorKind::InvalidData, message)
    })?;
    Ok(text.trim_start_matches('\u{feff}').replace("\r\n", "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::fixture::TempCheckout;

    #[test]
    fn text_of_windows_editors_is_read() {
        let checkout = TempCheckout::new();
        checkout.write("notes", "\u{feff}one\r\ntwo\r\n");
        let file = checkout.repository().root().join("notes");
        assert_eq!(read_text(&file).unwrap(), "one\ntwo\n");

        fs::write(&file, b"one\ncaf\xe9\n").unwrap();
        let error = format!("{:#}", checkout.repository().read(&file).unwrap_err());
        let explanation = "line 2 is not UTF-8; save the file";
        assert!(
            error.contains("notes") && error.contains(explanation),
            "{error}"
        );
    }

    #[test]
    fn repository_is_found_from_the_package() {
        let root = Repository::detect().root;
        assert!(root.join("tools/workshop/Cargo.toml").is_file());
    }

    #[test]
    fn displayed_paths_are_relative_to_the_root() {
        let repository = Repository::new("/somewhere");
        let shown = |path| repository.display_path(Path::new(path));
        assert_eq!(
            shown("/somewhere/exercises/README.md"),
            "exercises/README.md"
        );
        assert_eq!(shown("/elsewhere/x"), "/elsewhere/x");
    }
}
