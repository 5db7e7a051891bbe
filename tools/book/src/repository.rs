//! The repository that the book describes: its packages, functions and commands.
//!
//! The lint reads them from the files, without cargo, so that it finishes within two seconds. Left
//! out: items that a macro creates.

use std::collections::{BTreeSet, HashSet};
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::LazyLock;

use anyhow::Context;
use regex::Regex;
use walkdir::{DirEntry, WalkDir};

/// The folders of the repository and of its book.
#[derive(Debug)]
pub struct Repository {
    /// The repository's root. Paths in findings are relative to it.
    pub root: PathBuf,
    /// The book's folder, which holds `book.toml`.
    pub book: PathBuf,
}

/// The names in the repository that a page can mention.
#[derive(Debug, Default)]
pub struct Names {
    /// The packages, as in `cargo run -p NAME`.
    pub packages: BTreeSet<String>,
    /// The functions whose names have five words or more, which includes most tests.
    pub long_functions: HashSet<String>,
    /// The subcommands of `cargo workshop`; empty if there is no such program.
    pub commands: BTreeSet<String>,
}

/// The sources of `cargo workshop`.
pub const WORKSHOP_SOURCES: &str = "tools/workshop/src";

impl Repository {
    /// The repository that contains this program.
    pub fn current() -> Repository {
        // The variable at run time wins over the one at build time: two checkouts can share a
        // target folder.
        let package = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        let root = package.parent().and_then(Path::parent);
        Repository::around_book(root.expect("this package is in tools/").join("book"))
    }

    /// The repository that contains this book. Its root is the parent of the book's folder.
    pub fn around_book(book: impl AsRef<Path>) -> Repository {
        let book = book.as_ref();
        // A relative path such as `.` has no parent, so make it absolute.
        let book = std::path::absolute(book).unwrap_or_else(|_| book.to_path_buf());
        let root = book.parent().unwrap_or(&book).to_path_buf();
        Repository { root, book }
    }

    /// The path relative to the root, with `/`.
    pub fn relative_path(&self, path: &Path) -> String {
        to_slash_path(path.strip_prefix(&self.root).unwrap_or(path))
    }

    /// All files in order, without build output and hidden files.
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

    /// Collects from these files the names that a page can mention.
    pub fn read_names(&self, files: &[PathBuf]) -> anyhow::Result<Names> {
        let mut names = Names::default();
        for file in files {
            if file.extension() == Some(OsStr::new("rs")) {
                let source = read(file)?;
                names
                    .long_functions
                    .extend(functions(&source).filter(|name| has_many_words(name)));
                if self.relative_path(file).starts_with(WORKSHOP_SOURCES) {
                    names.commands.extend(subcommands(&source));
                }
            } else if file.file_name() == Some(OsStr::new("Cargo.toml")) {
                names.packages.extend(package(&read(file)?));
            }
        }
        Ok(names)
    }
}

/// Reads a text file. The error names the file.
pub fn read(file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

/// Joins two paths without the file system: `a/b` and `../c` give `a/c`. None if the result is
/// above the start of `base`.
pub fn join_paths(base: &str, relative: &str) -> Option<String> {
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
pub fn to_slash_path(path: &Path) -> String {
    let parts = path.components().filter(|part| *part != Component::CurDir);
    parts
        .map(|part| part.as_os_str().to_string_lossy())
        .collect::<Vec<_>>()
        .join("/")
}

/// Whether a function's name has five words or more, as most tests have.
pub fn has_many_words(name: &str) -> bool {
    name.bytes().filter(|byte| *byte == b'_').count() >= 4
}

fn is_built_or_hidden(entry: &DirEntry) -> bool {
    let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
    // Cargo puts `CACHEDIR.TAG` into every target folder. `mdbook build` writes into `book/book`.
    is_hidden
        || entry.file_name() == "target"
        || entry.path().join("CACHEDIR.TAG").exists()
        || entry.path().ends_with("book/book") && entry.path().join("index.html").exists()
}

fn functions(source: &str) -> impl Iterator<Item = String> {
    static FUNCTION: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\bfn\s+(\w+)").expect("the pattern is valid"));
    FUNCTION
        .captures_iter(source)
        .map(|found| found[1].to_owned())
}

fn package(manifest: &str) -> Option<String> {
    let manifest: toml::Table = manifest.parse().ok()?;
    Some(manifest.get("package")?.get("name")?.as_str()?.to_owned())
}

/// The subcommands of clap's `enum Command`, in clap's spelling: `BookLint` becomes `book-lint`.
///
/// The sources are read because the lint must not wait until the program is built.
fn subcommands(source: &str) -> BTreeSet<String> {
    static VARIANT: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?m)^    ([A-Z]\w*)\b").expect("the pattern is valid"));
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
    fn names_of_this_repository_are_found() {
        let repository = Repository::current();
        let names = repository.read_names(&repository.files().unwrap()).unwrap();

        assert!(names.packages.contains("ch05-full"), "{:?}", names.packages);
        assert!(
            names
                .long_functions
                .contains("names_of_this_repository_are_found")
        );
        for command in ["check", "doctor", "test", "up", "down", "book-lint"] {
            assert!(
                names.commands.contains(command),
                "`cargo workshop {command}` is not found in {WORKSHOP_SOURCES}, only {:?}; if the form of its `enum Command` changed, correct `subcommands`",
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
    fn join_resolves_dots_without_file_system() {
        assert_eq!(join_paths("a/b", "../c/./d").as_deref(), Some("a/c/d"));
        assert_eq!(join_paths("", "a").as_deref(), Some("a"));
        assert_eq!(
            join_paths("a", "../../b"),
            None,
            "the path is above the root"
        );
    }
}
