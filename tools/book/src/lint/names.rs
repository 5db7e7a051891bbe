//! Rule for names: the repository has the paths, tests, packages and commands that a page names in
//! code.
//!
//! The rule checks text in backticks and the lines of shell blocks. Left out: flags of programs,
//! and names in plain text.

use std::sync::LazyLock;

use regex::Regex;

use super::findings::Findings;
use super::suggestion::did_you_mean;
use crate::page::Page;
use crate::repository::{Names, Repository, WORKSHOP, is_sentence};

/// A word with one of these prefixes is a path of the repository.
const FOLDERS: [&str; 5] = ["chapters/", "tools/", "exercises/", "solutions/", "book/"];

/// The output folder of `mdbook build`, which git ignores.
const BUILT: &str = "book/book";

/// Checks one page.
pub fn check(page: &Page, repository: &Repository, names: &Names, findings: &mut Findings) {
    let pieces = page
        .code
        .iter()
        .map(|piece| (piece.line, piece.text.as_str()));
    for (line, text) in pieces.chain(shell_lines(page)) {
        let mut found = Vec::new();
        found.extend(
            text.split_whitespace()
                .filter_map(|word| path(word, repository)),
        );
        found.extend(test(text, names));
        for command in text.split(['|', ';', '&']) {
            found.extend(package(command, names));
            found.extend(subcommand(command, names));
        }
        for what in found {
            findings.add(&page.file, line, what);
        }
    }
}

/// Reports that the list of subcommands is missing. Without this finding, the check would pass
/// silently.
pub fn check_known(names: &Names, findings: &mut Findings) {
    if names.packages.contains("workshop") && names.commands.is_empty() {
        let what = "no `#[derive(Subcommand)] enum Command` is here, so the book's `cargo workshop …` is not checked; \
                    teach tools/book/src/repository.rs where it is";
        findings.add(WORKSHOP, 1, what.to_owned());
    }
}

/// The commands of the shell blocks, without comments. In a `console` block, only the lines after
/// a prompt are commands.
fn shell_lines(page: &Page) -> impl Iterator<Item = (usize, &str)> {
    let is_shell = |language: &str| ["sh", "bash", "shell", "console"].contains(&language);
    let blocks = page
        .blocks
        .iter()
        .filter(move |block| is_shell(block.language()));
    blocks.flat_map(|block| {
        let lines = block.text.lines().enumerate();
        lines.filter_map(|(index, line)| {
            let line = match (block.language(), line.strip_prefix("$ ")) {
                ("console", typed) => typed?,
                (_, typed) => typed.unwrap_or(line),
            };
            let typed = line.split(" #").next().unwrap_or_default();
            (!typed.starts_with('#')).then_some((block.line + 1 + index, typed))
        })
    })
}

/// Checks that a path exists. Ignores `:line`, `::item`, globs, ellipses and placeholders.
fn path(word: &str, repository: &Repository) -> Option<String> {
    static LINE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r":\d+([-:]\d+)*$").expect("it is tested"));
    static ANYTHING: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"[*?{}<>\[\]$…]|\.\.\.|NN|NAME|ID").expect("it is tested"));

    let word = word.trim_matches(|it: char| ",;:.()'\"".contains(it));
    if !FOLDERS.iter().any(|folder| word.starts_with(folder)) || word.starts_with(BUILT) {
        return None;
    }
    let whole = word.split("::").next().unwrap_or_default();
    let whole = LINE.replace(whole, "");
    let known = ANYTHING.find(&whole).map_or(&*whole, |found| {
        whole[..found.start()]
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder)
    });
    let exists = repository.root.join(known).exists();
    (!exists).then(|| {
        format!("`{known}` does not exist; correct the path, which begins at the repository's root")
    })
}

/// Checks that a function with the name of a test exists.
fn test(text: &str, names: &Names) -> Option<String> {
    static NAME: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"^[a-z][a-z0-9_]*$").expect("it is tested"));

    let name = text
        .rsplit("::")
        .next()
        .unwrap_or_default()
        .trim_end_matches("()");
    if !NAME.is_match(name) || !is_sentence(name) || names.sentences.contains(name) {
        return None;
    }
    // Only names with the same first word: a comparison with a thousand names is slow.
    let alike = names
        .sentences
        .iter()
        .filter(|other| other.split('_').next() == name.split('_').next());
    let hint = did_you_mean(
        name,
        alike.map(String::as_str),
        "name the test that shows it now",
    );
    Some(format!("no function is called `{name}`{hint}"))
}

