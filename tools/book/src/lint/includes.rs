//! Rule for includes: the file exists, its anchor is opened and closed, and the lines exist.
//!
//! mdBook accepts all three mistakes. It shows an empty block for a missing anchor, includes the
//! rest of the file if an anchor is not closed, and only logs a missing file.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

use super::findings::Findings;
use super::pages::Pages;
use super::suggestion::did_you_mean;
use crate::page::LineIndex;

/// The same pattern as mdBook's. The first alternative skips escaped includes.
static INCLUDE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\\\{\{#.*\}\}|\{\{\s*#(\w+)\s+([^}]+)\}\}").expect("the pattern is valid")
});
static ANCHOR: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"ANCHOR(_END)?:\s*([\w-]+)").expect("the pattern is valid"));

/// mdBook expands nested includes to this depth.
const MAX_DEPTH: usize = 10;

/// Checks every include of every page. Returns the paths of all included files.
pub fn check(pages: Pages, source: &Path, findings: &mut Findings) -> BTreeSet<PathBuf> {
    let mut included = BTreeSet::new();
    for (page, rendered) in pages {
        let folder = rendered.source.parent().unwrap_or(Path::new(""));
        let lines = LineIndex::new(&page.text);
        for include in Include::all_in(&page.text) {
            let mut problems = Vec::new();
            include.check(&source.join(folder), 0, &mut included, &mut problems);
            for message in problems {
                findings.add(&page.file, lines.line_of(include.start), message);
            }
        }
    }
    included
}

struct Include<'page> {
    /// The start of the include on the page, in bytes.
    start: usize,
    /// The path, as the author wrote it.
    file: &'page str,
    /// The text after the path: an anchor, or lines such as `5:9`.
    selection: &'page str,
}

impl Include<'_> {
    fn all_in(text: &str) -> impl Iterator<Item = Include<'_>> {
        INCLUDE.captures_iter(text).filter_map(|found| {
            let kind = found.get(1)?.as_str();
            if !["include", "rustdoc_include", "playground"].contains(&kind) {
                return None;
            }
            let arguments = found.get(2)?.as_str();
            let target = arguments.split_whitespace().next()?;
            let (file, selection) = target.split_once(':').unwrap_or((target, ""));
            let start = found.get(0)?.start();
            Some(Include {
                start,
                file,
                selection,
            })
        })
    }

    fn check(
        &self,
        folder: &Path,
        depth: usize,
        included: &mut BTreeSet<PathBuf>,
        problems: &mut Vec<String>,
    ) {
        let file = self.file;
        if Path::new(file).is_absolute() {
            problems.push(format!(
                "`{file}` is an absolute path, which exists on one machine only; write it relative to this page's folder, as in `../../chapters/…`"
            ));
            return;
        }
        let path = normalised(&folder.join(file));
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if path.exists() => {
                problems.push(format!(
                    "`{file}` cannot be included: {error}; include a text file"
                ));
                return;
            }
            Err(_) => {
                problems.push(format!(
                    "the included file `{file}` does not exist; correct the path, which is relative to the page's folder"
                ));
                return;
            }
        };
        problems.extend(self.check_selection(&text));
        if included.insert(path.clone())
            && depth < MAX_DEPTH
            && path.extension().is_some_and(|it| it == "md")
        {
            let folder = path.parent().unwrap_or(folder);
            for include in Include::all_in(&text) {
                include.check(folder, depth + 1, included, problems);
            }
        }
    }

    /// Checks that `text` has the anchor or the lines that the include selects.
    fn check_selection(&self, text: &str) -> Option<String> {
        let (file, selection) = (self.file, self.selection);
        let first = selection.split(':').next().unwrap_or_default();
        if first.is_empty() || first.parse::<usize>().is_ok() {
            let count = text.lines().count();
            let numbers = selection
                .split(':')
                .filter_map(|number| number.parse::<usize>().ok());
            let beyond = numbers.max().filter(|last| *last > count)?;
            return Some(format!(
                "`{file}` has {count} lines and no line {beyond}; include an anchor, which moves with the code"
            ));
        }

        let markers = |end: bool| {
            let markers = text
                .lines()
                .enumerate()
                .filter_map(|(line, text)| Some((line, ANCHOR.captures(text)?)));
            markers.filter_map(move |(line, marker)| {
                (marker.get(1).is_some() == end)
                    .then(|| (line, marker.get(2).map_or("", |name| name.as_str())))
            })
        };
        let Some((opened, _)) = markers(false).find(|(_, name)| *name == first) else {
            let otherwise = format!(
                "put `ANCHOR: {first}` and `ANCHOR_END: {first}` into comments around the lines"
            );
            let hint = did_you_mean(first, markers(false).map(|(_, name)| name), &otherwise);
            return Some(format!(
                "`{file}` has no anchor `{first}`, so the block is empty{hint}"
            ));
        };
        let is_closed = markers(true).any(|(line, name)| name == first && line > opened);
        (!is_closed).then(|| {
            format!("anchor `{first}` of `{file}` is never closed, so mdBook includes the rest of the file; put `ANCHOR_END: {first}` after the lines")
        })
    }
}

/// Resolves `..`, so that two paths to the same file are equal.
fn normalised(path: &Path) -> PathBuf {
    let mut resolved = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                resolved.pop();
            }
            component => resolved.push(component),
        }
    }
    resolved
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(file: &str, selection: &str, text: &str) -> Option<String> {
        Include {
            start: 0,
            file,
            selection,
        }
        .check_selection(text)
    }

    #[test]
    fn includes_are_read_as_mdbook_reads_them() {
        let text = "a {{#include x.rs:y}} \\{{#include no.rs}} {{#title no.rs}}\n{{ #rustdoc_include z.rs:2:3 }}";

        let found: Vec<_> = Include::all_in(text)
            .map(|it| (it.file, it.selection))
            .collect();
        assert_eq!(found, [("x.rs", "y"), ("z.rs", "2:3")]);
    }

    #[test]
    fn an_anchor_is_opened_and_then_closed() {
        let closed = "// ANCHOR: a\nx\n// ANCHOR_END: a\n";
        assert_eq!(checked("f", "a", closed), None);
        assert!(
            checked("f", "b", closed)
                .unwrap()
                .contains("has no anchor `b`")
        );
        assert!(
            checked("f", "a", "// ANCHOR: a\nx\n")
                .unwrap()
                .contains("is never closed")
        );
        assert!(
            checked("f", "a", "// ANCHOR_END: a\n// ANCHOR: a\nx\n").is_some(),
            "it is closed before it is opened"
        );
        assert!(
            checked("f", "a", "// ANCHOR: a-b\n// ANCHOR_END: a-b\n").is_some(),
            "`a-b` is not `a`"
        );
    }

    #[test]
    fn a_misspelt_anchor_is_suggested() {
        let message = checked("f", "order", "// ANCHOR: orders\n// ANCHOR_END: orders\n").unwrap();
        assert!(message.ends_with("did you mean `orders`?"), "{message}");
    }

    #[test]
    fn lines_have_to_exist() {
        assert_eq!(checked("f", "1:2", "x\ny\n"), None);
        assert_eq!(checked("f", ":2", "x\ny\n"), None);
        assert_eq!(checked("f", "", "x\n"), None);
        assert!(checked("f", "2:3", "x\ny\n").unwrap().contains("no line 3"));
    }

    #[test]
    fn two_ways_to_a_file_are_one() {
        assert_eq!(normalised(Path::new("/a/b/../c")), Path::new("/a/c"));
    }
}
