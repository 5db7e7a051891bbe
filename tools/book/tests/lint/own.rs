//! Lints this repository's book and its other Markdown files.

use book::lint::lint;
use book::repository::Repository;

#[test]
fn book_of_this_repository_has_no_finding() {
    let report = lint(&Repository::current()).unwrap();

    assert!(
        report.findings().is_empty(),
        "the book has mistakes; `cargo workshop book-lint` lists them too:\n{report}"
    );
}
