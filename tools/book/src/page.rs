//! A Markdown page before mdBook expands it: [`Page::parse`] finds the code, the links and the
//! headings, each with its line.
//!
//! It uses mdBook's parser with the same options, so both see the same blocks. Left out: included
//! text, which [`crate::site`] reads.

use mdbook_markdown::pulldown_cmark::{CodeBlockKind, Event, Tag, TagEnd};
use mdbook_markdown::{MarkdownOptions, new_cmark_parser};

/// A Markdown file.
#[derive(Debug)]
pub struct Page {
    /// The file, relative to the repository's root.
    pub file: String,
    /// The whole text of the file.
    pub text: String,
    /// The code blocks, in order.
    pub blocks: Vec<CodeBlock>,
    /// The text in backticks inside paragraphs and headings.
    pub inline_code: Vec<Snippet>,
    /// The targets of links and images, as the author wrote them.
    pub links: Vec<Snippet>,
    /// The text of the headings, without markup.
    pub headings: Vec<Snippet>,
}

/// A code block.
#[derive(Debug)]
pub struct CodeBlock {
    /// The first line of the block.
    pub line: usize,
    /// The last line of the block.
    pub end: usize,
    /// The text after the opening backticks: `rust,ignore`, `console`, `text`. None for an
    /// indented block.
    pub info: Option<String>,
    /// The content of the block.
    pub text: String,
}

impl CodeBlock {
    /// The language without attributes: `rust` for `rust,ignore`.
    pub fn language(&self) -> &str {
        let info = self.info.as_deref().unwrap_or_default();
        info.split([',', ' ']).next().unwrap_or_default()
    }
}

/// A text and its line.
#[derive(Debug)]
pub struct Snippet {
    /// The line, from 1.
    pub line: usize,
    /// The text.
    pub text: String,
}

impl Page {
    /// Reads Markdown.
    pub fn parse(file: String, text: String) -> Page {
        let line_index = LineIndex::new(&text);
        let (mut blocks, mut inline_code, mut links, mut headings) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut is_block = false;
        let mut is_heading = false;

        for (event, range) in
            new_cmark_parser(&text, &MarkdownOptions::default()).into_offset_iter()
        {
            let line = line_index.line_of(range.start);
            match event {
                Event::Start(Tag::CodeBlock(kind)) => {
                    is_block = true;
                    let info = match kind {
                        CodeBlockKind::Fenced(info) => Some(info.trim().to_owned()),
                        CodeBlockKind::Indented => None,
                    };
                    let end = line_index.line_of(range.end.saturating_sub(1));
                    let text = String::new();
                    blocks.push(CodeBlock {
                        line,
                        end,
                        info,
                        text,
                    });
                }
                Event::End(TagEnd::CodeBlock) => is_block = false,
                Event::Start(Tag::Heading { .. }) => {
                    is_heading = true;
                    let text = String::new();
                    headings.push(Snippet { line, text });
                }
                Event::End(TagEnd::Heading(_)) => is_heading = false,
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    let text = dest_url.into_string();
                    links.push(Snippet { line, text });
                }
                Event::Text(text) if is_block => {
                    blocks
                        .last_mut()
                        .expect("a start tag comes first")
                        .text
                        .push_str(&text);
                }
                Event::Text(text) if is_heading => {
                    headings
                        .last_mut()
                        .expect("a start tag comes first")
                        .text
                        .push_str(&text);
                }
                Event::Code(text) => {
                    if is_heading {
                        headings
                            .last_mut()
                            .expect("a start tag comes first")
                            .text
                            .push_str(&text);
                    }
                    let text = text.into_string();
                    inline_code.push(Snippet { line, text });
                }
                _ => {}
            }
        }
        Page {
            file,
            text,
            blocks,
            inline_code,
            links,
            headings,
        }
    }

    /// The lines that contain this text, in order.
    pub fn lines_with<'page>(&'page self, text: &'page str) -> impl Iterator<Item = usize> + 'page {
        let lines = self.text.lines().enumerate();
        lines
            .filter(move |(_, line)| line.contains(text))
            .map(|(index, _)| index + 1)
    }
}

/// The start of each line, in bytes.
pub struct LineIndex(Vec<usize>);

impl LineIndex {
    /// Finds the lines of a text.
    pub fn new(text: &str) -> LineIndex {
        let line_starts = text.match_indices('\n').map(|(index, _)| index + 1);
        LineIndex(std::iter::once(0).chain(line_starts).collect())
    }

    /// The line that contains this byte, from 1.
    pub fn line_of(&self, byte: usize) -> usize {
        self.0.partition_point(|start| *start <= byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> Page {
        Page::parse("page.md".to_owned(), text.to_owned())
    }

    #[test]
    fn page_elements_are_found_with_lines() {
        let page = page(
            "# A `b` *c*\n\nSee [d](e.md#f) and `g`.\n\n```rust,ignore\nh\ni\n```\n\n    indented\n",
        );

        assert_eq!(
            (page.headings[0].line, page.headings[0].text.as_str()),
            (1, "A b c")
        );
        assert_eq!(
            (page.links[0].line, page.links[0].text.as_str()),
            (3, "e.md#f")
        );
        assert_eq!(
            (page.inline_code[1].line, page.inline_code[1].text.as_str()),
            (3, "g")
        );
        let [fenced, indented] = &page.blocks[..] else {
            panic!("{:?}", page.blocks)
        };
        assert_eq!((fenced.line, fenced.end, fenced.language()), (5, 8, "rust"));
        assert_eq!(fenced.text, "h\ni\n");
        assert_eq!((indented.line, &indented.info), (10, &None));
    }

    #[test]
    fn code_in_list_and_details_is_found() {
        let page =
            page("- item\n\n  ```sh\n  ls\n  ```\n\n<details>\n\n```text\nx\n```\n\n</details>\n");

        let found: Vec<_> = page
            .blocks
            .iter()
            .map(|block| (block.line, block.language()))
            .collect();
        assert_eq!(found, [(3, "sh"), (9, "text")]);
    }
}
