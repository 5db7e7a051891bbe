//! Checks the rules of the workshop's code that rustfmt and clippy do not know.
//!
//! * A comment ends at column 100 ([`comments`]).
//! * A function's name has at most eight words ([`names`]). A test's name is a function's name.
//! * The files of a crate depend on each other without a cycle ([`cycles`]).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use walkdir::WalkDir;

pub mod comments;
pub mod cycles;
mod finding;
pub mod names;

pub use finding::Finding;

/// The folders that hold code.
const FOLDERS: [&str; 4] = ["chapters", "exercises", "solutions", "tools"];

/// All findings in a repository.
#[derive(Debug)]
pub struct Report {
    /// How many Rust files were read.
    pub files: usize,
    /// In order of file and line.
    pub findings: Vec<Finding>,
}

/// Checks every Rust file of the repository at `root`.
///
/// # Errors
/// If a file cannot be read, or is no Rust.
pub fn check(root: &Path) -> anyhow::Result<Report> {
    let files = rust_files(root);
    let mut findings = Vec::new();
    for path in &files {
        let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let file = path.strip_prefix(root).unwrap_or(path);
        findings.extend(comments::check(file, &text));
        findings.extend(names::check(file, &text));
    }
    for crate_root in files.iter().filter(|path| is_crate_root(path)) {
        findings.extend(cycles::check(root, crate_root)?);
    }
    findings.sort();
    findings.dedup();
    Ok(Report {
        files: files.len(),
        findings,
    })
}

fn rust_files(root: &Path) -> Vec<PathBuf> {
    let folders = FOLDERS.iter().map(|folder| root.join(folder));
    let entries = folders.flat_map(|folder| {
        WalkDir::new(folder)
            .sort_by_file_name()
            .into_iter()
            .filter_entry(|entry| entry.file_name() != "target")
    });
    entries
        .filter_map(Result::ok)
        .map(walkdir::DirEntry::into_path)
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// Whether the file is the root of a library, of a program, or of a test program with modules.
fn is_crate_root(path: &Path) -> bool {
    let in_folder = |name: &str| path.parent().is_some_and(|parent| parent.ends_with(name));
    let is_named = |name: &str| path.file_name().is_some_and(|file| file == name);
    let is_source_root = in_folder("src") && (is_named("lib.rs") || is_named("main.rs"));
    let is_test_root = is_named("main.rs")
        && path
            .ancestors()
            .nth(2)
            .is_some_and(|folder| folder.ends_with("tests"));
    is_source_root || is_test_root
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_finds_its_case() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let source = folder.path().join("tools/example/src");
        fs::create_dir_all(&source).expect("a folder for the crate");
        let write = |name: &str, text: &str| {
            fs::write(source.join(name), text).expect("a file in the crate");
        };
        write("lib.rs", "mod first;\nmod second;\n");
        write(
            "first.rs",
            "use crate::second::Second;\npub struct First(Second);\n",
        );
        let comment = format!("// {}\n", "x".repeat(100));
        let name = ["word"; 9].join("_");
        let long_name = format!("fn {name}(_: crate::first::First) {{}}\n");
        write(
            "second.rs",
            &format!("{comment}pub struct Second;\n{long_name}"),
        );

        let report = check(folder.path()).expect("the files are readable");
        let found: Vec<(&str, usize)> = report
            .findings
            .iter()
            .map(|finding| {
                let name = finding.file.file_name().and_then(|name| name.to_str());
                (name.unwrap_or_default(), finding.line)
            })
            .collect();
        assert_eq!(
            found,
            [("first.rs", 1), ("second.rs", 1), ("second.rs", 3)],
            "expected the cycle, the comment and the name: {report:?}"
        );
    }
}
