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

    /// Reads a text file.
    pub fn read(&self, path: &Path) -> anyhow::Result<String> {
        fs::read_to_string(path).with_context(|| {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_is_found_from_the_package() {
        assert!(
            Repository::detect()
                .root()
                .join("tools/workshop/Cargo.toml")
                .is_file()
        );
    }

    #[test]
    fn displayed_paths_are_relative_to_the_root() {
        let repository = Repository::new("/somewhere");
        assert_eq!(
            repository.display_path(Path::new("/somewhere/exercises/README.md")),
            "exercises/README.md"
        );
        assert_eq!(
            repository.display_path(Path::new("/elsewhere/x")),
            "/elsewhere/x"
        );
    }
}
