//! Rule for links: each link to a file or a heading of the book has a target.
//!
//! The rule checks the attributes of the rendered HTML. Left out: links to other sites.

use percent_encoding::percent_decode_str;

use super::findings::Findings;
use super::pages::Pages;
use super::suggestion::did_you_mean;
use crate::page::Page;
use crate::repository::join;
use crate::site::{Reference, Rendered, Site};

/// Checks every reference of every page.
pub fn check(pages: Pages, site: &Site, findings: &mut Findings) {
    for (page, rendered) in pages {
        let mut dead: Vec<&str> = Vec::new();
        for reference in &rendered.html.references {
            if let Some(what) = follow(reference, rendered, site) {
                // The second dead link to a target is in the second line that contains the target,
                // if there is one: mdBook renders an image twice.
                let earlier = dead
                    .iter()
                    .filter(|target| **target == reference.target)
                    .count();
                dead.push(&reference.target);
                findings.add(&page.file, line(page, &reference.target, earlier), what);
            }
        }
    }
}

/// The problem of this reference, if there is one.
fn follow(reference: &Reference, from: &Rendered, site: &Site) -> Option<String> {
    let Reference { attribute, target } = reference;
    if target.starts_with("file:") {
        return Some(format!(
            "`{target}` leads into one machine; name the path in backticks instead"
        ));
    }
    if leads_elsewhere(target) {
        return None;
    }
    if target.starts_with('/') {
        return Some(format!(
            "`{target}` begins at the site's root, which is not the book's; begin at this page's folder"
        ));
    }

    let (path, fragment) = target.split_once('#').unwrap_or((target, ""));
    let path = decoded(path.split('?').next().unwrap_or_default());
    let fragment = decoded(fragment);
    let arrived = if path.is_empty() {
        from.path.clone()
    } else {
        let folder = from.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let Some(arrived) = join(folder, &path) else {
            return Some(format!(
                "`{target}` ({attribute}) leads out of the book, where a reader has nothing; name the path in backticks instead"
            ));
        };
        if site.files.contains(&arrived) {
            arrived
        } else {
            let index = join(&arrived, "index.html").unwrap_or_default();
            if !site.files.contains(&index) {
                let hint = did_you_mean(
                    &arrived,
                    site.files.iter().map(String::as_str),
                    "correct it, or write the page",
                );
                return Some(format!(
                    "`{target}` ({attribute}) leads to nothing: the book has no `{arrived}`{hint}"
                ));
            }
            index
        }
    };

    let page = site.page(&arrived)?;
    if fragment.is_empty() || page.html.ids.contains(&fragment) {
        return None;
    }
    let hint = did_you_mean(
        &fragment,
        page.html.ids.iter().map(String::as_str),
        "correct it after that page's headings",
    );
    Some(format!(
        "`{target}` leads to no heading: `{arrived}` has no `#{fragment}`{hint}"
    ))
}

/// Whether the target is outside the site: `https:…`, `mailto:…`, `//host/…`.
pub fn leads_elsewhere(target: &str) -> bool {
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
pub fn decoded(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}

/// The line of the Markdown that contains this target, or 1. mdBook replaces `.md` by `.html`, so
/// the function searches for both.
fn line(page: &Page, target: &str, earlier: usize) -> usize {
    let written = target.replacen(".html", ".md", 1);
    for candidate in [&written, target, &decoded(&written), &decoded(target)] {
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
            assert!(leads_elsewhere(target), "{target}");
        }
        for target in ["a.html", "../a.html#b:c", "#a", "a b:c"] {
            assert!(!leads_elsewhere(target), "{target}");
        }
    }
}
