//! Tests of the lint, on books with one mistake and on this repository's book.
//!
//! Each test starts with a book without mistakes, adds one, and expects exactly one finding in one
//! line. So the tests notice a missing rule and a false finding.

use std::fs;
use std::path::Path;
use std::process::Command;

use book::lint::lint;
use book::repository::Repository;
use tempfile::TempDir;

mod links;
mod mistakes;
mod own;

/// A small repository with a clean book.
struct Fixture(TempDir);

const INTRODUCTION: &str = "\
# Introduction

Read on in [clones](clones/index.md#a-killed-clone), or see [below](#below).

![A balancer and two clones](images/one.svg)

## Below

The code is in `chapters/01-clones/src/lib.rs:3`, and `a_killed_clone_loses_no_session` shows it.

```sh
cargo run -p ch01-clones     # and not -p x
cargo workshop doctor
```
";

const CLONES: &str = "\
# Clones

```rust,ignore
{{#include ../../../chapters/01-clones/src/lib.rs:turn}}
```

## A killed clone

```text
{{#include ../sessions/one.txt}}
```
";

const SVG: &str = "<svg viewBox=\"0 0 9 9\"><title>t</title><desc>d</desc><rect width=\"9\" height=\"9\" fill=\"#fff\"/></svg>\n";

impl Fixture {
    fn new() -> Fixture {
        let fixture = Fixture(tempfile::tempdir().unwrap());
        for (file, text) in [
            (
                "README.md",
                "# Readme\n\nSee [the book](book/src/SUMMARY.md) and [exercises](exercises/README.md#rules).\n",
            ),
            (
                "exercises/README.md",
                "# Exercises\n\n## Rules\n\n`cargo test -p ch01-clones`\n",
            ),
            (
                "chapters/01-clones/Cargo.toml",
                "[package]\nname = \"ch01-clones\"\n",
            ),
            (
                "chapters/01-clones/src/lib.rs",
                "// ANCHOR: turn\nfn turn() {}\n// ANCHOR_END: turn\n\nfn a_killed_clone_loses_no_session() {}\n",
            ),
            (
                "tools/workshop/Cargo.toml",
                "[package]\nname = \"workshop\"\n",
            ),
            (
                "tools/workshop/src/cli.rs",
                "#[derive(Subcommand)]\nenum Command {\n    Doctor,\n}\n",
            ),
            ("book/book.toml", "[book]\ntitle = \"A book\"\n"),
            (
                "book/sessions.toml",
                "[[session]]\nfile = \"one.txt\"\ncommand = \"cargo --version\"\n",
            ),
            (
                "book/src/SUMMARY.md",
                "# Summary\n\n[Introduction](introduction.md)\n\n- [Clones](clones/index.md)\n",
            ),
            ("book/src/introduction.md", INTRODUCTION),
            ("book/src/clones/index.md", CLONES),
            (
                "book/src/sessions/one.txt",
                "$ cargo --version\ncargo 1.95.0\n",
            ),
            ("book/src/images/one.svg", SVG),
        ] {
            fixture.write(file, text);
        }
        fixture
    }

    fn path(&self, file: &str) -> std::path::PathBuf {
        self.0.path().join(file)
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Replaces `old`, which must exist, by `new`.
    fn replace_in(self, file: &str, old: &str, new: &str) -> Fixture {
        let text = fs::read_to_string(self.path(file)).unwrap();
        assert!(text.contains(old), "{file} has no {old:?}");
        self.write(file, &text.replacen(old, new, 1));
        self
    }

    fn with(self, file: &str, text: &str) -> Fixture {
        self.write(file, text);
        self
    }

    fn report(&self) -> String {
        lint(&Repository::around_book(self.path("book")))
            .unwrap()
            .to_string()
    }

    /// Expects exactly one finding: at this place, with these words.
    #[track_caller]
    fn finds(&self, place: &str, words: &str) {
        let report = self.report();
        assert!(
            report.starts_with(&format!("{place}: "))
                && report.contains(words)
                && report.ends_with("\n1 finding"),
            "expected one finding in {place} that says {words:?}, but got:\n{report}"
        );
    }
}

#[test]
fn a_clean_book_has_no_finding() {
    assert_eq!(Fixture::new().report(), "4 pages, no finding");
}

#[test]
fn program_fails_only_with_findings() {
    let run = |book: &Path| {
        let output = Command::new(env!("CARGO_BIN_EXE_book"))
            .arg("lint")
            .arg(book)
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };

    let clean = Fixture::new();
    assert_eq!(
        run(&clean.path("book")),
        (Some(0), "4 pages, no finding\n".to_owned())
    );
    let (code, report) = run(&clean
        .replace_in("README.md", "book/src", "book/scr")
        .path("book"));
    assert_eq!(code, Some(1));
    assert!(
        report.starts_with("README.md:3: ") && report.ends_with("\n1 finding\n"),
        "{report}"
    );
}

#[test]
fn folder_without_book_is_an_error() {
    let folder = tempfile::tempdir().unwrap();

    let error = lint(&Repository::around_book(folder.path().join("book"))).unwrap_err();

    assert!(format!("{error:#}").contains("book.toml"), "{error:#}");
}

#[test]
fn lint_does_not_change_the_book() {
    let fixture = Fixture::new().replace_in("book/src/SUMMARY.md", "clones/index.md", "gone.md");

    fixture.report();

    assert!(
        !fixture.path("book/src/gone.md").exists(),
        "mdBook created the missing page"
    );
    assert!(
        !fixture.path("book/book").exists(),
        "mdBook wrote its output into the repository"
    );
}
