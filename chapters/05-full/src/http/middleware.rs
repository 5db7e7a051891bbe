//! The middleware: what every request passes before its handler, and every response after it.

use std::any::Any;

use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use ch01_clones::Problem;
use ch01_clones::clone::avatar::MAX_AVATAR_BYTES;
use ch04_async::prerender::pages::Viewer;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, StatusCode};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use super::negotiation::wants_html;
use super::response::page;
use super::state::CloneState;
use crate::views;

/// The maximum length of a request body, in bytes. Avatars have their own limit.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// Runs a request that changes data in its own task, so it also finishes when its client
/// disconnects.
///
/// axum drops a handler when its connection closes. A price change could then be dropped between
/// its commit and the invalidation of the cache, which would keep the old price.
pub(super) async fn finish_writes(
    State(state): State<CloneState>,
    request: Request,
    next: Next,
) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let task = state.services.writes.spawn(next.run(request));
    task.await.unwrap_or_else(|_| internal_error())
}

/// Answers 500 when a handler panics. Without it, hyper closes the connection and the balancer
/// counts a failure of the clone.
pub(super) fn catch_panics() -> CatchPanicLayer<fn(Box<dyn Any + Send>) -> Response> {
    CatchPanicLayer::custom(|_| internal_error())
}

/// The panic message is in the log and does not go to the client.
fn internal_error() -> Response {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "this is a bug in the store; its log has the details",
    )
    .into_response()
}

/// Rejects a body by its `Content-Length`, before it is read. `DefaultBodyLimit` of axum counts a
/// body of unknown length while it is read.
pub(super) async fn reject_large_bodies(request: Request, next: Next) -> Response {
    let length = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let limit = if request.uri().path() == "/me/avatar" {
        MAX_AVATAR_BYTES
    } else {
        MAX_BODY_BYTES
    };
    match length {
        Some(bytes) if bytes > limit as u64 => {
            let detail = format!(
                "the body has {bytes} bytes, which is larger than the limit of {limit} bytes"
            );
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).into_response()
        }
        _ => next.run(request).await,
    }
}

/// Turns a problem document into a page for a browser, and a 401 into a redirect to the login.
/// Keeps every problem out of caches.
pub(super) async fn error_pages(request: Request, next: Next) -> Response {
    let is_browser = wants_html(request.headers());
    // The login can lead back to a GET. A HEAD gets the same redirect as a GET.
    let is_repeatable = matches!(*request.method(), Method::GET | Method::HEAD);
    let path = request
        .uri()
        .path_and_query()
        .map(|path| path.as_str().to_owned())
        .unwrap_or_default();
    let mut response = next.run(request).await;
    let is_problem = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|content_type| content_type == "application/problem+json");
    if !is_problem {
        return response;
    }
    // A problem may be over soon, or may concern this user only.
    response
        .headers_mut()
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    if !is_browser {
        return response;
    }
    if response.status() == StatusCode::UNAUTHORIZED {
        let next = if is_repeatable { path } else { "/".to_owned() };
        let query =
            serde_urlencoded::to_string([("next", next)]).expect("a string can always be encoded");
        return Redirect::to(&format!("/login?{query}")).into_response();
    }
    error_page(response).await
}

/// The page for a problem document, with the same status and headers.
async fn error_page(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let document = to_bytes(body, 64 * 1024).await.unwrap_or_default();
    let document: serde_json::Value = serde_json::from_slice(&document).unwrap_or_default();
    let text = |key: &str| document[key].as_str().unwrap_or_default();
    let html = views::problem(
        parts.status.as_u16(),
        text("title"),
        text("detail"),
        Viewer::Anyone,
    );
    let html = page(&html).into_response();
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.extend(html.headers().clone());
    Response::from_parts(parts, html.into_body())
}

/// A browser loads nothing from other servers for our pages, and does not guess content types.
///
/// This is the second defence against cross-site scripting. The first one is that the pages escape
/// every text that a customer writes.
pub(super) fn security_headers() -> [SetResponseHeaderLayer<HeaderValue>; 2] {
    let policy = HeaderValue::from_static(
        "default-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
    );
    [
        SetResponseHeaderLayer::overriding(CONTENT_SECURITY_POLICY, policy),
        SetResponseHeaderLayer::overriding(
            X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
    ]
}

/// Counts the response.
pub(super) async fn count(
    State(state): State<CloneState>,
    route: Option<MatchedPath>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let method = match *request.method() {
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::PATCH
        | Method::DELETE
        | Method::OPTIONS => request.method().to_string(),
        // A client can invent methods. Each would be a new time series.
        _ => "other".to_owned(),
    };
    let response = next.run(request).await;
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let status = response.status().as_u16();
    state
        .metrics
        .count_request(state.identity.name(), &method, route, status);
    response
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::middleware::from_fn;
    use axum::routing::get;
    use http::header::{ACCEPT, RETRY_AFTER};
    use serde_json::Value;
    use tower::ServiceExt;

    use super::*;

    /// The response to a handler that panics, or to one whose database does not answer.
    async fn respond(path: &str, accept: &str) -> (Response<()>, String) {
        async fn panics() {
            panic!("this panic is part of a test");
        }
        let router = Router::new()
            .route("/panics", get(panics))
            .route(
                "/unavailable",
                get(async || Problem::unavailable("the database does not answer")),
            )
            .layer(catch_panics())
            .layer(from_fn(error_pages));
        let request = Request::get(path)
            .header(ACCEPT, accept)
            .body(Body::empty())
            .unwrap();
        let (head, body) = router.oneshot(request).await.unwrap().into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        (Response::from_parts(head, ()), body)
    }

    #[tokio::test]
    async fn panic_gives_500_with_problem_document() {
        let (head, body) = respond("/panics", "*/*").await;
        assert_eq!(head.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(head.headers()[CONTENT_TYPE], "application/problem+json");
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (&problem["status"], problem["detail"].is_string()),
            (&500.into(), true),
            "{body}"
        );
        assert!(
            !body.contains("part of a test"),
            "the panic message belongs in the log and not in the response: {body}"
        );
        let (_, page) = respond("/panics", "text/html").await;
        assert!(page.contains("<h1"), "a browser gets no error page: {page}");
    }

    #[tokio::test]
    async fn unavailable_response_says_when_to_retry() {
        for accept in ["*/*", "text/html"] {
            let (head, _) = respond("/unavailable", accept).await;
            assert_eq!(head.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(head.headers()[RETRY_AFTER], "1", "for {accept}");
            assert!(
                head.headers()[CACHE_CONTROL]
                    .to_str()
                    .unwrap()
                    .contains("no-"),
                "a cache may keep the 503 after the database is back"
            );
        }
    }
}
