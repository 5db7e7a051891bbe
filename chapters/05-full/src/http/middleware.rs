//! What every request passes on its way to a handler, and every answer on its way back.

use std::panic::AssertUnwindSafe;

use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use ch01_clones::Problem;
use ch01_clones::clone::avatar::MAX_AVATAR_BYTES;
use ch04_async::pages::Visitor;
use futures_util::FutureExt;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, StatusCode};

use super::negotiate::{page, wants_html};
use super::{CloneState, MAX_BODY_BYTES};
use crate::views;

/// Runs what changes data on a task of its own, so that a client that hangs up cannot stop it half-way.
///
/// axum drops a handler when its connection closes. A price change dropped between its commit and the invalidation would leave
/// the old price in the cache, with nobody left to remove it. Reads may be dropped: nobody wants their answer any more.
pub(super) async fn finish_writes(
    State(state): State<CloneState>,
    request: Request,
    next: Next,
) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let writing = state.services.writes.spawn(next.run(request));
    writing.await.unwrap_or_else(|_| our_mistake())
}

/// Answers 500 when a handler panics. hyper would close the connection without a word, and the balancer would blame the clone.
///
/// The handler's own values are gone then; what it shares with others (pools, caches) is made to be left at any moment, since a
/// client may hang up at any moment too.
pub(super) async fn catch_panics(request: Request, next: Next) -> Response {
    let handled = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    handled.unwrap_or_else(|_| our_mistake())
}

/// What went wrong is in the log already: the panic has written it there.
fn our_mistake() -> Response {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "this is a mistake in the store; its log says more",
    )
    .into_response()
}

/// Refuses a body that is announced as too large before a byte of it is read. A body of unknown length is counted while it is
/// read, by axum's `DefaultBodyLimit`.
pub(super) async fn refuse_large_bodies(request: Request, next: Next) -> Response {
    let announced = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    // A picture has a limit of its own.
    let limit = if request.uri().path() == "/me/avatar" {
        MAX_AVATAR_BYTES
    } else {
        MAX_BODY_BYTES
    };
    match announced {
        Some(bytes) if bytes > limit as u64 => {
            let detail = format!(
                "the body is larger than this server reads: {bytes} bytes, and the limit is {limit}"
            );
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).into_response()
        }
        _ => next.run(request).await,
    }
}

/// Shows a problem to a person as a page, and takes one who has to log in to the login. Keeps problems out of caches.
pub(super) async fn problems_for_people(request: Request, next: Next) -> Response {
    let is_person = wants_html(request.headers());
    // What can be looked at again after the login. The redirect of a HEAD must be the one that a GET would get.
    let is_look = matches!(*request.method(), Method::GET | Method::HEAD);
    let path = request
        .uri()
        .path_and_query()
        .map(|path| path.as_str().to_owned())
        .unwrap_or_default();
    let mut response = next.run(request).await;
    let is_problem = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/problem+json");
    if !is_problem {
        return response;
    }
    // It may be over in a moment, and may be true of this visitor only.
    let no_store = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .entry(CACHE_CONTROL)
        .or_insert(no_store);
    if !is_person {
        return response;
    }
    if response.status() == StatusCode::UNAUTHORIZED {
        let next = if is_look { path } else { "/".to_owned() };
        let query =
            serde_urlencoded::to_string([("next", next)]).expect("a string can always be encoded");
        return Redirect::to(&format!("/login?{query}")).into_response();
    }
    let (mut parts, body) = response.into_parts();
    let document = to_bytes(body, 64 * 1024).await.unwrap_or_default();
    let document: serde_json::Value = serde_json::from_slice(&document).unwrap_or_default();
    let text = |key: &str| document[key].as_str().unwrap_or_default();
    let html = views::problem(
        parts.status.as_u16(),
        text("title"),
        text("detail"),
        Visitor::Unknown,
    );
    let html = page(&html).into_response();
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.extend(html.headers().clone());
    Response::from_parts(parts, html.into_body())
}

/// Nothing on our pages comes from elsewhere, so the browser need not load anything else, nor guess at types. This is the second
/// line of defence behind the escaping of everything that customers type.
pub(super) async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let policy = HeaderValue::from_static(
        "default-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
    );
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, policy);
    let no_sniffing = HeaderValue::from_static("nosniff");
    response
        .headers_mut()
        .insert(X_CONTENT_TYPE_OPTIONS, no_sniffing);
    response
}

/// Counts the answer.
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
        // A client may invent methods; it may not invent time series.
        _ => "other".to_owned(),
    };
    let response = next.run(request).await;
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    state.metrics.request(
        state.identity.name(),
        &method,
        route,
        response.status().as_u16(),
    );
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

    /// What the layers make of a handler that panics and of one whose database is away.
    async fn answer(path: &str, accept: &str) -> (Response<()>, String) {
        async fn panics() {
            panic!("on purpose: a test wants to see what becomes of it");
        }
        let router = Router::new()
            .route("/panics", get(panics))
            .route(
                "/away",
                get(async || Problem::unavailable("the database is away")),
            )
            .layer(from_fn(catch_panics))
            .layer(from_fn(problems_for_people));
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
    async fn a_handler_that_panics_gives_a_500_that_explains_itself() {
        let (head, body) = answer("/panics", "*/*").await;
        assert_eq!(head.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(head.headers()[CONTENT_TYPE], "application/problem+json");
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (&problem["status"], problem["detail"].is_string()),
            (&500.into(), true),
            "{body}"
        );
        assert!(
            !body.contains("on purpose"),
            "what a panic says is for the log: {body}"
        );
        let (_, page) = answer("/panics", "text/html").await;
        assert!(page.contains("<h1"), "{page}");
    }

    #[tokio::test]
    async fn a_503_says_when_to_ask_again_to_programs_and_to_people() {
        for accept in ["*/*", "text/html"] {
            let (head, _) = answer("/away", accept).await;
            assert_eq!(head.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(head.headers()[RETRY_AFTER], "1", "for {accept}");
            assert!(
                head.headers()[CACHE_CONTROL]
                    .to_str()
                    .unwrap()
                    .contains("no-"),
                "a cache may keep a 503 that has long been over"
            );
        }
    }
}
