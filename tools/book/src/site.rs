//! The book as a reader gets it: [`Site::build`] lets mdBook expand and render it, and reads the result.
//!
//! Built through mdBook's library into a temporary folder, with the book's own `book.toml`. Left out: the pages around the text (navigation,
//! the page to print), which are mdBook's own.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use anyhow::Context;
use html5gum::{Token, Tokenizer};
use mdbook_driver::MDBook;
use mdbook_driver::builtin_renderers::MarkdownRenderer;
use mdbook_driver::config::Config;
use mdbook_summary::Summary;
use walkdir::WalkDir;

use crate::repository::{read, slashes};

/// A built book.
#[derive(Debug)]
pub struct Site {
    /// The pages that the summary names, in its order.
    pub pages: Vec<Rendered>,
    /// Every file, below the site's root, with `/`. A list, because on macOS and Windows the file system would answer for `Page.html`
    /// when asked for `page.html`, and the web server of the readers would not.
    pub files: BTreeSet<String>,
}

/// A page, in the forms that it takes on its way to the reader.
#[derive(Debug)]
pub struct Rendered {
    /// The Markdown file, below `src`.
    pub source: PathBuf,
    /// The HTML file, below the site's root, with `/`.
    pub path: String,
    /// The Markdown with everything included that it includes.
    pub expanded: String,
    /// What the page says between its own `<main>` and `</main>`.
    pub html: Html,
}

/// What the lint wants to know of a page of HTML.
#[derive(Debug, Default)]
pub struct Html {
    /// What can follow a `#`.
    pub ids: HashSet<String>,
    /// Every attribute that leads somewhere.
    pub references: Vec<Reference>,
    /// The `src` of the images that say nothing to those who cannot see them.
    pub without_alt: Vec<String>,
    /// The text, without tags and with entities resolved.
    pub text: String,
}

/// An attribute that leads somewhere.
#[derive(Debug)]
pub struct Reference {
    /// The tag and the attribute: `a href`.
    pub attribute: String,
    /// Where it leads.
    pub target: String,
}

/// All attributes by which a page of a book can lead somewhere.
const LEADING: [&str; 5] = ["href", "src", "srcset", "data", "poster"];

/// The book's configuration, with nothing in it that writes into `src`.
pub fn config(book: &Path) -> anyhow::Result<Config> {
    let mut config = Config::from_disk(book.join("book.toml"))?;
    // Its default is to create the pages that a summary names and that are missing.
    config.build.create_missing = false;
    Ok(config)
}

impl Site {
    /// Builds the pages that `summary` names, and reads them.
    pub fn build(book: &Path, summary: Summary) -> anyhow::Result<Site> {
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let mut config = config(book)?;
        config.build.build_dir = folder.path().to_path_buf();
        // The page to print holds all pages again.
        config.set("output.html.print.enable", false)?;
        let book = MDBook::load_with_config_and_summary(book, config, summary)?;
        book.build().context("mdBook could not build the book")?;

        let mut pages = Vec::new();
        let (expanded, _) = book.preprocess_book(&MarkdownRenderer::new())?;
        for chapter in expanded.chapters() {
            let (Some(path), Some(source)) = (&chapter.path, &chapter.source_path) else {
                continue;
            };
            let path = path.with_extension("html");
            pages.push(Rendered {
                html: Html::of_main(&read(&folder.path().join(&path))?),
                source: source.clone(),
                path: slashes(&path),
                expanded: chapter.content.clone(),
            });
        }
        Ok(Site {
            pages,
            files: files_below(folder.path())?,
        })
    }

    /// The page at a path such as `clones/index.html`.
    pub fn page(&self, path: &str) -> Option<&Rendered> {
        self.pages.iter().find(|page| page.path == path)
    }
}

/// All files of a folder, below it, with `/`.
pub fn files_below(folder: &Path) -> anyhow::Result<BTreeSet<String>> {
    let mut files = BTreeSet::new();
    for entry in WalkDir::new(folder) {
        let entry = entry?;
        if entry.file_type().is_file() {
            let path = entry
                .path()
                .strip_prefix(folder)
                .expect("it lies in the folder");
            files.insert(slashes(path));
        }
    }
    Ok(files)
}

impl Html {
    /// Reads what stands in `<main>`.
    pub fn of_main(html: &str) -> Html {
        let mut read = Html::default();
        let mut is_main = false;
        for Ok(token) in Tokenizer::new(html) {
            match token {
                Token::StartTag(tag) if *tag.name == b"main"[..] => is_main = true,
                Token::EndTag(tag) if *tag.name == b"main"[..] => is_main = false,
                Token::StartTag(tag) if is_main => read.tag(&tag),
                Token::String(text) if is_main => {
                    read.text.push_str(&String::from_utf8_lossy(&text));
                }
                _ => {}
            }
        }
        read
    }

    fn tag(&mut self, tag: &html5gum::StartTag<()>) {
        let name = String::from_utf8_lossy(&tag.name);
        let attribute = |wanted: &str| {
            let value = tag.attributes.get(wanted.as_bytes())?;
            Some(String::from_utf8_lossy(value).into_owned())
        };
        self.ids.extend(attribute("id"));
        if name == "a" {
            self.ids.extend(attribute("name"));
        }
        for leading in LEADING {
            let Some(value) = attribute(leading) else {
                continue;
            };
            let attribute = format!("{name} {leading}");
            if leading == "srcset" {
                // `small.png 1x, large.png 2x`
                let targets = value
                    .split(',')
                    .filter_map(|candidate| candidate.split_whitespace().next());
                self.references.extend(targets.map(|target| Reference {
                    attribute: attribute.clone(),
                    target: target.to_owned(),
                }));
            } else {
                self.references.push(Reference {
                    attribute,
                    target: value,
                });
            }
        }
        if name == "img" && attribute("alt").is_none_or(|alt| alt.trim().is_empty()) {
            self.without_alt.push(attribute("src").unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_in_main_is_read() {
        let html = Html::of_main(
            "<a href=no>x</a><main><h2 id=yes>a &lt; b</h2><a name=old></a></main><img src=no>",
        );

        assert_eq!(
            html.ids,
            HashSet::from(["yes".to_owned(), "old".to_owned()])
        );
        assert_eq!(html.text, "a < b");
        assert!(html.references.is_empty(), "{:?}", html.references);
    }

    #[test]
    fn every_attribute_that_leads_somewhere_is_read() {
        let html = Html::of_main(
            "<main><a href=a><img src='b?c&amp;d' srcset='e 1x, f 2x' alt=g><object data=h></object></main>",
        );

        let read: Vec<_> = html
            .references
            .iter()
            .map(|it| format!("{}={}", it.attribute, it.target))
            .collect();
        assert_eq!(
            read,
            [
                "a href=a",
                "img src=b?c&d",
                "img srcset=e",
                "img srcset=f",
                "object data=h"
            ]
        );
    }

    #[test]
    fn an_image_needs_words() {
        let html =
            Html::of_main("<main><img src=a><img src=b alt=' '><img src=c alt=words></main>");

        assert_eq!(html.without_alt, ["a", "b"]);
    }
}
