//! The code blocks: each shows something, says in which language, and holds no `{{#` that mdBook did not know.

use super::findings::Findings;
use super::pages::Pages;
use crate::page::{Block, Page};

/// Checks the blocks as they are written and as they are expanded, and the text of the rendered page.
pub fn check(pages: Pages, findings: &mut Findings) {
    for (page, rendered) in pages {
        languages(page, findings);
        empty(page, &rendered.expanded, findings);
        leftovers(page, &rendered.html.text, findings);
    }
}

fn languages(page: &Page, findings: &mut Findings) {
    for block in &page.blocks {
        match &block.info {
            None => findings.add(
                &page.file,
                block.line,
                "this block is only indented; put it between ``` with a language".to_owned(),
            ),
            Some(_) if block.language().is_empty() => findings.add(
                &page.file,
                block.line,
                "this code block names no language; write one after the ```, or `text`".to_owned(),
            ),
            Some(_) => {}
        }
    }
}

/// Blocks that show nothing once everything is included.
fn empty(page: &Page, expanded: &str, findings: &mut Findings) {
    let expanded = Page::read(page.file.clone(), expanded.to_owned()).blocks;
    // Only an included page could bring in more blocks; then nobody knows which is which.
    let is_same = expanded.len() == page.blocks.len();
    for (index, block) in expanded.iter().enumerate() {
        let (line, end) = if is_same {
            (page.blocks[index].line, page.blocks[index].end)
        } else {
            (1, 1)
        };
        if shows_nothing(block) && !findings.is_any_between(&page.file, line, end) {
            let what = "this code block shows nothing; fill it, or remove it";
            findings.add(&page.file, line, what.to_owned());
        }
    }
}

/// In Rust, a line that begins with `# ` is hidden from the reader.
fn shows_nothing(block: &Block) -> bool {
    let is_hidden = |line: &str| {
        let line = line.trim();
        line.is_empty() || block.language() == "rust" && (line == "#" || line.starts_with("# "))
    };
    block.text.lines().all(is_hidden)
}

/// `{{#…` on the page that a reader gets.
fn leftovers(page: &Page, text: &str, findings: &mut Findings) {
    let mut seen = Vec::new();
    for (start, _) in text.match_indices("{{#") {
        let line = text[start..].lines().next().unwrap_or_default();
        let words = &line[..line.find("}}").map_or(line.len(), |end| end + 2)];
        // The second one of two is in the second line that has it.
        let earlier = seen.iter().filter(|other| **other == words).count();
        seen.push(words);
        let line = page.lines_with(words).nth(earlier);
        // If this page has no such line, it comes from an included one, and so did what is found already.
        let (first, last) = line.map_or((1, usize::MAX), |line| (line, line));
        if !findings.is_any_between(&page.file, first, last) {
            let what = format!(
                "mdBook does not know `{words}` and leaves it on the page; correct it (`{{{{#include FILE:ANCHOR}}}}`)"
            );
            findings.add(&page.file, line.unwrap_or(1), what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(info: &str, text: &str) -> Block {
        Block {
            line: 1,
            end: 3,
            info: Some(info.to_owned()),
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_block_of_blank_lines_shows_nothing() {
        assert!(shows_nothing(&block("text", "")));
        assert!(shows_nothing(&block("text", "\n  \n")));
        assert!(!shows_nothing(&block("text", "x\n")));
    }

    #[test]
    fn hidden_lines_are_hidden_in_rust_only() {
        assert!(shows_nothing(&block("rust,ignore", "# use a;\n#\n")));
        assert!(!shows_nothing(&block("rust", "#[test]\n")));
        assert!(!shows_nothing(&block("sh", "# a comment\n")));
    }
}
