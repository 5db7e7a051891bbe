//! Validates single values: ids in paths, search terms, texts that customers write.
//!
//! The extractors of chapter 1 have already checked that a value is present and has the right type.

use ch01_clones::Problem;
use serde::Deserialize;

/// The maximum length of a search term, in characters. The search field of the pages has the same
/// limit.
pub(super) const MAX_SEARCH_CHARS: usize = 100;

/// A number in a path, in its canonical form: `7`, but not `+7` or `007`.
///
/// A cache stores a response under its URL. With several URLs for one game, an invalidation would
/// miss some copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Id(pub i64);

impl TryFrom<String> for Id {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.parse::<i64>() {
            Ok(id) if id.to_string() == text => Ok(Id(id)),
            Ok(id) => Err(format!("`{text}` is written `{id}` here")),
            Err(error) => Err(format!("`{text}` is not an id: {error}")),
        }
    }
}

/// Checks a search term. `None` if it is empty.
///
/// Fails with 400 if the term is too long or has a control character. The limit bounds the work of
/// a search.
pub(super) fn search_term(name: &str, text: String) -> Result<Option<String>, Problem> {
    let length = text.chars().count();
    if length > MAX_SEARCH_CHARS {
        return Err(Problem::bad_request(format!(
            "`{name}` has up to {MAX_SEARCH_CHARS} characters, but this one has {length}"
        )));
    }
    if text.contains(char::is_control) {
        return Err(Problem::bad_request(format!(
            "`{name}` has a control character (written `%00` to `%1F` or `%7F` in a URL); \
             leave it out"
        )));
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}

/// Checks a text that a customer wrote. Trims it and normalises its line ends to `\n`.
///
/// Fails with 422 if the text is empty, has more than `max` characters, or has a control character
/// other than `\n` and `\t`.
pub(super) fn plain_text(name: &str, text: &str, max: usize) -> Result<String, Problem> {
    // A browser sends CR LF for a line end, but counts it as one character.
    let text = text.trim().replace("\r\n", "\n");
    let length = text.chars().count();
    if !(1..=max).contains(&length) {
        return Err(Problem::unprocessable(format!(
            "`{name}` has 1 to {max} characters, but this one has {length}"
        )));
    }
    if text.contains(|c: char| c.is_control() && c != '\n' && c != '\t') {
        return Err(Problem::unprocessable(format!(
            "`{name}` is plain text: the only control characters in it are line ends and tabs"
        )));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_has_one_spelling() {
        let id = |text: &str| Id::try_from(text.to_owned()).ok();
        assert_eq!(id("7"), Some(Id(7)));
        assert_eq!(id("-1"), Some(Id(-1)));
        for text in [
            "+7",
            "007",
            "-0",
            " 7",
            "7 ",
            "",
            "7.0",
            "٧",
            "9223372036854775808",
        ] {
            assert_eq!(
                id(text),
                None,
                "{text:?} is not the canonical form of an id"
            );
        }
    }

    #[test]
    fn plain_text_is_trimmed_and_normalised() {
        let text =
            |text: &str| plain_text("text", text, 10).map_err(|problem| problem.status().as_u16());
        assert_eq!(text(" one\r\n\ttwo \r\n"), Ok("one\n\ttwo".to_owned()));
        assert_eq!(text("ten, é日本語x\r\n"), Ok("ten, é日本語x".to_owned()));
        for bad in [
            "",
            " \r\n ",
            "12345678901",
            "a\u{0}b",
            "a\rb",
            "a\u{1b}[1m",
            "a\u{7f}",
            "a\u{85}b",
        ] {
            assert_eq!(text(bad), Err(422), "{bad:?} is accepted");
        }
    }
}
