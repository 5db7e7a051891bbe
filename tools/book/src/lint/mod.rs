//! The lint finds mistakes in the book that mdBook accepts.
//!
//! [`lint`] reads the repository once and builds the book once. Then each rule runs, one per file:
//! [`summary`], [`includes`], [`fences`], [`columns`], [`links`], [`images`], [`sessions`], and
//! [`names`] of paths, tests, packages and commands. [`outside`] checks the Markdown files outside
//! the book, such as the README.
//!
//! A test of this package lints this repository's book, so `cargo test` finds mistakes too.

pub mod columns;
pub mod fences;
pub mod findings;
pub mod images;
pub mod includes;
pub mod links;
pub mod names;
pub mod outside;
pub mod pages;
pub mod sessions;
pub mod suggestion;
pub mod summary;

use std::process::ExitCode;

use self::findings::Findings;
use self::pages::Pages;
use crate::finding::Report;
use crate::page::Page;
use crate::repository::{Repository, read};
use crate::site::Site;

/// `book lint`: prints the report. The exit code is a failure if there is a finding.
pub fn run(repository: &Repository) -> anyhow::Result<ExitCode> {
    let report = lint(repository)?;
    println!("{report}");
    Ok(if report.findings().is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Builds the book and runs every rule.
///
/// # Errors
///
/// If a file cannot be read, or if mdBook cannot build the book.
pub fn lint(repository: &Repository) -> anyhow::Result<Report> {
    let mut findings = Findings::default();
    let files = repository.files()?;
    let known = repository.read_names(&files)?;
    let source = repository
        .book
        .join(crate::site::config(&repository.book)?.book.src);

    let (summary, listed) = summary::read(repository, &source, &mut findings)?;
    let site = Site::build(&repository.book, summary)?;
    let mut pages = Vec::new();
    for rendered in &site.pages {
        let path = source.join(&rendered.source);
        pages.push((
            Page::parse(repository.relative_path(&path), read(&path)?),
            rendered,
        ));
    }
    let pages: Pages = &pages;

    // The includes come first. Their findings explain an empty block and a `{{#` that is left.
    let included = includes::check(pages, &source, &mut findings);
    summary::check_orphans(repository, &source, &listed, &included, &mut findings)?;
    fences::check(pages, &mut findings);
    columns::check(pages, &mut findings);
    links::check(pages, &site, &mut findings);
    images::check(pages, repository, &source, &mut findings)?;
    sessions::check(repository, &source, &mut findings)?;
    names::check_command_list(&known, &mut findings);
    for (page, _) in pages {
        names::check(page, repository, &known, &mut findings);
    }
    let other_files = outside::check(repository, &files, &known, &mut findings)?;

    Ok(Report::new(pages.len() + other_files, findings.into_vec()))
}
