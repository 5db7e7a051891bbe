//! Rule for the summary: each entry has a page, and each page has an entry.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use mdbook_summary::{Summary, SummaryItem, parse_summary};

use super::findings::Findings;
use crate::page::{Page, Snippet};
use crate::repository::{self, Repository};
use crate::site::files_in;

/// Reads the summary, and finds entries without a page. Such an entry becomes a draft, so that
/// mdBook can build the other pages.
///
/// Returns the summary and the paths of its pages, relative to `source`.
pub fn read(
    repository: &Repository,
    source: &Path,
    findings: &mut Findings,
) -> anyhow::Result<(Summary, BTreeSet<PathBuf>)> {
    let path = source.join("SUMMARY.md");
    let text = repository::read(&path)?;
    let mut summary =
        parse_summary(&text).with_context(|| format!("mdBook cannot read {}", path.display()))?;
    let mut entries = Entries {
        page: Page::parse(repository.relative_path(&path), text),
        source,
        listed: BTreeSet::new(),
        findings,
    };
    entries.check(&mut summary.prefix_chapters);
    entries.check(&mut summary.numbered_chapters);
    entries.check(&mut summary.suffix_chapters);
    Ok((summary, entries.listed))
}

struct Entries<'lint> {
    page: Page,
    source: &'lint Path,
    listed: BTreeSet<PathBuf>,
    findings: &'lint mut Findings,
}

impl Entries<'_> {
    fn check(&mut self, items: &mut [SummaryItem]) {
        for item in items {
            let SummaryItem::Link(entry) = item else {
                continue;
            };
            match &entry.location {
                None => {
                    let line = self
                        .page
                        .lines_with(&format!("[{}]", entry.name))
                        .next()
                        .unwrap_or(1);
                    let message = format!(
                        "\"{}\" is a draft, an entry without a page; write the page, or remove the entry",
                        entry.name
                    );
                    self.findings.add(&self.page.file, line, message);
                }
                Some(location) if self.source.join(location).is_file() => {
                    self.listed.insert(location.clone());
                }
                Some(location) => {
                    let location = repository::to_slash_path(location);
                    let is_same_page = |link: &&Snippet| {
                        repository::join_paths("", &link.text).as_deref() == Some(&location)
                    };
                    let line = self
                        .page
                        .links
                        .iter()
                        .find(is_same_page)
                        .map_or(1, |link| link.line);
                    let message = format!(
                        "the page `{location}` does not exist; write it, or remove the entry"
                    );
                    self.findings.add(&self.page.file, line, message);
                    entry.location = None;
                }
            }
            self.check(&mut entry.nested_items);
        }
    }
}

/// Finds pages that are not in the summary. A file that a page includes needs no entry.
pub fn check_orphans(
    repository: &Repository,
    source: &Path,
    listed: &BTreeSet<PathBuf>,
    included: &BTreeSet<PathBuf>,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let listed: BTreeSet<String> = listed
        .iter()
        .map(|path| repository::to_slash_path(path))
        .collect();
    for file in files_in(source)? {
        let path = source.join(&file);
        // mdBook uses these two files without an entry.
        let is_special = file == "SUMMARY.md" || file == "404.md";
        let is_page = path.extension() == Some(OsStr::new("md")) && !is_special;
        if is_page && !listed.contains(&file) && !included.contains(&path) {
            let message = "SUMMARY.md does not name this page, so readers cannot reach it; add an entry, or remove the page";
            findings.add(&repository.relative_path(&path), 1, message.to_owned());
        }
    }
    Ok(())
}
