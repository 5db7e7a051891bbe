//! Rule for code blocks: a block is not empty, names its language, and contains no `{{#` that
//! mdBook does not know.

use super::findings::Findings;
use super::pages::Pages;
use crate::page::{CodeBlock, Page};

/// Checks the code blocks before and after the includes, and the text of the rendered page.
pub fn check(pages: Pages, findings: &mut Findings) {
    for (page, rendered) in pages {
        check_languages(page, findings);
        check_empty_blocks(page, &rendered.expanded, findings);
        check_unexpanded(page, &rendered.html.text, findings);
    }
}

fn check_languages(page: &Page, findings: &mut Findings) {
    for block in &page.blocks {
        match &block.info {
            None => findings.add(
                &page.file,
                block.line,
                "this code block is only indented; put it between ``` and name its language"
                    .to_owned(),
            ),
            Some(_) if block.language().is_empty() => findings.add(
                &page.file,
                block.line,
                "this code block names no language; write a language or `text` after the ```"
                    .to_owned(),
            ),
            Some(_) => {}
        }
    }
}

/// Finds blocks that are empty after mdBook expands the includes.
fn check_empty_blocks(page: &Page, expanded: &str, findings: &mut Findings) {
    let expanded = Page::parse(page.file.clone(), expanded.to_owned()).blocks;
    // An included page can add code blocks. Then the two lists do not match, and the line is
    // unknown.
    let is_same = expanded.len() == page.blocks.len();
    for (index, block) in expanded.iter().enumerate() {
        let (line, end) = if is_same {
            (page.blocks[index].line, page.blocks[index].end)
        } else {
            (1, 1)
        };
        if is_empty_on_page(block) && !findings.has_finding_between(&page.file, line, end) {
            let message = "this code block is empty; fill it, or remove it";
            findings.add(&page.file, line, message.to_owned());
        }
    }
}

/// mdBook hides the lines of a Rust block that begin with `# `.
fn is_empty_on_page(block: &CodeBlock) -> bool {
    let is_hidden = |line: &str| {
        let line = line.trim();
        line.is_empty() || block.language() == "rust" && (line == "#" || line.starts_with("# "))
    };
    block.text.lines().all(is_hidden)
}

/// Finds each `{{#` that is left on the rendered page.
fn check_unexpanded(page: &Page, text: &str, findings: &mut Findings) {
    let mut seen = Vec::new();
    for (start, _) in text.match_indices("{{#") {
        let line = text[start..].lines().next().unwrap_or_default();
        let helper = &line[..line.find("}}").map_or(line.len(), |end| end + 2)];
        // The second occurrence on the page is in the second line that contains the text.
        let earlier = seen.iter().filter(|other| **other == helper).count();
        seen.push(helper);
        let line = page.lines_with(helper).nth(earlier);
        // If no line of this page contains the text, an included page does. Then an earlier
        // finding explains it.
        let (first, last) = line.map_or((1, usize::MAX), |line| (line, line));
        if !findings.has_finding_between(&page.file, first, last) {
            let message = format!(
                "mdBook does not know `{helper}` and leaves it on the page; correct it (`{{{{#include FILE:ANCHOR}}}}`)"
            );
            findings.add(&page.file, line.unwrap_or(1), message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(info: &str, text: &str) -> CodeBlock {
        CodeBlock {
            line: 1,
            end: 3,
            info: Some(info.to_owned()),
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_block_of_blank_lines_shows_nothing() {
        assert!(is_empty_on_page(&block("text", "")));
        assert!(is_empty_on_page(&block("text", "\n  \n")));
        assert!(!is_empty_on_page(&block("text", "x\n")));
    }

    #[test]
    fn hidden_lines_are_hidden_in_rust_only() {
        assert!(is_empty_on_page(&block("rust,ignore", "# use a;\n#\n")));
        assert!(!is_empty_on_page(&block("rust", "#[test]\n")));
        assert!(!is_empty_on_page(&block("sh", "# a comment\n")));
    }
}
