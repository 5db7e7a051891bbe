//! What a single value must be before a handler believes it: ids in paths, words to search for, text that customers write.
//!
//! That a value is there at all and of the right type is the business of chapter 1's extractors. Left out: bad language, and
//! characters that look like others.

use ch01_clones::Problem;
use serde::Deserialize;

/// The longest text to search for, in characters. The search field of our own pages lets in as many.
pub(super) const MAX_SEARCH_CHARS: usize = 100;

/// A number in a path, written in the one way in which we write it ourselves: `7`, and not `+7` or `007`.
///
/// A thing with many names is many things to every cache on the way, and a change is then told to one of them only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Id(pub i64);

impl TryFrom<String> for Id {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.parse::<i64>() {
            Ok(id) if id.to_string() == text => Ok(Id(id)),
            Ok(id) => Err(format!("`{text}` is written `{id}` here")),
            Err(error) => Err(format!("`{text}` is no id: {error}")),
        }
    }
}

/// A word to search for, or `None` if it is empty. 400 for one that no title or genre can contain.
///
/// Without the limit, how much work a search is would be up to whoever asks; SQLite itself gives up on long patterns only.
pub(super) fn search_term(name: &str, text: String) -> Result<Option<String>, Problem> {
    let length = text.chars().count();
    if length > MAX_SEARCH_CHARS {
        return Err(Problem::bad_request(format!(
            "`{name}` has up to {MAX_SEARCH_CHARS} characters, and this one has {length}"
        )));
    }
    if text.contains(char::is_control) {
        return Err(Problem::bad_request(format!(
            "`{name}` has a control character in it (written `%00` to `%1F` or `%7F` in a URL); leave it out"
        )));
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}

/// Text that a customer wrote: without the spaces around it, and with lines ended as Unix does. 422 if it is empty, longer than
/// `max` characters, or has characters that a person cannot have typed.
pub(super) fn plain_text(name: &str, text: &str, max: usize) -> Result<String, Problem> {
    // A browser sends what was typed on several lines with CR LF between them, and counts one character for both.
    let text = text.trim().replace("\r\n", "\n");
    let length = text.chars().count();
    if !(1..=max).contains(&length) {
        return Err(Problem::unprocessable(format!(
            "`{name}` has 1 to {max} characters, and this one has {length}"
        )));
    }
    if text.contains(|c: char| c.is_control() && c != '\n' && c != '\t') {
        return Err(Problem::unprocessable(format!(
            "`{name}` is plain text: of the control characters it may have line ends and tabs only"
        )));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
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
                "{text:?} is a second name for something, or no name"
            );
        }
    }

    #[test]
    fn text_is_trimmed_and_its_line_ends_are_those_of_unix() {
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
            assert_eq!(text(bad), Err(422), "{bad:?}");
        }
    }
}