/// Checks the package of `cargo run -p NAME`. A name in capitals or with `…` is a placeholder.
fn package(command: &str, names: &Names) -> Option<String> {
    static PACKAGE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^\s*(?:\w+=\S+\s+)*cargo\s.*?\s(?:-p\s*|--package[ =])([a-z0-9_-]+)(\S?)")
            .expect("it is tested")
    });

    let to_cargo = command.split(" -- ").next().unwrap_or_default();
    let found = PACKAGE.captures(to_cargo)?;
    let is_placeholder = !found[2].is_empty();
    let package = &found[1];
    if is_placeholder || names.packages.contains(package) {
        return None;
    }
    let hint = did_you_mean(
        package,
        names.packages.iter().map(String::as_str),
        "name one that `Cargo.toml` has",
    );
    Some(format!("there is no package `{package}`{hint}"))
}

/// Checks the subcommand of `cargo workshop NAME`.
fn subcommand(command: &str, names: &Names) -> Option<String> {
    static SUBCOMMAND: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\bcargo workshop ([a-z][a-z-]*)").expect("it is tested"));

    let found = SUBCOMMAND.captures(command)?;
    let name = &found[1];
    if names.commands.is_empty() || names.commands.contains(name) {
        return None;
    }
    let hint = did_you_mean(
        name,
        names.commands.iter().map(String::as_str),
        "`cargo workshop --help` lists them",
    );
    Some(format!("there is no `cargo workshop {name}`{hint}"))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use super::*;

    fn names() -> Names {
        Names {
            packages: BTreeSet::from(["ch05-full".to_owned()]),
            sentences: HashSet::from(["a_killed_clone_loses_no_session".to_owned()]),
            commands: BTreeSet::from(["doctor".to_owned()]),
        }
    }

    #[test]
    fn path_may_contain_line_glob_or_placeholder() {
        let here = Repository::here();
        for good in [
            "book/book.toml",
            "tools/book/src/lib.rs:12",
            "tools/book/src/lib.rs:12-20,",
            "tools/book/src/lint/names.rs::tests",
            "exercises/NN_chapter/NN_name/",
            "tools/*/src",
            "tools/…",
            "book/book/index.html",
            "elsewhere/gone.rs",
        ] {
            assert_eq!(path(good, &here), None, "{good}");
        }
        for bad in [
            "tools/book/src/gone.rs",
            "tools/book/src/gone.rs:1",
            "tools/gone/*",
            "(book/gone.md)",
        ] {
            assert!(path(bad, &here).is_some(), "{bad}");
        }
    }

    #[test]
    fn missing_test_is_found_with_suggestion() {
        assert_eq!(
            test("sessions::a_killed_clone_loses_no_session", &names()),
            None
        );
        assert_eq!(test("only_three_under_scores", &names()), None);
        assert_eq!(test("a_killed_clone_loses_…", &names()), None);
        let said = test("a_killed_clone_loses_no_sessions", &names()).unwrap();
        assert!(
            said.ends_with("did you mean `a_killed_clone_loses_no_session`?"),
            "{said}"
        );
    }

    #[test]
    fn package_after_double_dash_is_ignored() {
        for good in [
            "cargo run --release -p ch05-full -- load",
            "RUST_LOG=info cargo run -p ch05-full",
            "cargo test --package=ch05-full",
            "cargo run -p ch0N-…",
            "cargo test -p PACKAGE",
            "mkdir -p x",
            "cargo run -- -p x",
        ] {
            assert_eq!(package(good, &names()), None, "{good}");
        }
        for bad in [
            "cargo run -p ch5-full",
            "cargo test --package x",
            "A=1 cargo build -px",
        ] {
            assert!(package(bad, &names()).is_some(), "{bad}");
        }
    }

    #[test]
    fn unknown_subcommand_is_found() {
        assert_eq!(subcommand("cargo workshop doctor --fix", &names()), None);
        assert_eq!(subcommand("cargo workshop", &names()), None);
        assert_eq!(subcommand("cargo workshop --help", &names()), None);
        assert!(
            subcommand("cargo workshop docter", &names())
                .unwrap()
                .ends_with("did you mean `doctor`?")
        );
    }

    #[test]
    fn comments_and_output_are_not_commands() {
        let text = "```sh\n# cargo run -p a\ncargo run -p b # -p c\n```\n\n```console\n$ cargo run -p d\ncargo run -p e\n```\n";
        let page = Page::read("page.md".to_owned(), text.to_owned());

        let lines: Vec<_> = shell_lines(&page).collect();
        assert_eq!(lines, [(3, "cargo run -p b"), (7, "cargo run -p d")]);
    }
}
