//! A [`Request`]. The caller's closure makes one for each send.
//!
//! The closure gets the number of the request, counted from 0. So a run can go through the
//! catalogue (`/games/{n % 10_000 + 1}`), mix reads and writes (`n % 10 == 0`), or give every order
//! its own key, and it does the same in the next run.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Uri};
use http_body_util::Full;

use crate::target::Target;

/// One request, without the address of the server.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: Method,
    /// The path and the query, such as `/games?page=2`.
    pub path_and_query: PathAndQuery,
    /// The headers. `host` and `content-length` are added if they are missing.
    pub headers: HeaderMap,
    /// The body, empty for most methods.
    pub body: Bytes,
}

impl Request {
    /// A request without headers or body.
    ///
    /// # Panics
    /// If `path_and_query` does not begin with `/`, or contains a character that a URL forbids,
    /// such as a space. That is a mistake in the calling code.
    ///
    /// ```
    /// use loadgen::Request;
    ///
    /// let request = Request::get("/games/7").header("accept", "application/json");
    /// assert_eq!(request.path_and_query, "/games/7");
    /// ```
    pub fn new(method: Method, path_and_query: &str) -> Self {
        let path = PathAndQuery::try_from(path_and_query)
            .ok()
            .filter(|_| path_and_query.starts_with('/'));
        let Some(path) = path else {
            panic!(
                "{path_and_query:?} is not a path: begin with '/' and percent-encode the rest, such as /games?q=tower%20defence"
            );
        };
        Request {
            method,
            path_and_query: path,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// `GET path_and_query`. Panics like [`Request::new`].
    pub fn get(path_and_query: &str) -> Self {
        Request::new(Method::GET, path_and_query)
    }

    /// `POST path_and_query` with a JSON body. Panics like [`Request::new`].
    pub fn post_json(path_and_query: &str, json: impl Into<Bytes>) -> Self {
        let mut request = Request::new(Method::POST, path_and_query)
            .header(CONTENT_TYPE.as_str(), "application/json");
        request.body = json.into();
        request
    }

    /// Adds a header. The name is in lower case.
    ///
    /// # Panics
    /// If the name or the value contains a character that a header forbids.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let Ok(header) = name.parse::<HeaderName>() else {
            panic!("{name:?} is not a valid header name");
        };
        let Ok(value) = value.parse::<HeaderValue>() else {
            panic!("{value:?} is not a valid value for the header {name}");
        };
        self.headers.append(header, value);
        self
    }

    /// The request in the form that is sent: with the path only, and with a `host` header.
    pub(crate) fn for_target(self, target: &Target) -> http::Request<Full<Bytes>> {
        let mut request = http::Request::new(Full::new(self.body));
        *request.method_mut() = self.method;
        *request.uri_mut() = Uri::from(self.path_and_query);
        *request.headers_mut() = self.headers;
        request
            .headers_mut()
            .entry(HOST)
            .or_insert_with(|| target.host.clone());
        request
    }
}
