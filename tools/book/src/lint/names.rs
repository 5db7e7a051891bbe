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
use crate::repository::{Names, Repository, WORKSHOP_SOURCES, has_many_words};

/// A word with one of these prefixes is a path of the repository.
const FOLDERS: [&str; 5] = ["chapters/", "tools/", "exercises/", "solutions/", "book/"];

/// The output folder of `mdbook build`, which git ignores.
const BUILT_BOOK: &str = "book/book";

/// Checks one page.
pub fn check(page: &Page, repository: &Repository, names: &Names, findings: &mut Findings) {
    let pieces = page
        .inline_code
        .iter()
        .map(|piece| (piece.line, piece.text.as_str()));
    for (line, text) in pieces.chain(shell_lines(page)) {
        let mut messages = Vec::new();
        messages.extend(
            text.split_whitespace()
                .filter_map(|word| check_path(word, repository)),
        );
        messages.extend(check_test_name(text, names));
        for command in text.split(['|', ';', '&']) {
            messages.extend(check_package(command, names));
            messages.extend(check_subcommand(command, names));
        }
        for message in messages {
            findings.add(&page.file, line, message);
        }
    }
}

/// Reports that the list of subcommands is missing. Without this finding, the check would pass
/// silently.
pub fn check_command_list(names: &Names, findings: &mut Findings) {
    if names.packages.contains("workshop") && names.commands.is_empty() {
        let message = "no `#[derive(Subcommand)] enum Command` is in this folder, so the lint does not check `cargo workshop …`; \
                    correct the search in tools/book/src/repository.rs";
        findings.add(WORKSHOP_SOURCES, 1, message.to_owned());
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
fn check_path(word: &str, repository: &Repository) -> Option<String> {
    static LINE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r":\d+([-:]\d+)*$").expect("the pattern is valid"));
    static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"[*?{}<>\[\]$…]|\.\.\.|NN|NAME|ID").expect("the pattern is valid")
    });

    let word = word.trim_matches(|it: char| ",;:.()'\"".contains(it));
    if !FOLDERS.iter().any(|folder| word.starts_with(folder)) || word.starts_with(BUILT_BOOK) {
        return None;
    }
    let whole = word.split("::").next().unwrap_or_default();
    let whole = LINE.replace(whole, "");
    let known = PLACEHOLDER.find(&whole).map_or(&*whole, |found| {
        whole[..found.start()]
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder)
    });
    let exists = repository.root.join(known).exists();
    (!exists).then(|| {
        format!(
            "`{known}` does not exist; correct the path, which is relative to the repository's root"
        )
    })
}

/// Checks that a function with the name of a test exists.
fn check_test_name(text: &str, names: &Names) -> Option<String> {
    static NAME: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"^[a-z][a-z0-9_]*$").expect("the pattern is valid"));

    let name = text
        .rsplit("::")
        .next()
        .unwrap_or_default()
        .trim_end_matches("()");
    if !NAME.is_match(name) || !has_many_words(name) || names.long_functions.contains(name) {
        return None;
    }
    // Only names with the same first word: a comparison with a thousand names is slow.
    let similar_names = names
        .long_functions
        .iter()
        .filter(|other| other.split('_').next() == name.split('_').next());
    let hint = did_you_mean(
        name,
        similar_names.map(String::as_str),
        "write the test's new name",
    );
    Some(format!("there is no function `{name}`{hint}"))
}

/// Checks the package of `cargo run -p NAME`. A name in capitals or with `…` is a placeholder.
fn check_package(command: &str, names: &Names) -> Option<String> {
    static PACKAGE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^\s*(?:\w+=\S+\s+)*cargo\s.*?\s(?:-p\s*|--package[ =])([a-z0-9_-]+)(\S?)")
            .expect("the pattern is valid")
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
        "use a package of the workspace",
    );
    Some(format!("there is no package `{package}`{hint}"))
}

/// Checks the subcommand of `cargo workshop NAME`.
fn check_subcommand(command: &str, names: &Names) -> Option<String> {
    static SUBCOMMAND: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\bcargo workshop ([a-z][a-z-]*)").expect("the pattern is valid")
    });

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
            long_functions: HashSet::from(["a_killed_clone_loses_no_session".to_owned()]),
            commands: BTreeSet::from(["doctor".to_owned()]),
        }
    }

    #[test]
    fn path_may_contain_line_glob_or_placeholder() {
        let here = Repository::current();
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
            assert_eq!(check_path(good, &here), None, "{good}");
        }
        for bad in [
            "tools/book/src/gone.rs",
            "tools/book/src/gone.rs:1",
            "tools/gone/*",
            "(book/gone.md)",
        ] {
            assert!(check_path(bad, &here).is_some(), "{bad}");
        }
    }

    #[test]
    fn missing_test_is_found_with_suggestion() {
        assert_eq!(
            check_test_name("sessions::a_killed_clone_loses_no_session", &names()),
            None
        );
        assert_eq!(check_test_name("only_three_under_scores", &names()), None);
        assert_eq!(check_test_name("a_killed_clone_loses_…", &names()), None);
        let message = check_test_name("a_killed_clone_loses_no_sessions", &names()).unwrap();
        assert!(
            message.ends_with("did you mean `a_killed_clone_loses_no_session`?"),
            "{message}"
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
            assert_eq!(check_package(good, &names()), None, "{good}");
        }
        for bad in [
            "cargo run -p ch5-full",
            "cargo test --package x",
            "A=1 cargo build -px",
        ] {
            assert!(check_package(bad, &names()).is_some(), "{bad}");
        }
    }

    #[test]
    fn unknown_subcommand_is_found() {
        assert_eq!(
            check_subcommand("cargo workshop doctor --fix", &names()),
            None
        );
        assert_eq!(check_subcommand("cargo workshop", &names()), None);
        assert_eq!(check_subcommand("cargo workshop --help", &names()), None);
        assert!(
            check_subcommand("cargo workshop docter", &names())
                .unwrap()
                .ends_with("did you mean `doctor`?")
        );
    }

    #[test]
    fn comments_and_output_are_not_commands() {
        let text = "```sh\n# cargo run -p a\ncargo run -p b # -p c\n```\n\n```console\n$ cargo run -p d\ncargo run -p e\n```\n";
        let page = Page::parse("page.md".to_owned(), text.to_owned());

        let lines: Vec<_> = shell_lines(&page).collect();
        assert_eq!(lines, [(3, "cargo run -p b"), (7, "cargo run -p d")]);
    }
}
