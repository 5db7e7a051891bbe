//! Validates single values: ids in paths, search terms, texts that customers write.
//!
//! The extractors of chapter 1 have already checked that a value is present and has the right type.

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;

use ch01_clones::Problem;
use ch02_database::model::GENRES;
use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use utoipa::openapi::{Object, ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

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

/// A search term in the OpenAPI document: what [`search_term`] accepts.
pub(super) struct SearchTerm;

impl PartialSchema for SearchTerm {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .max_length(Some(MAX_SEARCH_CHARS))
            .pattern(Some(r"^[^\u0000-\u001F\u007F-\u009F]*$"))
            .into()
    }
}

impl ToSchema for SearchTerm {}

/// Checks a genre. `None` if it is empty: the pages send an empty genre for all games.
///
/// Fails with 400 if there is no such genre. An empty list would hide a typing error.
pub(super) fn genre(text: String) -> Result<Option<String>, Problem> {
    match search_term("genre", text)? {
        Some(genre) if !GENRES.contains(&genre.as_str()) => Err(Problem::bad_request(format!(
            "there is no genre `{genre}`; the genres are `{}`",
            GENRES.join("`, `")
        ))),
        genre => Ok(genre),
    }
}

/// A genre in the OpenAPI document: what [`genre`] accepts.
pub(super) struct Genre;

impl PartialSchema for Genre {
    fn schema() -> RefOr<Schema> {
        let values = GENRES.into_iter().chain([""]);
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(values))
            .into()
    }
}

impl ToSchema for Genre {}

/// Reads a field that may be missing but not `null`. Use it with `#[serde(default)]`.
pub(super) fn not_null<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// A whole number. For JSON Schema `5.0` is one too, and some programs write 5 like that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Integer<T>(pub T);

impl<'de, T: TryFrom<i64>> Deserialize<'de> for Integer<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_i64(IntegerVisitor(PhantomData))
    }
}

struct IntegerVisitor<T>(PhantomData<T>);

impl<T: TryFrom<i64>> Visitor<'_> for IntegerVisitor<T> {
    type Value = Integer<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "a whole number that fits into {}",
            type_name::<T>()
        )
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
        let value = T::try_from(number).map(Integer);
        value.map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        match i64::try_from(number) {
            Ok(number) => self.visit_i64(number),
            Err(_) => Err(E::invalid_value(Unexpected::Unsigned(number), &self)),
        }
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Self::Value, E> {
        // Up to 2^53 an `f64` holds every whole number exactly.
        if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 {
            self.visit_i64(number as i64)
        } else {
            Err(E::invalid_type(Unexpected::Float(number), &self))
        }
    }
}

/// Checks a text that a customer wrote. Trims it and normalises its line ends to `\n`.
///
/// Fails with 422 if the text is empty, has more than `max` characters, or has a control character
/// other than `\n` and `\t`.
pub(super) fn plain_text(name: &str, text: &str, max: usize) -> Result<String, Problem> {
    // A browser sends CR LF for a line end, but counts it as one character.
    let text = text.replace("\r\n", "\n");
    if text.contains(|c: char| c.is_control() && c != '\n' && c != '\t') {
        return Err(Problem::unprocessable(format!(
            "`{name}` is plain text: the only control characters in it are line ends and tabs"
        )));
    }
    let text = text.trim();
    let length = text.chars().count();
    if !(1..=max).contains(&length) {
        return Err(Problem::unprocessable(format!(
            "`{name}` has 1 to {max} characters, but this one has {length}"
        )));
    }
    Ok(text.to_owned())
}

/// A text of a customer in the OpenAPI document: what [`plain_text`] accepts. Spaces around a text
/// do not count, which a schema cannot say.
pub(super) fn plain_text_schema(max: usize, example: &str) -> Object {
    // Any characters, one character that is no space, any characters.
    let pattern = concat!(
        r"^(?:\r\n|[^\u0000-\u0008\u000B-\u001F\u007F-\u009F])*",
        r"[^\s\u0000-\u001F\u007F-\u009F]",
        r"(?:\r\n|[^\u0000-\u0008\u000B-\u001F\u007F-\u009F])*$",
    );
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(format!("1 to {max} characters of plain text.")))
        .min_length(Some(1))
        .max_length(Some(max))
        .pattern(Some(pattern))
        .examples([example])
        .build()
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
            "\rab",
            "ab\u{b}",
        ] {
            assert_eq!(text(bad), Err(422), "{bad:?} is accepted");
        }
    }
}
