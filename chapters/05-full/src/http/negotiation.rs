//! Content negotiation: JSON for programs, HTML for browsers, by the header `Accept`.
//!
//! Follows RFC 9110, section 12.5.1, except that parameters of a media range such as
//! `text/html;level=1` are ignored.

use std::cmp::Reverse;

use ch01_clones::web::header_list::{Quotes, split, text_members};
use http::HeaderMap;
use http::header::ACCEPT;

/// Whether the client prefers HTML to JSON. `curl` sends `*/*` and gets JSON.
pub(super) fn wants_html(headers: &HeaderMap) -> bool {
    let accept = text_members(headers, &ACCEPT, Quotes::Escaped);
    let ranges: Vec<_> = accept.map(MediaRange::parse).collect();
    let html = Preference::of(["text/html", "text/*", "*/*"], &ranges);
    let json = Preference::of(["application/json", "application/*", "*/*"], &ranges);
    html.weight > 0.0 && html > json
}

/// One item of `Accept`: a media range with its weight.
struct MediaRange<'a> {
    name: &'a str,
    /// 0 to 1. 0 means "not acceptable".
    weight: f32,
}

impl<'a> MediaRange<'a> {
    /// An invalid weight counts as 0.
    fn parse(text: &'a str) -> Self {
        let mut parts = split(text.as_bytes(), b';', Quotes::Escaped)
            .map(|part| str::from_utf8(part).unwrap_or_default().trim());
        let name = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        let weight = weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
        let is_valid = (0.0..=1.0).contains(&weight);
        MediaRange {
            name,
            weight: if is_valid { weight } else { 0.0 },
        }
    }
}

/// How much a client prefers a media type. The fields are compared in their order.
#[derive(PartialEq, PartialOrd)]
struct Preference {
    /// The weight of the most specific range that contains the type.
    weight: f32,
    /// How specific that range is: 0 is the type itself.
    specificity: Reverse<usize>,
    /// The position of that range in the header.
    position: Reverse<usize>,
}

impl Preference {
    /// `names` lists the ranges that contain the type, the most specific one first.
    fn of(names: [&str; 3], ranges: &[MediaRange<'_>]) -> Self {
        let matches = names.iter().enumerate().find_map(|(specificity, name)| {
            let position = ranges
                .iter()
                .position(|range| range.name.eq_ignore_ascii_case(name))?;
            Some(Preference {
                weight: ranges[position].weight,
                specificity: Reverse(specificity),
                position: Reverse(position),
            })
        });
        matches.unwrap_or(Preference {
            weight: 0.0,
            specificity: Reverse(usize::MAX),
            position: Reverse(usize::MAX),
        })
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn prefers_html(accept: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_str(accept).unwrap());
        wants_html(&headers)
    }

    #[test]
    fn browsers_get_html_and_programs_get_json() {
        assert!(prefers_html(
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
        ));
        assert!(prefers_html("application/json;q=0.5, text/html;q=0.9"));
        assert!(!prefers_html("*/*"));
        assert!(!prefers_html("application/json"));
        assert!(!prefers_html("application/json, text/html"));
        assert!(!prefers_html("text/html;q=0"));
        for invalid in ["nonsense", "NaN", "inf", "2", "-1", ""] {
            assert!(
                !prefers_html(&format!("text/html;q={invalid}")),
                "{invalid:?} is not a valid weight, so it counts as 0"
            );
        }
        assert!(
            prefers_html("text/html, */*"),
            "a named type is preferred to a wildcard with the same weight"
        );
        assert!(prefers_html("text/*"));
        assert!(prefers_html("application/json;Q=0.8, TEXT/HTML;Q=0.9"));
        assert!(prefers_html("*/*;q=0.5, application/json;q=0.1"));
        assert!(
            prefers_html("text/html, application/json"),
            "of two equal types, the first one is preferred"
        );
        assert!(!prefers_html("application/*, text/*"));
        assert!(
            !prefers_html("text/html;q=0.1, */*;q=0.9"),
            "JSON has the weight of */*, which is greater"
        );
        assert!(!prefers_html("text/html;q=0.1, application/*"));
        assert!(
            !prefers_html("text/html;q=0, text/*"),
            "the most specific range counts"
        );
        assert!(!wants_html(&HeaderMap::new()));
    }

    #[test]
    fn unknown_media_range_hides_no_other() {
        for accept in [
            b"text/html, x/\xe9".as_slice(),
            b"x/\xe9, text/html",
            b"x/y;a=\", application/json, \", text/html",
            b"x/y;a=\"\\\", application/json\", text/html",
            b"text/html;a=\";q=0\"",
            b"x/y;a=\", text/html",
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_bytes(accept).unwrap());
            assert!(wants_html(&headers), "{}", accept.escape_ascii());
        }
        let mut headers = HeaderMap::new();
        headers.append(ACCEPT, HeaderValue::from_static("text/html;q=0.5"));
        headers.append(ACCEPT, HeaderValue::from_static("application/json"));
        assert!(!wants_html(&headers), "several lines are one list");
    }
}
