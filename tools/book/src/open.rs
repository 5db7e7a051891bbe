//! Builds the book and opens it in a browser.
//!
//! Left out: rebuilding after a change, which `mdbook serve book/` does; the search field, because
//! its index takes long to compile.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use mdbook_driver::MDBook;

use crate::repository::Repository;
use crate::site::config;

/// `book open`: builds the book into `folder`, prints its path and opens it.
pub fn run(repository: &Repository, folder: &Path) -> anyhow::Result<ExitCode> {
    let page = build(&repository.book, folder)?;
    // Prints a path instead of a URL: a browser accepts both, and the reader can paste it.
    println!("{}", message(&page, |page| open::that_detached(page)));
    Ok(ExitCode::SUCCESS)
}

/// Builds the book into a folder. Returns the path of its first page.
pub fn build(book: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let mut config = config(book)?;
    config.build.build_dir = folder.to_path_buf();
    let book = MDBook::load_with_config(book, config).context("mdBook cannot read the book")?;
    book.build().context("mdBook cannot build the book")?;
    Ok(folder.join("index.html"))
}

/// Without a browser, as on a server, the command still succeeds: the book is built.
fn message(page: &Path, open_page: impl FnOnce(&Path) -> io::Result<()>) -> String {
    let path = page.display();
    match open_page(page) {
        Ok(()) => format!("the book is open in your browser: {path}"),
        Err(_) => format!("cannot start a browser; open this file in your browser: {path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_writes_the_first_page() {
        let folder = tempfile::tempdir().unwrap();

        let page = build(&Repository::current().book, &folder.path().join("book")).unwrap();

        let html = std::fs::read_to_string(&page).unwrap();
        assert!(html.contains("<main>"), "{html}");
    }

    #[test]
    fn message_contains_path_with_or_without_browser() {
        let page = Path::new("target/book/index.html");

        assert!(message(page, |_| Ok(())).ends_with("target/book/index.html"));
        let without = message(page, |_| Err(io::ErrorKind::NotFound.into()));
        assert!(
            without.contains("cannot start a browser")
                && without.ends_with("target/book/index.html"),
            "{without}"
        );
    }
}
