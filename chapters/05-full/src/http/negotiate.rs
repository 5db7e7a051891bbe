//! JSON for programs, HTML for people: reads `Accept`, and builds the answers that depend on it.

use axum::response::{Html, IntoResponse, Response};
use ch02_database::{Node, ShardId};
use ch03_cache::CacheStatus;
use ch04_async::pages::Visitor;
use http::header::{ACCEPT, CACHE_CONTROL, VARY};
use http::{HeaderMap, HeaderName, HeaderValue};
use maud::Markup;

/// Whether the client would rather have HTML than JSON. Browsers name `text/html`; `curl` sends `*/*`, and so gets JSON.
///
/// Of the rules of RFC 9110, section 12.5.1, this keeps what matters here: the weights, and the order among equal ones.
pub(super) fn wants_html(headers: &HeaderMap) -> bool {
    let mut best: Option<(f32, bool)> = None;
    let ranges = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    for range in ranges.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let is_html = match parts.next() {
            Some(kind) if kind.eq_ignore_ascii_case("text/html") => true,
            Some(kind) if kind.eq_ignore_ascii_case("application/json") => false,
            _ => continue,
        };
        let weight = parts
            .find_map(|part| part.strip_prefix("q="))
            .map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
        if best.is_none_or(|(other, _)| weight > other) {
            best = Some((weight, is_html));
        }
    }
    best.is_some_and(|(weight, is_html)| is_html && weight > 0.0)
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
            response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
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
        assert!(html("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
        assert!(html("application/json;q=0.5, text/html;q=0.9"));
        assert!(!html("*/*"));
        assert!(!html("application/json"));
        assert!(!html("application/json, text/html"));
        assert!(!html("text/html;q=0"));
        assert!(!html("text/html;q=nonsense"));
        assert!(!wants_html(&HeaderMap::new()));
    }
}
