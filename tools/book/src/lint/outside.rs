//! Rule for Markdown files outside the book, such as the README: their links and the names in
//! them.
//!
//! Readers see these files on a web site that shows the repository. So each link is a path of the
//! repository. Left out: how the site renders them.

use std::ffi::OsStr;
use std::path::PathBuf;

use super::findings::Findings;
use super::links::{decoded, leads_elsewhere};
use super::names;
use super::suggestion::did_you_mean;
use crate::page::{Page, Piece};
use crate::repository::{Names, Repository, join, read};

/// Checks every Markdown file outside the book. Returns the number of files.
pub fn check(
    repository: &Repository,
    files: &[PathBuf],
    known: &Names,
    findings: &mut Findings,
) -> anyhow::Result<usize> {
    let is_outside = |file: &&PathBuf| {
        file.extension() == Some(OsStr::new("md")) && !file.starts_with(&repository.book)
    };
    let mut count = 0;
    for file in files.iter().filter(is_outside) {
        let page = Page::read(repository.name(file), read(file)?);
        for link in &page.links {
            if let Some(what) = follow(link, &page, repository) {
                findings.add(&page.file, link.line, what);
            }
        }
        names::check(&page, repository, known, findings);
        count += 1;
    }
    Ok(count)
}

fn follow(link: &Piece, from: &Page, repository: &Repository) -> Option<String> {
    let target = &link.text;
    if leads_elsewhere(target) {
        return None;
    }
    let (path, fragment) = target.split_once('#').unwrap_or((target, ""));
    let arrived = if path.is_empty() {
        from.file.clone()
    } else {
        let folder = from.file.rsplit_once('/').map_or("", |(folder, _)| folder);
        let arrived =
            join(folder, &decoded(path)).filter(|arrived| repository.root.join(arrived).exists());
        let Some(arrived) = arrived else {
            return Some(format!(
                "`{target}` leads to nothing; correct the path, which begins at this file's folder"
            ));
        };
        arrived
    };
    let path = repository.root.join(&arrived);
    if fragment.is_empty() || path.extension() != Some(OsStr::new("md")) {
        return None;
    }
    let page = Page::read(arrived.clone(), read(&path).ok()?);
    let ids: Vec<String> = page
        .headings
        .iter()
        .map(|heading| id(&heading.text))
        .collect();
    let fragment = decoded(fragment);
    if ids.contains(&fragment) {
        return None;
    }
    let hint = did_you_mean(
        &fragment,
        ids.iter().map(String::as_str),
        "correct it after that file's headings",
    );
    Some(format!(
        "`{target}` leads to no heading: `{arrived}` has no `#{fragment}`{hint}"
    ))
}

/// The anchor that web sites such as GitHub create for a heading: lower case, a hyphen for each
/// space, no punctuation.
fn id(heading: &str) -> String {
    let letters = heading.trim().chars().filter_map(|it| match it {
        ' ' => Some('-'),
        it if it.is_alphanumeric() || it == '-' || it == '_' => Some(it),
        _ => None,
    });
    letters.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heading_becomes_an_id() {
        assert_eq!(id("What up does, and why"), "what-up-does-and-why");
        assert_eq!(id("1. Ça_va?"), "1-ça_va");
    }
}
