//! The rendered book: [`Site::build`] lets mdBook expand and render the pages, and reads the
//! result.
//!
//! mdBook's library builds into a temporary folder with the book's `book.toml`. Left out: the
//! parts of a page around its text, such as the navigation, and the print page.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use anyhow::Context;
use html5gum::{Token, Tokenizer};
use mdbook_driver::MDBook;
use mdbook_driver::builtin_renderers::MarkdownRenderer;
use mdbook_driver::config::Config;
use mdbook_summary::Summary;
use walkdir::WalkDir;

use crate::repository::{read, to_slash_path};

/// A built book.
#[derive(Debug)]
pub struct Site {
    /// The pages in the order of the summary.
    pub pages: Vec<RenderedPage>,
    /// Every file, relative to the site's root, with `/`. A lookup in this list is case-sensitive,
    /// as on the readers' web server. The file systems of macOS and Windows are not.
    pub files: BTreeSet<String>,
}

/// A page: its source, its expanded Markdown and its HTML.
#[derive(Debug)]
pub struct RenderedPage {
    /// The Markdown file, relative to `src`.
    pub source: PathBuf,
    /// The HTML file, relative to the site's root, with `/`.
    pub path: String,
    /// The Markdown after mdBook expands the includes.
    pub expanded: String,
    /// The content of the `<main>` element.
    pub html: Html,
}

/// The parts of an HTML page that the lint checks.
#[derive(Debug, Default)]
pub struct Html {
    /// The targets of links such as `#heading`.
    pub ids: HashSet<String>,
    /// Every attribute that contains a link.
    pub references: Vec<Reference>,
    /// The `src` of images without an alt text.
    pub images_without_alt: Vec<String>,
    /// The text without tags, with entities decoded.
    pub text: String,
}

/// An attribute that contains a link.
#[derive(Debug)]
pub struct Reference {
    /// The tag and the attribute, such as `a href`.
    pub attribute: String,
    /// The target of the link.
    pub target: String,
}

/// The attributes that contain links.
const LINK_ATTRIBUTES: [&str; 5] = ["href", "src", "srcset", "data", "poster"];

/// Loads `book.toml`, and turns off the option that writes into `src`.
pub fn config(book: &Path) -> anyhow::Result<Config> {
    let mut config = Config::from_disk(book.join("book.toml"))?;
    // By default, mdBook creates missing pages of the summary.
    config.build.create_missing = false;
    Ok(config)
}

impl Site {
    /// Builds the pages of `summary` and reads them.
    pub fn build(book: &Path, summary: Summary) -> anyhow::Result<Site> {
        let folder = tempfile::tempdir().context("cannot create a temporary folder")?;
        let mut config = config(book)?;
        config.build.build_dir = folder.path().to_path_buf();
        // The print page repeats all pages.
        config.set("output.html.print.enable", false)?;
        let book = MDBook::load_with_config_and_summary(book, config, summary)?;
        book.build().context("mdBook cannot build the book")?;

        let mut pages = Vec::new();
        let (expanded, _) = book.preprocess_book(&MarkdownRenderer::new())?;
        for chapter in expanded.chapters() {
            let (Some(path), Some(source)) = (&chapter.path, &chapter.source_path) else {
                continue;
            };
            let path = path.with_extension("html");
            pages.push(RenderedPage {
                html: Html::parse_main(&read(&folder.path().join(&path))?),
                source: source.clone(),
                path: to_slash_path(&path),
                expanded: chapter.content.clone(),
            });
        }
        Ok(Site {
            pages,
            files: files_in(folder.path())?,
        })
    }

    /// The page with this path, such as `clones/index.html`.
    pub fn page(&self, path: &str) -> Option<&RenderedPage> {
        self.pages.iter().find(|page| page.path == path)
    }
}

/// All files in a folder, relative to it, with `/`.
pub fn files_in(folder: &Path) -> anyhow::Result<BTreeSet<String>> {
    let mut files = BTreeSet::new();
    for entry in WalkDir::new(folder) {
        let entry = entry?;
        if entry.file_type().is_file() {
            let path = entry
                .path()
                .strip_prefix(folder)
                .expect("the file is in the folder");
            files.insert(to_slash_path(path));
        }
    }
    Ok(files)
}

impl Html {
    /// Reads the content of `<main>`.
    pub fn parse_main(html: &str) -> Html {
        let mut parsed = Html::default();
        let mut is_main = false;
        for Ok(token) in Tokenizer::new(html) {
            match token {
                Token::StartTag(tag) if *tag.name == b"main"[..] => is_main = true,
                Token::EndTag(tag) if *tag.name == b"main"[..] => is_main = false,
                Token::StartTag(tag) if is_main => parsed.add_tag(&tag),
                Token::String(text) if is_main => {
                    parsed.text.push_str(&String::from_utf8_lossy(&text));
                }
                _ => {}
            }
        }
        parsed
    }

    fn add_tag(&mut self, tag: &html5gum::StartTag<()>) {
        let name = String::from_utf8_lossy(&tag.name);
        let attribute = |key: &str| {
            let value = tag.attributes.get(key.as_bytes())?;
            Some(String::from_utf8_lossy(value).into_owned())
        };
        self.ids.extend(attribute("id"));
        if name == "a" {
            self.ids.extend(attribute("name"));
        }
        for link_attribute in LINK_ATTRIBUTES {
            let Some(value) = attribute(link_attribute) else {
                continue;
            };
            let attribute = format!("{name} {link_attribute}");
            if link_attribute == "srcset" {
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
            self.images_without_alt
                .push(attribute("src").unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_main_element_is_read() {
        let html = Html::parse_main(
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
    fn every_link_attribute_is_read() {
        let html = Html::parse_main(
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
    fn image_without_alt_text_is_found() {
        let html =
            Html::parse_main("<main><img src=a><img src=b alt=' '><img src=c alt=words></main>");

        assert_eq!(html.images_without_alt, ["a", "b"]);
    }
}
