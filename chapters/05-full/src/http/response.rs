//! Builds responses: pages for people, private data, and the headers that tell who answered.

use axum::response::{Html, IntoResponse, Response};
use ch02_database::{ConsistencyToken, Node, ShardId};
use ch03_cache::CacheStatus;
use ch04_async::prerender::pages::Viewer;
use http::header::{CACHE_CONTROL, VARY};
use http::{HeaderMap, HeaderName, HeaderValue};
use maud::Markup;

/// The header with a consistency token, in a request and in its response.
pub(super) const X_CONSISTENCY: HeaderName = HeaderName::from_static("x-consistency");

/// Which parts of the store produced a response. Becomes headers, and the footer of a page.
#[derive(Default)]
pub(super) struct ResponseInfo {
    headers: HeaderMap,
    /// The footer of a page, such as "served by clone-2 · cache hit".
    pub(super) render_info: String,
}

impl ResponseInfo {
    /// A response of this clone. The router adds the header `x-served-by` to every response.
    pub(super) fn new(clone: &str) -> Self {
        ResponseInfo {
            headers: HeaderMap::new(),
            render_info: format!("served by {clone}"),
        }
    }

    /// Sets `x-cache`.
    pub(super) fn cache(self, status: CacheStatus) -> Self {
        self.with("x-cache", "cache", status.as_str())
    }

    /// Sets `x-db`. `None` means that no database was read.
    pub(super) fn db(self, node: Option<Node>) -> Self {
        match node {
            Some(node) => self.with("x-db", "database", &node.to_string()),
            None => self,
        }
    }

    /// Sets `x-consistency`, after the last read. The pages do not show it.
    pub(super) fn token(mut self, token: Option<ConsistencyToken>) -> Self {
        if let Some(token) = token {
            let token = HeaderValue::try_from(token.to_string()).expect("it has digits only");
            self.headers.insert(X_CONSISTENCY, token);
        }
        self
    }

    /// Sets `x-shard`.
    pub(super) fn shard(self, shard: ShardId) -> Self {
        self.with("x-shard", "shard", &shard.to_string())
    }

    /// Sets `x-rendered` to `static` or `dynamic`.
    pub(super) fn rendered(self, how: &'static str) -> Self {
        self.with("x-rendered", "rendered", how)
    }

    /// Adds the headers to a response. Sets `Vary: accept` unless the response has a `Vary`.
    pub(super) fn respond(self, response: impl IntoResponse) -> Response {
        let mut response = response.into_response();
        let headers = response.headers_mut();
        headers.extend(self.headers);
        headers
            .entry(VARY)
            .or_insert(HeaderValue::from_static("accept"));
        response
    }

    fn with(mut self, header: &'static str, label: &str, value: &str) -> Self {
        let name = HeaderName::from_static(header);
        let header_value = HeaderValue::from_str(value).expect("the value is a word or a number");
        self.headers.insert(name, header_value);
        self.render_info = format!("{} · {label} {value}", self.render_info);
        self
    }
}

/// The user who requests a page, if any.
pub(super) fn viewer(user: Option<&str>) -> Viewer<'_> {
    user.map_or(Viewer::Anonymous, Viewer::LoggedIn)
}

/// An HTML page for one user. A shared cache must not show it to another user.
pub(super) fn page(markup: &Markup) -> Response {
    let headers = [
        (CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
        (VARY, HeaderValue::from_static("accept, cookie")),
    ];
    (headers, Html(markup.0.clone())).into_response()
}

/// The data of one user. No cache may store it, because a copy could outlive the session.
pub(super) fn private(response: impl IntoResponse) -> Response {
    let mut response = response.into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.insert(VARY, HeaderValue::from_static("accept, cookie"));
    response
}
