//! What a reader sees of one section of a page of the book: [`visible_section`].

use std::collections::HashSet;
use std::path::Path;

use crate::exercises::repository::read_text;

/// The section below the heading with this anchor, up to the next heading of the same or a higher
/// level. Includes are expanded, and parts in `<details>` are left out. `None` if no heading has
/// the anchor.
pub fn visible_section(page: &Path, anchor: &str) -> Option<String> {
    let text = read_text(page).unwrap_or_default();
    let mut used = HashSet::new();
    let mut section: Option<(usize, String)> = None;
    let mut is_code = false;
    let mut folded = 0;
    for line in text.lines() {
        is_code ^= line.trim_start().starts_with("```");
        if let (false, Some((level, title))) = (is_code, heading(line)) {
            let is_wanted = unique_anchor(title, &mut used) == anchor;
            match &section {
                Some((own_level, _)) if level <= *own_level => break,
                None if is_wanted => section = Some((level, String::new())),
                _ => {}
            }
        }
        let mut is_folded = folded > 0 || line.contains("<details");
        if !is_code {
            folded += line.matches("<details").count();
            folded = folded.saturating_sub(line.matches("</details>").count());
        }
        is_folded |= folded > 0;
        if let (false, Some((_, visible))) = (is_folded, &mut section) {
            visible.push_str(included(page, line).as_deref().unwrap_or(line));
            visible.push('\n');
        }
    }
    section.map(|(_, visible)| visible)
}

/// The level and the title of a heading.
fn heading(line: &str) -> Option<(usize, &str)> {
    let title = line.trim_start_matches('#');
    let level = line.len() - title.len();
    (level > 0 && title.starts_with(' ')).then(|| (level, title.trim()))
}

/// The anchor that mdBook gives to a heading (`id_from_content` and `unique_id` in mdbook-html).
fn unique_anchor(title: &str, used: &mut HashSet<String>) -> String {
    if let Some((_, id)) = title.rsplit_once("{#") {
        return id.trim_end_matches('}').to_owned();
    }
    // Of a link, only its text counts.
    let mut parts = title.split("](");
    let text: String = parts.next().into_iter().map(str::to_owned).collect();
    let text = parts.fold(text, |text, part| {
        text + part.split_once(')').map_or("", |(_, rest)| rest)
    });
    let text = text.to_lowercase().replace(char::is_whitespace, "-");
    let id = text.replace(
        |char: char| !char.is_alphanumeric() && !"_-".contains(char),
        "",
    );
    let numbered = (1..).map(|number| format!("{id}-{number}"));
    let mut candidates = std::iter::once(id.clone()).chain(numbered);
    let free = candidates.find(|id| used.insert(id.clone()));
    free.unwrap_or_default()
}

/// The lines that `{{#include FILE:ANCHOR}}` includes. Line numbers are not supported.
fn included(page: &Path, line: &str) -> Option<String> {
    let (_, include) = line.split_once("include ")?;
    let (file, anchor) = include.split_once("}}")?.0.rsplit_once(':')?;
    let text = read_text(&page.parent()?.join(file)).ok()?;
    let is_mark = |line: &&str, mark: &str| line.split(mark).nth(1).map(str::trim) == Some(anchor);
    let lines = text.lines().skip_while(|line| !is_mark(line, "ANCHOR: "));
    let lines = lines.take_while(|line| !is_mark(line, "ANCHOR_END: "));
    Some(lines.skip(1).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::fixture::TempCheckout;

    #[test]
    fn section_is_what_a_reader_sees() {
        let checkout = TempCheckout::new();
        checkout.write("a.rs", "no\n// ANCHOR: x\nincluded\n// ANCHOR_END: x\nno\n");
        checkout.write(
            "src/page.md",
            "# Page\n## The `pick` of [one](x.md), now\nfirst\n```sh\n# comment\n```\n### Below\n\
             <details><summary>no</summary>\nfolded\n</details>\n{{#include ../a.rs:x}}\n\
             <details>folded</details>\n## Next\nother\n## Next\nlast\n## Named {#own}\n",
        );
        let page = checkout.repository().root().join("src/page.md");
        let section = |anchor| visible_section(&page, anchor);
        assert_eq!(
            section("the-pick-of-one-now").unwrap(),
            "## The `pick` of [one](x.md), now\nfirst\n```sh\n# comment\n```\n### Below\nincluded\n"
        );
        assert_eq!(section("next-1").unwrap(), "## Next\nlast\n");
        assert!(section("own").is_some());
        assert!(section("page").unwrap().ends_with("{#own}\n"));
        assert_eq!(section("missing"), None);
    }
}
