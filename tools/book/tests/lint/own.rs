//! This repository's own book, and the README and its like.

use book::lint::lint;
use book::repository::Repository;

#[test]
fn the_book_of_this_repository_has_not_rotted() {
    let report = lint(&Repository::here()).unwrap();

    assert!(
        report.findings().is_empty(),
        "the book says what is not so; `cargo workshop book-lint` repeats this:\n{report}"
    );
}
