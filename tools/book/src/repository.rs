//! The repository that the book tells about: which packages, functions and commands there are for it to name.
//!
//! It is read from the files, without cargo, because the lint has to answer within a second or two. Left out: what a macro makes.

use std::collections::{BTreeSet, HashSet};
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::LazyLock;

use anyhow::Context;
use regex::Regex;
use walkdir::{DirEntry, WalkDir};

/// Where everything lies.
#[derive(Debug)]
pub struct Repository {
    /// The folder that every path in a finding starts at.
    pub root: PathBuf,
    /// The book's folder, the one with `book.toml`.
    pub book: PathBuf,
}

/// What a page may name.
#[derive(Debug, Default)]
pub struct Names {
    /// The packages that `cargo run -p` knows.
    pub packages: BTreeSet<String>,
    /// The names of all functions with four underscores or more, tests among them.
    pub sentences: HashSet<String>,
    /// The subcommands of `cargo workshop`; empty if there is no such program.
    pub commands: BTreeSet<String>,
}

/// Where `cargo workshop` is written.
pub const WORKSHOP: &str = "tools/workshop/src";

impl Repository {
    /// The repository that this program belongs to.
    pub fn here() -> Repository {
        // What cargo says now is surer than what it said when it built this: two checkouts may share a target folder.
        let package = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        let root = package.parent().and_then(Path::parent);
        Repository::of_book(root.expect("this package lies in tools/").join("book"))
    }

    /// The repository around a book.
    pub fn of_book(book: impl AsRef<Path>) -> Repository {
        let book = book.as_ref();
        // `.` has no parent to speak of until it is made absolute.
        let book = std::path::absolute(book).unwrap_or_else(|_| book.to_path_buf());
        let root = book.parent().unwrap_or(&book).to_path_buf();
        Repository { root, book }
    }

    /// A path as people write it: below the root, with `/`.
    pub fn name(&self, path: &Path) -> String {
        slashes(path.strip_prefix(&self.root).unwrap_or(path))
    }

    /// Every file that is neither built nor hidden, in order.
    pub fn files(&self) -> anyhow::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        let walk = WalkDir::new(&self.root).sort_by_file_name().into_iter();
        for entry in walk.filter_entry(|entry| entry.depth() == 0 || !is_built_or_hidden(entry)) {
            let entry = entry?;
            if entry.file_type().is_file() {
                files.push(entry.into_path());
            }
        }
        Ok(files)
    }

    /// Reads from these files what a page may name.
    pub fn names(&self, files: &[PathBuf]) -> anyhow::Result<Names> {
        let mut names = Names::default();
        for file in files {
            if file.extension() == Some(OsStr::new("rs")) {
                let source = read(file)?;
                names
                    .sentences
                    .extend(functions(&source).filter(|name| is_sentence(name)));
                if self.name(file).starts_with(WORKSHOP) {
                    names.commands.extend(subcommands(&source));
                }
            } else if file.file_name() == Some(OsStr::new("Cargo.toml")) {
                names.packages.extend(package(&read(file)?));
            }
        }
        Ok(names)
    }
}

/// Reads a text file, or says which one could not be read.
pub fn read(file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(file).with_context(|| format!("{} could not be read", file.display()))
}

/// Joins without asking the file system: `a/b` and `../c` give `a/c`. None if it leads out of where `base` starts.
pub fn join(base: &str, relative: &str) -> Option<String> {
    let mut parts: Vec<&str> = base.split('/').filter(|part| !part.is_empty()).collect();
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// A relative path with `/` on every system.
pub fn slashes(path: &Path) -> String {
    let parts = path.components().filter(|part| *part != Component::CurDir);
    parts
        .map(|part| part.as_os_str().to_string_lossy())
        .collect::<Vec<_>>()
        .join("/")
}

/// Whether a name reads like a sentence, as the names of tests do here.
pub fn is_sentence(name: &str) -> bool {
    name.bytes().filter(|byte| *byte == b'_').count() >= 4
}

fn is_built_or_hidden(entry: &DirEntry) -> bool {
    let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
    // Cargo marks its target folder, wherever somebody has put it; the other is where `mdbook build` writes.
    is_hidden
        || entry.file_name() == "target"
        || entry.path().join("CACHEDIR.TAG").exists()
        || entry.path().ends_with("book/book") && entry.path().join("index.html").exists()
}

fn functions(source: &str) -> impl Iterator<Item = String> {
    static FUNCTION: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\bfn\s+(\w+)").expect("it is tested"));
    FUNCTION
        .captures_iter(source)
        .map(|found| found[1].to_owned())
}

fn package(manifest: &str) -> Option<String> {
    let manifest: toml::Table = manifest.parse().ok()?;
    Some(manifest.get("package")?.get("name")?.as_str()?.to_owned())
}

/// The variants of clap's `enum Command`, if there is one, spelt as clap spells them: `BookLint` is `book-lint`.
///
/// Asking the program itself would be surer, but then it would have to be built before the book can be linted.
fn subcommands(source: &str) -> BTreeSet<String> {
    static VARIANT: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?m)^    ([A-Z]\w*)\b").expect("it is tested"));
    let Some((_, after)) = source.split_once("#[derive(Subcommand)]\nenum Command {") else {
        return BTreeSet::new();
    };
    let variants = after.split("\n}").next().unwrap_or_default();
    VARIANT
        .captures_iter(variants)
        .map(|found| kebab_case(&found[1]))
        .collect()
}

fn kebab_case(name: &str) -> String {
    let mut kebab = String::new();
    for character in name.chars() {
        if character.is_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.extend(character.to_lowercase());
    }
    kebab
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_this_repository_are_known() {
        let repository = Repository::here();
        let names = repository.names(&repository.files().unwrap()).unwrap();

        assert!(names.packages.contains("ch05-full"), "{:?}", names.packages);
        assert!(
            names
                .sentences
                .contains("the_names_of_this_repository_are_known")
        );
        for command in ["check", "doctor", "test", "up", "down", "book-lint"] {
            assert!(
                names.commands.contains(command),
                "`cargo workshop {command}` was not found in {WORKSHOP}, only {:?}: has its `enum Command` another form now?",
                names.commands
            );
        }
    }

    #[test]
    fn variants_are_spelt_as_clap_spells_them() {
        let source = "#[derive(Subcommand)]\nenum Command {\n    /// Finds\n    BookLint,\n    Up(Options),\n    Test {\n        Package: u8,\n    },\n}\nenum Other {\n    No,\n}\n";

        let expected = ["book-lint", "test", "up"].map(String::from);
        assert_eq!(subcommands(source), BTreeSet::from(expected));
    }

    #[test]
    fn a_path_is_joined_without_asking_the_file_system() {
        assert_eq!(join("a/b", "../c/./d").as_deref(), Some("a/c/d"));
        assert_eq!(join("", "a").as_deref(), Some("a"));
        assert_eq!(join("a", "../../b"), None, "it leads out");
    }
}
