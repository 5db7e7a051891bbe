//! Rule for Markdown files outside the book, such as the README: their links and the names in
//! them.
//!
//! Readers see these files on a web site that shows the repository. So each link is a path of the
//! repository. Left out: how the site renders them.

use std::ffi::OsStr;
use std::path::PathBuf;

use super::findings::Findings;
use super::links::{is_external, percent_decode};
use super::names;
use super::suggestion::did_you_mean;
use crate::page::{Page, Snippet};
use crate::repository::{Names, Repository, join_paths, read};

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
        let page = Page::parse(repository.relative_path(file), read(file)?);
        for link in &page.links {
            if let Some(message) = check_link(link, &page, repository) {
                findings.add(&page.file, link.line, message);
            }
        }
        names::check(&page, repository, known, findings);
        count += 1;
    }
    Ok(count)
}

fn check_link(link: &Snippet, from: &Page, repository: &Repository) -> Option<String> {
    let target = &link.text;
    if is_external(target) {
        return None;
    }
    let (path, fragment) = target.split_once('#').unwrap_or((target, ""));
    let target_file = if path.is_empty() {
        from.file.clone()
    } else {
        let folder = from.file.rsplit_once('/').map_or("", |(folder, _)| folder);
        let target_file = join_paths(folder, &percent_decode(path))
            .filter(|target_file| repository.root.join(target_file).exists());
        let Some(target_file) = target_file else {
            return Some(format!(
                "`{target}` is a dead link; correct the path, which is relative to this file's folder"
            ));
        };
        target_file
    };
    let path = repository.root.join(&target_file);
    if fragment.is_empty() || path.extension() != Some(OsStr::new("md")) {
        return None;
    }
    let page = Page::parse(target_file.clone(), read(&path).ok()?);
    let ids: Vec<String> = page
        .headings
        .iter()
        .map(|heading| heading_id(&heading.text))
        .collect();
    let fragment = percent_decode(fragment);
    if ids.contains(&fragment) {
        return None;
    }
    let hint = did_you_mean(
        &fragment,
        ids.iter().map(String::as_str),
        "use one of that file's headings",
    );
    Some(format!(
        "`{target}` is a dead link: `{target_file}` has no `#{fragment}`{hint}"
    ))
}

/// The anchor that web sites such as GitHub create for a heading: lower case, a hyphen for each
/// space, no punctuation.
fn heading_id(heading: &str) -> String {
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
        assert_eq!(heading_id("What up does, and why"), "what-up-does-and-why");
        assert_eq!(heading_id("1. Ça_va?"), "1-ça_va");
    }
}
