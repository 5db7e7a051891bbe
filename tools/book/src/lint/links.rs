//! Rule for links: each link to a file or a heading of the book has a target.
//!
//! The rule checks the attributes of the rendered HTML. Left out: links to other sites.

use percent_encoding::percent_decode_str;

use super::findings::Findings;
use super::pages::Pages;
use super::suggestion::did_you_mean;
use crate::page::Page;
use crate::repository::join_paths;
use crate::site::{Reference, RenderedPage, Site};

/// Checks every reference of every page.
pub fn check(pages: Pages, site: &Site, findings: &mut Findings) {
    for (page, rendered) in pages {
        let mut dead: Vec<&str> = Vec::new();
        for reference in &rendered.html.references {
            if let Some(message) = check_reference(reference, rendered, site) {
                // The second dead link to a target is in the second line that contains the target,
                // if there is one: mdBook renders an image twice.
                let earlier = dead
                    .iter()
                    .filter(|target| **target == reference.target)
                    .count();
                dead.push(&reference.target);
                findings.add(
                    &page.file,
                    line_of_target(page, &reference.target, earlier),
                    message,
                );
            }
        }
    }
}

/// The problem of this reference, if there is one.
fn check_reference(reference: &Reference, from: &RenderedPage, site: &Site) -> Option<String> {
    let Reference { attribute, target } = reference;
    if target.starts_with("file:") {
        return Some(format!(
            "`{target}` is a link to a local file; write the path in backticks instead"
        ));
    }
    if is_external(target) {
        return None;
    }
    if target.starts_with('/') {
        return Some(format!(
            "`{target}` starts at the site's root, which may differ from the book's root; write a path relative to this page"
        ));
    }

    let (path, fragment) = target.split_once('#').unwrap_or((target, ""));
    let path = percent_decode(path.split('?').next().unwrap_or_default());
    let fragment = percent_decode(fragment);
    let target_file = if path.is_empty() {
        from.path.clone()
    } else {
        let folder = from.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let Some(target_file) = join_paths(folder, &path) else {
            return Some(format!(
                "`{target}` ({attribute}) leads to a file outside the book, which the site does not contain; write the path in backticks instead"
            ));
        };
        if site.files.contains(&target_file) {
            target_file
        } else {
            let index = join_paths(&target_file, "index.html").unwrap_or_default();
            if !site.files.contains(&index) {
                let hint = did_you_mean(
                    &target_file,
                    site.files.iter().map(String::as_str),
                    "correct it, or write the page",
                );
                return Some(format!(
                    "`{target}` ({attribute}) is a dead link: the book has no `{target_file}`{hint}"
                ));
            }
            index
        }
    };

    let page = site.page(&target_file)?;
    if fragment.is_empty() || page.html.ids.contains(&fragment) {
        return None;
    }
    let hint = did_you_mean(
        &fragment,
        page.html.ids.iter().map(String::as_str),
        "use one of that page's headings",
    );
    Some(format!(
        "`{target}` is a dead link: `{target_file}` has no `#{fragment}`{hint}"
    ))
}

/// Whether the target is outside the site: `https:…`, `mailto:…`, `//host/…`.
pub fn is_external(target: &str) -> bool {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|it: char| it.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|it| it.is_ascii_alphanumeric() || "+-.".contains(it))
    };
    target.starts_with("//")
        || target
            .split_once(':')
            .is_some_and(|(scheme, _)| is_scheme(scheme))
}

/// Decodes percent encoding: `caf%C3%A9` becomes `café`.
pub fn percent_decode(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}

/// The line of the Markdown that contains this target, or 1. mdBook replaces `.md` by `.html`, so
/// the function searches for both.
fn line_of_target(page: &Page, target: &str, earlier: usize) -> usize {
    let written = target.replacen(".html", ".md", 1);
    for candidate in [
        &written,
        target,
        &percent_decode(&written),
        &percent_decode(target),
    ] {
        let lines: Vec<usize> = page.lines_with(candidate).collect();
        if let Some(line) = lines.get(earlier).or(lines.last()) {
            return *line;
        }
    }
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_sites_are_told_from_files() {
        for target in [
            "https://example.org/x",
            "mailto:a@example.org",
            "//example.org",
            "data:image/png;base64,x",
        ] {
            assert!(is_external(target), "{target}");
        }
        for target in ["a.html", "../a.html#b:c", "#a", "a b:c"] {
            assert!(!is_external(target), "{target}");
        }
    }
}
