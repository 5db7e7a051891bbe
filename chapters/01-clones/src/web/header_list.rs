//! Reads header fields that hold a list, such as `Accept: text/html, */*`, member by member.
//!
//! A field value is bytes, not text (RFC 9110, section 5.5): `theme=café` is valid. A reader that
//! turns the whole line into text loses all its members because of one that it does not need. So
//! each member is judged by itself, and the reader skips those that it does not understand. Several
//! lines of the same name are one list (RFC 9110, section 5.3).

use cookie::Cookie;
use http::header::COOKIE;
use http::{HeaderMap, HeaderName};

/// How the members of a list may contain a comma.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quotes {
    /// The members are words without quotes: `Connection`, `Upgrade`.
    None,
    /// A quoted part has no escapes: entity tags (RFC 9110, section 8.8.3).
    Plain,
    /// A backslash escapes the next byte: quoted strings (RFC 9110, section 5.6.4), as in the
    /// parameters of `Accept` and `Cache-Control`.
    Escaped,
}

/// The members of a list, in order, without the spaces around them. Skips empty members.
///
/// ```
/// use ch01_clones::web::header_list::{Quotes, members};
/// use http::{HeaderMap, HeaderValue, header::ACCEPT};
///
/// let mut headers = HeaderMap::new();
/// headers.append(ACCEPT, HeaderValue::from_bytes(b"x/\xe9, text/html").unwrap());
/// headers.append(ACCEPT, HeaderValue::from_static(r#"a/b;c=",", */*"#));
/// let ranges: Vec<&[u8]> = members(&headers, &ACCEPT, Quotes::Escaped).collect();
/// assert_eq!(ranges, [&b"x/\xe9"[..], b"text/html", br#"a/b;c=",""#, b"*/*"]);
/// ```
pub fn members<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    quotes: Quotes,
) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(name).iter();
    lines
        .flat_map(move |line| split(line.as_bytes(), b',', quotes))
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}

/// Like [`members`], for readers that know only members of text. Skips the others.
pub fn text_members<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    quotes: Quotes,
) -> impl Iterator<Item = &'a str> {
    members(headers, name, quotes).filter_map(|member| str::from_utf8(member).ok())
}

/// The values of the request's cookies of this name, in order. A browser sends several if their
/// paths or domains differ.
pub fn cookie_values(headers: &HeaderMap, name: &str) -> impl Iterator<Item = String> {
    let lines = headers.get_all(COOKIE).iter();
    lines
        .flat_map(|line| split(line.as_bytes(), b';', Quotes::None))
        .filter_map(|pair| Cookie::parse(str::from_utf8(pair).ok()?).ok())
        .filter(move |cookie| cookie.name() == name)
        .map(|cookie| cookie.value().to_owned())
}

/// The parts between the separators that are not inside quotes.
pub fn split(text: &[u8], separator: u8, mut quotes: Quotes) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = end_of_part(text, separator, &mut quotes);
        rest = text.get(end + 1..);
        Some(&text[..end])
    })
}

/// A quote that is never closed is an ordinary byte. Otherwise one broken member would hide all
/// that follow. The search for the end of the quoted part then stops for the rest of the line, so
/// the number of steps is proportional to the length of the line.
fn end_of_part(text: &[u8], separator: u8, quotes: &mut Quotes) -> usize {
    let mut position = 0;
    while position < text.len() {
        if text[position] == b'"' && *quotes != Quotes::None {
            match length_of_quoted(&text[position..], *quotes) {
                Some(length) => {
                    position += length;
                    continue;
                }
                None => *quotes = Quotes::None,
            }
        }
        if text[position] == separator {
            return position;
        }
        position += 1;
    }
    text.len()
}

/// The length of the quoted part at the start, with both quotes. `None` if it has no end.
fn length_of_quoted(text: &[u8], quotes: Quotes) -> Option<usize> {
    let mut position = 1;
    loop {
        match text.get(position)? {
            b'"' => return Some(position + 1),
            b'\\' if quotes == Quotes::Escaped => position += 2,
            _ => position += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::VARY;

    use super::*;

    fn split_list(list: &str, quotes: Quotes) -> Vec<String> {
        // Each character is a byte.
        let bytes: Vec<u8> = list.chars().map(|char| char as u8).collect();
        let mut headers = HeaderMap::new();
        headers.append(VARY, HeaderValue::from_bytes(&bytes).unwrap());
        members(&headers, &VARY, quotes)
            .map(|member| member.iter().map(|byte| char::from(*byte)).collect())
            .collect()
    }

    #[test]
    fn commas_in_quotes_separate_nothing() {
        use Quotes::{Escaped, None, Plain};
        let table: &[(Quotes, &str, &[&str])] = &[
            (None, "", &[]),
            (None, " ,, a ,\tb,", &["a", "b"]),
            (None, "\u{e9}, b", &["\u{e9}", "b"]),
            (None, "\"a,b\"", &["\"a", "b\""]),
            (Plain, "\"a,b\", \"c\"", &["\"a,b\"", "\"c\""]),
            // A backslash in an entity tag is an ordinary byte.
            (Plain, "\"\\\", \"c\"", &["\"\\\"", "\"c\""]),
            (Escaped, "\"\\\", \", c", &["\"\\\", \"", "c"]),
            (Plain, "\"a, b", &["\"a", "b"]),
            (Escaped, "\"a\\", &["\"a\\"]),
            (Escaped, "a;b=\", c, d", &["a;b=\"", "c", "d"]),
        ];
        for (quotes, list, expected) in table {
            assert_eq!(
                split_list(list, *quotes),
                *expected,
                "{list:?} with {quotes:?}"
            );
        }
    }

    #[test]
    fn foreign_cookie_hides_no_other_cookie() {
        let mut headers = HeaderMap::new();
        let line = b"theme=caf\xe9; id=1;id = 2 ; =; broken;; name=\"x";
        headers.append(COOKIE, HeaderValue::from_bytes(line).unwrap());
        headers.append(COOKIE, HeaderValue::from_static("id=3"));
        let ids: Vec<String> = cookie_values(&headers, "id").collect();
        assert_eq!(ids, ["1", "2", "3"]);
        assert_eq!(cookie_values(&headers, "theme").count(), 0);
    }
}
