//! JSON for programs, HTML for people: reads `Accept`, and builds the answers that depend on it.

use std::cmp::Reverse;

use axum::response::{Html, IntoResponse, Response};
use ch02_database::{Node, ShardId};
use ch03_cache::CacheStatus;
use ch04_async::pages::Visitor;
use http::header::{ACCEPT, CACHE_CONTROL, VARY};
use http::{HeaderMap, HeaderName, HeaderValue};
use maud::Markup;

/// Whether the client would rather have HTML than JSON. Browsers name `text/html`; `curl` sends `*/*`, and so gets JSON.
///
/// The rules are those of RFC 9110, section 12.5.1, but for a range's own parameters (`text/html;level=1`), which are not looked at.
pub(super) fn wants_html(headers: &HeaderMap) -> bool {
    let accept = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let ranges: Vec<_> = accept
        .flat_map(|value| value.split(','))
        .map(range)
        .collect();
    let html = liking(&ranges, ["text/html", "text/*", "*/*"]);
    let json = liking(&ranges, ["application/json", "application/*", "*/*"]);
    html.0 > 0.0 && html > json
}

/// A media range and its weight. A weight that is none counts as 0: "not this".
fn range(text: &str) -> (&str, f32) {
    let mut parts = text.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
    let weight = weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
    (
        kind,
        if (0.0..=1.0).contains(&weight) {
            weight
        } else {
            0.0
        },
    )
}

/// How much a kind is liked, to be compared with another one: the weight of the narrowest range that it is in, then how narrow
/// that range is, then how early it stands.
fn liking(
    ranges: &[(&str, f32)],
    narrowest_first: [&str; 3],
) -> (f32, Reverse<usize>, Reverse<usize>) {
    let found = narrowest_first
        .iter()
        .enumerate()
        .find_map(|(breadth, name)| {
            let place = ranges
                .iter()
                .position(|(kind, _)| kind.eq_ignore_ascii_case(name))?;
            Some((ranges[place].1, Reverse(breadth), Reverse(place)))
        });
    found.unwrap_or((0.0, Reverse(usize::MAX), Reverse(usize::MAX)))
}

/// Who is looking at the page.
pub(super) fn visitor(user: Option<&str>) -> Visitor<'_> {
    user.map_or(Visitor::Anonymous, Visitor::LoggedIn)
}

/// A page that was made for one visitor: no cache on the way may show it to another one.
pub(super) fn page(markup: &Markup) -> Response {
    let headers = [
        (CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
        (VARY, HeaderValue::from_static("accept, cookie")),
    ];
    (headers, Html(markup.0.clone())).into_response()
}

/// Data of one customer, for a program. A copy on the way or on a shared computer's disk would outlive the session.
pub(super) fn private(response: impl IntoResponse) -> Response {
    let mut response = response.into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.insert(VARY, HeaderValue::from_static("accept, cookie"));
    response
}

/// The headers with which an answer explains itself.
#[derive(Default)]
pub(super) struct Explained {
    headers: HeaderMap,
    /// The same for the foot of a page: "clone-2 · cache hit".
    pub(super) made: String,
}

impl Explained {
    /// An answer of this clone. `x-served-by` itself is added to every answer further out.
    pub(super) fn by(clone: &str) -> Self {
        Explained {
            headers: HeaderMap::new(),
            made: format!("served by {clone}"),
        }
    }

    /// `x-cache`
    pub(super) fn cache(self, status: CacheStatus) -> Self {
        self.with("x-cache", "cache", status.as_str())
    }

    /// `x-db`, if a database was asked.
    pub(super) fn db(self, node: Option<Node>) -> Self {
        match node {
            Some(node) => self.with("x-db", "database", &node.to_string()),
            None => self,
        }
    }

    /// `x-shard`
    pub(super) fn shard(self, shard: ShardId) -> Self {
        self.with("x-shard", "shard", &shard.to_string())
    }

    /// `x-rendered`: `static` or `dynamic`
    pub(super) fn rendered(self, how: &'static str) -> Self {
        self.with("x-rendered", "rendered", how)
    }

    /// The answer with its explanation. What depends on `Accept` says so.
    pub(super) fn explain(self, response: impl IntoResponse) -> Response {
        let mut response = response.into_response();
        response.headers_mut().extend(self.headers);
        if !response.headers().contains_key(VARY) {
            response
                .headers_mut()
                .insert(VARY, HeaderValue::from_static("accept"));
        }
        response
    }

    fn with(mut self, header: &'static str, word: &str, value: &str) -> Self {
        let name = HeaderName::from_static(header);
        let in_header = HeaderValue::from_str(value).expect("these values are words and numbers");
        self.headers.insert(name, in_header);
        self.made = format!("{} · {word} {value}", self.made);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_get_html_and_programs_get_json() {
        let html = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_str(accept).unwrap());
            wants_html(&headers)
        };
        assert!(html(
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
        ));
        assert!(html("application/json;q=0.5, text/html;q=0.9"));
        assert!(!html("*/*"));
        assert!(!html("application/json"));
        assert!(!html("application/json, text/html"));
        assert!(!html("text/html;q=0"));
        for no_weight in ["nonsense", "NaN", "inf", "2", "-1", ""] {
            assert!(
                !html(&format!("text/html;q={no_weight}")),
                "{no_weight:?} is no weight"
            );
        }
        assert!(
            html("text/html, */*"),
            "what is named is meant more than what is let in"
        );
        assert!(html("text/*"));
        assert!(html("application/json;Q=0.8, TEXT/HTML;Q=0.9"));
        assert!(html("*/*;q=0.5, application/json;q=0.1"));
        assert!(
            html("text/html, application/json"),
            "the first of two that are liked alike"
        );
        assert!(!html("application/*, text/*"));
        assert!(
            !html("text/html;q=0.1, */*;q=0.9"),
            "JSON is in the range that is liked more"
        );
        assert!(!html("text/html;q=0.1, application/*"));
        assert!(!html("text/html;q=0, text/*"), "the narrowest range counts");
        assert!(!wants_html(&HeaderMap::new()));
    }
}
