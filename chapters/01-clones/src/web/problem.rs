//! RFC 9457 problem documents: the form of every error response of the clones and the balancer.
//!
//! Every `type` is `about:blank`, which means that the status code names the kind of problem.

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::Full;
use serde::Serialize;
use utoipa::ToSchema;

/// A problem document (<https://www.rfc-editor.org/rfc/rfc9457>), sent as
/// `application/problem+json`.
///
/// ```
/// use ch01_clones::Problem;
///
/// let problem = Problem::not_found("there is no game 7; see `GET /games`");
/// assert_eq!(
///     serde_json::to_value(&problem).unwrap(),
///     serde_json::json!({
///         "type": "about:blank",
///         "title": "Not Found",
///         "status": 404,
///         "detail": "there is no game 7; see `GET /games`",
///     })
/// );
/// ```
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: the status code names the kind of problem.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    kind: &'static str,
    /// The reason phrase of the status code.
    #[schema(example = "Not Found")]
    title: &'static str,
    /// The HTTP status code, the same as in the status line.
    #[schema(example = 404)]
    status: u16,
    /// What is wrong with the request, and what to send instead.
    #[schema(example = "there is no game 12345; `GET /games` lists those that exist")]
    detail: String,
    /// Headers of the response; they are not part of the document.
    #[serde(skip)]
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem with any status. `detail` says what is wrong and what to send instead.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Problem {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Unknown"),
            status: status.as_u16(),
            detail: detail.into(),
            headers: Vec::new(),
        }
    }

    /// 400: the request is malformed.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 401: the request has no valid session. There is no `WWW-Authenticate` header, because a
    /// cookie session has no authentication scheme.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::UNAUTHORIZED, detail)
    }

    /// 403: the user is known but has no permission.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::FORBIDDEN, detail)
    }

    /// 404: the resource does not exist, or this user may not see it.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::NOT_FOUND, detail)
    }

    /// 422: the request is well-formed but its content is invalid.
    pub fn unprocessable(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// 503 with `Retry-After: 1`: a part of the system is unavailable, and the same request may
    /// succeed in a second.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
            .with_header(RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// Adds a header to the response that carries this problem.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).expect("`new` took the number from a StatusCode")
    }

    /// What is wrong, and what to send instead.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The response as a plain `http` type, for the balancer, which does not use axum.
    pub fn into_http(self) -> http::Response<Full<Bytes>> {
        let document = serde_json::to_vec(&self).expect("strings and a number are always JSON");
        let mut response = http::Response::new(Full::from(document));
        *response.status_mut() = self.status();
        let content_type = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response.headers_mut().extend(self.headers);
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.into_http().map(axum::body::Body::new)
    }
}

/// Adds responses for unmatched requests to a router: problem documents for an unknown path (404)
/// and a wrong method (405), and 204 for OPTIONS, also for `OPTIONS *` (RFC 9110, section 9.3.7).
///
/// Health checks send OPTIONS: it is the default of HAProxy's `option httpchk`.
///
/// Call it after the last route: axum adds the 405 handler only to the existing routes.
pub fn fallbacks<S>(router: Router<S>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    router
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
}

async fn unknown_path(request: Request) -> Result<StatusCode, Problem> {
    let path = request.uri().path();
    // The star means the server itself.
    if request.method() == Method::OPTIONS && path == "*" {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::not_found(format!(
        "there is nothing at `{path}`; begin at `GET /`"
    )))
}

/// axum adds the `Allow` header to this response.
async fn wrong_method(request: Request) -> Result<StatusCode, Problem> {
    let (method, path) = (request.method(), request.uri().path());
    if method == Method::OPTIONS {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("`{path}` exists, but not for {method}; the header `Allow` names what it takes"),
    ))
}
