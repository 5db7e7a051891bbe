//! The identity of a clone and of a request: the response headers `x-served-by`, `x-release` and
//! `x-request-id`, and the routes `/whoami` and `/healthz`.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{FromRef, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::{Builder, Uuid};

/// The name of the clone that sent the response.
pub const X_SERVED_BY: HeaderName = HeaderName::from_static("x-served-by");

/// The release of the clone that sent the response.
pub const X_RELEASE: HeaderName = HeaderName::from_static("x-release");

/// The id of the request, the same on all servers.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The name of a clone, such as `clone-2`. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    name: Arc<str>,
    /// `None` if there is only one release.
    release: Option<Arc<str>>,
}

impl Identity {
    /// An identity with this name. A character that is not valid in a header becomes `?`.
    pub fn new(name: &str) -> Self {
        Identity {
            name: header_safe(name),
            release: None,
        }
    }

    /// Adds the release to every response.
    #[must_use]
    pub fn of_release(mut self, release: &str) -> Self {
        self.release = Some(header_safe(release));
        self
    }

    /// The name as text.
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn header_safe(text: &str) -> Arc<str> {
    let plain = |c: char| if c.is_ascii_graphic() { c } else { '?' };
    text.chars().map(plain).collect::<String>().into()
}

/// The id of the request, in its extensions, for handlers that log or pass it on.
#[derive(Clone, Debug)]
pub struct RequestId(pub HeaderValue);

/// `GET /whoami` and `GET /healthz`, described for `/openapi.json`.
pub fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Identity: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(whoami))
        .routes(routes!(healthz))
}

/// Adds the identity headers to every response of the router.
///
/// Call it last, so that the responses of the fallbacks get them, too.
pub fn sign<S>(router: Router<S>, identity: Identity) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    router.layer(from_fn_with_state(identity, sign_response))
}

async fn sign_response(
    State(identity): State<Identity>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = request_id(request.headers());
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).await;
    let value = |text: &str| HeaderValue::from_str(text).expect("`header_safe` returns ASCII");
    response
        .headers_mut()
        .insert(X_SERVED_BY, value(identity.name()));
    if let Some(release) = &identity.release {
        response.headers_mut().insert(X_RELEASE, value(release));
    }
    response.headers_mut().insert(X_REQUEST_ID, id);
    response
}

/// The request's own `x-request-id`, if it is 1 to 128 of `A-Z a-z 0-9 . _ -`; else a new UUID of
/// version 7.
///
/// The id appears in logs and in headers to other servers, so its characters are restricted. A UUID
/// of version 7 starts with the time: a log that is sorted by id is sorted by time.
pub fn request_id(headers: &HeaderMap) -> HeaderValue {
    let mut sent = headers.get_all(X_REQUEST_ID).iter();
    match (sent.next(), sent.next()) {
        (Some(only), None) if is_request_id(only.as_bytes()) => only.clone(),
        _ => new_request_id(),
    }
}

/// The random part comes from a generator in this thread, because `Uuid::now_v7` would make a
/// system call for each request. An id is no secret, so it need not be unpredictable.
fn new_request_id() -> HeaderValue {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let id = Builder::from_unix_timestamp_millis(since_1970.as_millis() as u64, &rand::random())
        .into_uuid();
    let mut text = Uuid::encode_buffer();
    HeaderValue::from_str(id.hyphenated().encode_lower(&mut text)).expect("a UUID is ASCII")
}

fn is_request_id(id: &[u8]) -> bool {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    (1..=128).contains(&id.len()) && id.iter().all(is_allowed)
}

/// Returns the name of the clone.
#[utoipa::path(get, path = "/whoami", tag = "operations", responses(
    (status = 200, description = "The clone's name", body = String, content_type = "text/plain", example = "clone-2\n"),
))]
async fn whoami(State(identity): State<Identity>) -> String {
    format!("{}\n", identity.name())
}

/// Liveness: the process runs and responds. The check asks no other server, so that a database
/// outage does not restart the clones.
#[utoipa::path(get, path = "/healthz", tag = "operations", responses(
    (status = 200, description = "The process is alive", body = String, content_type = "text/plain", example = "ok"),
))]
async fn healthz() -> &'static str {
    "ok"
}
