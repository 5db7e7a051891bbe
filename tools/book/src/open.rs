//! Shows the book: builds it into `target/book` and asks the system to open it in a browser.
//!
//! Left out: building again when a page changes, which `mdbook serve book/` does, and the search field, whose index takes longer to compile
//! than everything else here.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use mdbook_driver::MDBook;

use crate::repository::Repository;
use crate::site::config;

/// `book open`: builds, tells where the book is, and opens it.
pub fn run(repository: &Repository) -> anyhow::Result<ExitCode> {
    let page = build(&repository.book, &repository.root.join("target/book"))?;
    // A path and no address: a browser takes both, and a person can paste it.
    println!("{}", show(&page, |page| open::that_detached(page)));
    Ok(ExitCode::SUCCESS)
}

/// Builds the book into a folder. Returned is its first page.
pub fn build(book: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let mut config = config(book)?;
    config.build.build_dir = folder.to_path_buf();
    let book = MDBook::load_with_config(book, config).context("mdBook could not read the book")?;
    book.build().context("mdBook could not build the book")?;
    Ok(folder.join("index.html"))
}

/// A machine without a browser, such as a server, is no reason to fail: the book is there.
fn show(page: &Path, opens: impl FnOnce(&Path) -> io::Result<()>) -> String {
    let place = page.display();
    match opens(page) {
        Ok(()) => format!("the book is open in your browser: {place}"),
        Err(_) => format!("no browser could be started; open this file in one: {place}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_book_is_built_and_its_first_page_is_there() {
        let folder = tempfile::tempdir().unwrap();

        let page = build(&Repository::here().book, &folder.path().join("book")).unwrap();

        let html = std::fs::read_to_string(&page).unwrap();
        assert!(html.contains("<main>"), "{html}");
    }

    #[test]
    fn the_place_is_told_with_and_without_a_browser() {
        let page = Path::new("target/book/index.html");

        assert!(show(page, |_| Ok(())).ends_with("target/book/index.html"));
        let without = show(page, |_| Err(io::ErrorKind::NotFound.into()));
        assert!(
            without.contains("no browser") && without.ends_with("target/book/index.html"),
            "{without}"
        );
    }
}
