//! Rule for images: each has an alt text, and each SVG drawing is legible on a light and on a dark
//! page.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

use html5gum::{Token, Tokenizer};

use super::findings::Findings;
use super::pages::Pages;
use crate::repository::{Repository, read};
use crate::site::files_in;

/// Checks the images on the pages, and every SVG file of the book.
pub fn check(
    pages: Pages,
    repository: &Repository,
    source: &Path,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    for (page, rendered) in pages {
        for image in &rendered.html.images_without_alt {
            let line = page.lines_with(image).next().unwrap_or(1);
            let message = format!(
                "image `{image}` has no alt text; write between the brackets what it shows"
            );
            findings.add(&page.file, line, message);
        }
    }
    for file in files_in(source)? {
        let path = source.join(&file);
        if path.extension() != Some(OsStr::new("svg")) {
            continue;
        }
        for message in drawing_problems(&read(&path)?) {
            findings.add(&repository.relative_path(&path), 1, message.to_owned());
        }
    }
    Ok(())
}

/// The problems of a drawing.
fn drawing_problems(svg: &str) -> Vec<&'static str> {
    let tags = tags(svg);
    let has_text_in = |name: &str| tags.iter().any(|tag| tag.name == name && tag.has_text);
    let mut problems = Vec::new();
    if !has_text_in("title") {
        problems.push("this drawing has no <title>; add one that names the drawing");
    }
    if !has_text_in("desc") {
        problems.push("this drawing has no <desc>; add one that describes what the drawing shows");
    }
    if !has_background(&tags) {
        problems.push("this drawing has no background, so it is not legible on a dark page; start it with a filled <rect> of the size of its viewBox");
    }
    problems
}

struct Tag {
    /// In lower case, as are the names of the attributes.
    name: String,
    attributes: BTreeMap<String, String>,
    /// Whether text follows the tag.
    has_text: bool,
}

impl Tag {
    fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

fn tags(svg: &str) -> Vec<Tag> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut tags: Vec<Tag> = Vec::new();
    for Ok(token) in Tokenizer::new(svg) {
        match token {
            Token::StartTag(tag) => tags.push(Tag {
                name: text(&tag.name),
                attributes: tag
                    .attributes
                    .iter()
                    .map(|(name, value)| (text(name), text(value)))
                    .collect(),
                has_text: false,
            }),
            Token::String(text_after) => {
                if let Some(last) = tags.last_mut() {
                    last.has_text |= !text_after.trim_ascii().is_empty();
                }
            }
            _ => {}
        }
    }
    tags
}

/// Whether a filled rectangle covers the drawing, or its style sets a background. CSS classes are
/// not checked.
fn has_background(tags: &[Tag]) -> bool {
    let Some(root) = tags.iter().find(|tag| tag.name == "svg") else {
        return false;
    };
    if root.attribute("style").contains("background") {
        return true;
    }
    let sizes: Vec<&str> = root
        .attribute("viewbox")
        .split([' ', ','])
        .filter(|part| !part.is_empty())
        .collect();
    let (width, height) = match sizes[..] {
        [_, _, width, height] => (width, height),
        _ => (root.attribute("width"), root.attribute("height")),
    };
    let covers = |size: &str, whole: &str| size == "100%" || !size.is_empty() && size == whole;
    tags.iter().filter(|tag| tag.name == "rect").any(|rect| {
        let is_empty = rect.attribute("fill") == "none"
            || rect
                .attribute("style")
                .replace(' ', "")
                .contains("fill:none");
        covers(rect.attribute("width"), width)
            && covers(rect.attribute("height"), height)
            && !is_empty
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r##"<svg viewBox="0 0 96 52"><title>A</title><desc>B</desc><rect width="96" height="52" fill="#fff"/></svg>"##;

    #[test]
    fn a_good_drawing_lacks_nothing() {
        assert!(
            drawing_problems(GOOD).is_empty(),
            "{:?}",
            drawing_problems(GOOD)
        );
        assert!(
            drawing_problems(&GOOD.replace("96\" height=\"52", "100%\" height=\"100%")).is_empty()
        );
    }

    #[test]
    fn drawing_needs_title_description_and_background() {
        for (removed, replacement, problem) in [
            ("<title>A</title>", "", "<title>"),
            ("<title>A</title>", "<title></title>", "<title>"),
            ("<desc>B</desc>", "", "<desc>"),
            ("height=\"52\"", "height=\"50\"", "background"),
            ("#fff", "none", "background"),
            ("<rect", "<path", "background"),
        ] {
            let found = drawing_problems(&GOOD.replace(removed, replacement));
            assert!(
                found.len() == 1 && found[0].contains(problem),
                "{removed} → {replacement}: {found:?}"
            );
        }
    }
}
