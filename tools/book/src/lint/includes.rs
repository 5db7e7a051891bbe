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
use crate::page::Lines;

/// The same pattern as mdBook's. The first alternative skips escaped includes.
static INCLUDE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\\\{\{#.*\}\}|\{\{\s*#(\w+)\s+([^}]+)\}\}").expect("it is tested")
});
static ANCHOR: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"ANCHOR(_END)?:\s*([\w-]+)").expect("it is tested"));

/// mdBook expands nested includes to this depth.
const MAX_DEPTH: usize = 10;

/// Checks every include of every page. Returns the paths of all included files.
pub fn check(pages: Pages, source: &Path, findings: &mut Findings) -> BTreeSet<PathBuf> {
    let mut included = BTreeSet::new();
    for (page, rendered) in pages {
        let folder = rendered.source.parent().unwrap_or(Path::new(""));
        let lines = Lines::of(&page.text);
        for include in Include::all_in(&page.text) {
            let mut checked = Vec::new();
            include.check(&source.join(folder), 0, &mut included, &mut checked);
            for what in checked {
                findings.add(&page.file, lines.at(include.start), what);
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
    part: &'page str,
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
            let (file, part) = target.split_once(':').unwrap_or((target, ""));
            let start = found.get(0)?.start();
            Some(Include { start, file, part })
        })
    }

    fn check(
        &self,
        folder: &Path,
        depth: usize,
        included: &mut BTreeSet<PathBuf>,
        checked: &mut Vec<String>,
    ) {
        let file = self.file;
        if Path::new(file).is_absolute() {
            checked.push(format!(
                "`{file}` is a path of one machine; write it from this page's folder on, as in `../../chapters/…`"
            ));
            return;
        }
        let path = normalised(&folder.join(file));
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if path.exists() => {
                checked.push(format!(
                    "`{file}` cannot be included: {error}; include a text file"
                ));
                return;
            }
            Err(_) => {
                checked.push(format!(
                    "`{file}` is included and does not exist; correct the path, which begins at the page's folder"
                ));
                return;
            }
        };
        checked.extend(self.check_part(&text));
        if included.insert(path.clone())
            && depth < MAX_DEPTH
            && path.extension().is_some_and(|it| it == "md")
        {
            let folder = path.parent().unwrap_or(folder);
            for include in Include::all_in(&text) {
                include.check(folder, depth + 1, included, checked);
            }
        }
    }

    /// Checks that `text` has the anchor or the lines that the include selects.
    fn check_part(&self, text: &str) -> Option<String> {
        let (file, part) = (self.file, self.part);
        let first = part.split(':').next().unwrap_or_default();
        if first.is_empty() || first.parse::<usize>().is_ok() {
            let count = text.lines().count();
            let numbers = part
                .split(':')
                .filter_map(|number| number.parse::<usize>().ok());
            let beyond = numbers.max().filter(|last| *last > count)?;
            return Some(format!(
                "`{file}` has {count} lines and no line {beyond}; include an anchor, which moves with the code"
            ));
        }

        let marks = |end: bool| {
            let marks = text
                .lines()
                .enumerate()
                .filter_map(|(line, text)| Some((line, ANCHOR.captures(text)?)));
            marks.filter_map(move |(line, mark)| {
                (mark.get(1).is_some() == end)
                    .then(|| (line, mark.get(2).map_or("", |name| name.as_str())))
            })
        };
        let Some((opened, _)) = marks(false).find(|(_, name)| *name == first) else {
            let otherwise = format!(
                "put `ANCHOR: {first}` and `ANCHOR_END: {first}` into comments around the lines"
            );
            let hint = did_you_mean(first, marks(false).map(|(_, name)| name), &otherwise);
            return Some(format!(
                "`{file}` has no anchor `{first}`, so nothing is shown{hint}"
            ));
        };
        let is_closed = marks(true).any(|(line, name)| name == first && line > opened);
        (!is_closed).then(|| {
            format!("anchor `{first}` of `{file}` is never closed, so the rest of the file is shown; put `ANCHOR_END: {first}` after the lines")
        })
    }
}

/// Resolves `..`, so that two paths to the same file are equal.
fn normalised(path: &Path) -> PathBuf {
    let mut whole = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                whole.pop();
            }
            part => whole.push(part),
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(file: &str, part: &str, text: &str) -> Option<String> {
        Include {
            start: 0,
            file,
            part,
        }
        .check_part(text)
    }

    #[test]
    fn includes_are_read_as_mdbook_reads_them() {
        let text = "a {{#include x.rs:y}} \\{{#include no.rs}} {{#title no.rs}}\n{{ #rustdoc_include z.rs:2:3 }}";

        let found: Vec<_> = Include::all_in(text).map(|it| (it.file, it.part)).collect();
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
        let said = checked("f", "order", "// ANCHOR: orders\n// ANCHOR_END: orders\n").unwrap();
        assert!(said.ends_with("did you mean `orders`?"), "{said}");
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
