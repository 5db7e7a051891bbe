//! Rule for code blocks: the code begins at the first column, and fits the width of the page.
//!
//! mdBook includes the lines of a method with their indentation. The words `dedent4` and `dedent8`
//! after a block's language remove it, because `book.css` moves such blocks to the left.

use super::findings::Findings;
use super::pages::Pages;
use crate::page::{CodeBlock, Page};

/// How many columns a page has at a width of 1280 px.
const WIDTH: usize = 100;
/// `book.css` wraps the lines of these: recorded output, and migrations, which never change.
const WRAPPED: [&str; 2] = ["text", "sql"];
const DEDENT: &str = "dedent";

/// Checks the code blocks after the includes.
pub fn check(pages: Pages, findings: &mut Findings) {
    for (page, rendered) in pages {
        let expanded = Page::parse(page.file.clone(), rendered.expanded.clone()).blocks;
        // An included page can add code blocks. Then the two lists do not match, and the line is
        // unknown.
        let is_same = expanded.len() == page.blocks.len();
        for (index, block) in expanded.iter().enumerate() {
            let line = if is_same { page.blocks[index].line } else { 1 };
            for problem in problems(block) {
                findings.add(&page.file, line, problem);
            }
        }
    }
}

fn problems(block: &CodeBlock) -> Vec<String> {
    let lines = || block.text.lines().filter(|line| !line.trim().is_empty());
    let indentation = lines().map(|line| line.len() - line.trim_start_matches(' ').len());
    let (indentation, dedent) = (indentation.min().unwrap_or(0), dedent(block));
    let mut problems = Vec::new();
    if WRAPPED.contains(&block.language()) {
        return problems;
    }
    if indentation != dedent {
        let language = block.language();
        let info = if indentation == 0 {
            format!("remove `{DEDENT}{dedent}` after `{language}`")
        } else {
            format!("write `{DEDENT}{indentation}` after `{language}`")
        };
        problems.push(format!(
            "every line of this code block begins with {indentation} spaces; {info}"
        ));
    }
    let columns = |line: &str| line.chars().count().saturating_sub(indentation);
    if let Some(long) = lines().find(|line| columns(line) > WIDTH) {
        problems.push(format!(
            "`{}` has {} columns and the page has room for {WIDTH}; break the line",
            long.trim(),
            columns(long)
        ));
    }
    problems
}

/// By how many columns the style sheet moves the block to the left.
fn dedent(block: &CodeBlock) -> usize {
    let info = block.info.as_deref().unwrap_or_default();
    let mut words = info.split([',', ' ']);
    words
        .find_map(|word| word.strip_prefix(DEDENT)?.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(info: &str, text: &str) -> Vec<String> {
        problems(&CodeBlock {
            line: 1,
            end: 3,
            info: Some(info.to_owned()),
            text: text.to_owned(),
        })
    }

    #[test]
    fn indentation_must_be_removed() {
        let method = "    fn turn() {\n\n        next()\n    }\n";
        let problems = found("rust,ignore", method);
        assert!(
            problems.len() == 1 && problems[0].contains("write `dedent4` after `rust`"),
            "{problems:?}"
        );
        assert!(found("rust,ignore,dedent4", method).is_empty());
        assert!(found("rust,ignore,dedent8", method)[0].contains("`dedent4`"));
        assert!(found("rust,dedent4", "fn turn() {}\n")[0].contains("remove `dedent4`"));
    }

    #[test]
    fn lines_must_fit_the_page() {
        let line = format!("    {}\n", "é".repeat(WIDTH));
        assert!(found("rust,dedent4", &line).is_empty());
        let line = format!("{}\n", "x".repeat(WIDTH + 1));
        assert!(found("sh", &line)[0].contains("has 101 columns"));
        assert!(found("text", &line).is_empty(), "the style sheet wraps it");
    }
}
