//! Where the workshop's own files lie: [`Repository`] knows the root of the checkout and how its files are called there.
//!
//! Left out: what is in them, which is told by [`exercise`](crate::exercise), [`hints`](crate::hints) and [`progress`](crate::progress).

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;

use anyhow::Context;

/// The checkout in which the learner works.
#[derive(Clone, Debug)]
pub struct Repository {
    root: PathBuf,
}

impl Repository {
    /// The one whose `cargo workshop` this is.
    pub fn here() -> Self {
        // `cargo run` tells its program where the package lies now. Where it lay when it was built is right until somebody moves the
        // folder, and is better than nothing if the program is started by hand.
        let package = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        let root = package.ancestors().nth(2).unwrap_or(&package);
        Repository::at(root)
    }

    /// The one with this root.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Repository { root: root.into() }
    }

    /// The folder that everything else is in.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What learners edit.
    pub fn exercises(&self) -> PathBuf {
        self.root.join("exercises")
    }

    /// The same, solved.
    pub fn solutions(&self) -> PathBuf {
        self.root.join("solutions")
    }

    /// What belongs to this learner alone and is ignored by git: progress, and copies of what `reset` has replaced.
    pub fn private(&self) -> PathBuf {
        self.root.join(".workshop")
    }

    /// How a person calls a file: from the root, with the same slashes everywhere.
    pub fn name(&self, path: &Path) -> String {
        let path = path.strip_prefix(&self.root).unwrap_or(path);
        path.display().to_string().replace('\\', "/")
    }

    /// Its text, or a sentence about why there is none.
    pub fn read(&self, path: &Path) -> anyhow::Result<String> {
        fs::read_to_string(path).with_context(|| {
            format!(
                "{} cannot be read. If it is gone, `git checkout -- {}` brings it back",
                self.name(path),
                self.name(path)
            )
        })
    }

    /// Writes a file all at once: whoever reads it meanwhile, and whatever breaks off, sees the old text or the new one.
    pub fn write(&self, path: &Path, text: &str) -> anyhow::Result<()> {
        let beside = path.with_extension(format!("new-{}", process::id()));
        let write = || -> io::Result<()> {
            fs::create_dir_all(path.parent().unwrap_or(&self.root))?;
            fs::write(&beside, text)?;
            fs::rename(&beside, path)
        };
        write().with_context(|| {
            // If it cannot be removed, it was most likely not written either.
            let _ = fs::remove_file(&beside);
            format!(
                "{} cannot be written. Is the disk full, or does the folder belong to somebody else?",
                self.name(path)
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checkout_is_found_from_the_package() {
        assert!(
            Repository::here()
                .root()
                .join("tools/workshop/Cargo.toml")
                .is_file()
        );
    }

    #[test]
    fn files_are_called_from_the_root() {
        let repository = Repository::at("/somewhere");
        assert_eq!(
            repository.name(Path::new("/somewhere/exercises/README.md")),
            "exercises/README.md"
        );
        assert_eq!(repository.name(Path::new("/elsewhere/x")), "/elsewhere/x");
    }
}
