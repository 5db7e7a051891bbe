//! Login and logout: routes and extractors over a [`SessionStore`].
//!
//! The cookie carries only a [`SessionId`]. Any router whose state provides an
//! `Arc<dyn SessionStore>` can merge [`routes()`] and use [`CurrentUser`]. `SameSite=Lax` stops
//! other sites from using a session. There is no token against forged logins.

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts, State};
use axum::response::{IntoResponse, Redirect, Response};
use cookie::{Cookie, SameSite};
use http::header::SET_COOKIE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::session::{SESSION_TTL, Session, SessionError, SessionId, SessionStore, UserName};
use crate::web::extract::{Json, Payload, is_form};
use crate::web::header_list::cookie_values;
use crate::web::problem::Problem;

/// The name of the session cookie.
pub const SESSION_COOKIE: &str = "session";

/// `POST /login`, `GET /me`, `POST /logout` and `POST /logout-everywhere`, described for
/// `/openapi.json`.
pub fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<dyn SessionStore>: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(login))
        .routes(routes!(me))
        .routes(routes!(logout))
        .routes(routes!(logout_everywhere))
}

/// The body of `POST /login`.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Login {
    /// The user's name.
    #[schema(value_type = UserName)]
    user: String,
    /// Forms only: the local path to redirect to.
    #[schema(example = "/games/7")]
    next: Option<String>,
}

/// The user who is logged in.
#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    /// The user's name.
    #[schema(example = "ada")]
    user: String,
}

/// Starts a session with a new id and deletes the session that the request carried. So an attacker
/// who planted that id in the browser gains nothing (*session fixation*).
#[utoipa::path(post, path = "/login", tag = "sessions", request_body(content(
    (Login = "application/json"), (Login = "application/x-www-form-urlencoded"),
)), responses(
    (status = 200, description = "Logged in; the cookie `session` is set", body = Me),
    (status = 303, description = "Logged in with an HTML form: redirect to `next` or `/`"),
    (status = 422, description = "The user name is not valid", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The session store is unavailable", body = Problem, content_type = "application/problem+json"),
))]
async fn login(
    State(sessions): State<Arc<dyn SessionStore>>,
    headers: HeaderMap,
    payload: Payload<Login>,
) -> Result<Response, Problem> {
    let Login { user, next } = payload.value;
    let user = UserName::parse(&user).map_err(|error| Problem::unprocessable(error.to_string()))?;

    // Delete the old session first. If the store then fails, the user is logged out, not logged in
    // twice.
    if let Some(old) = session_id(&headers) {
        sessions.delete(&old).await?;
    }
    let id = sessions.create(&Session::new(&user)).await?;

    let response = if payload.is_form {
        Redirect::to(next.as_deref().filter(|path| is_local(path)).unwrap_or("/")).into_response()
    } else {
        let user = user.as_str().to_owned();
        Json(Me { user }).into_response()
    };
    Ok(([(SET_COOKIE, set_cookie(&id))], response).into_response())
}

/// Returns the user who is logged in.
#[utoipa::path(get, path = "/me", tag = "sessions", responses(
    (status = 200, description = "The user who is logged in", body = Me),
    (status = 401, description = "No user is logged in", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The session store is unavailable", body = Problem, content_type = "application/problem+json"),
))]
async fn me(CurrentUser(user): CurrentUser) -> Json<Me> {
    Json(Me { user })
}

/// Deletes the session on all clones and clears the cookie. A second logout is no error.
#[utoipa::path(post, path = "/logout", tag = "sessions", responses(
    (status = 204, description = "Logged out"),
    (status = 303, description = "Logged out with an HTML form: redirect to `/`"),
    (status = 503, description = "The session store is unavailable", body = Problem, content_type = "application/problem+json"),
))]
async fn logout(
    State(sessions): State<Arc<dyn SessionStore>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if let Some(id) = session_id(&headers) {
        sessions.delete(&id).await?;
    }
    Ok(logged_out(&headers))
}

/// Deletes all sessions of the user on all devices, for example after the loss of a phone, and
/// clears the cookie.
#[utoipa::path(post, path = "/logout-everywhere", tag = "sessions", responses(
    (status = 204, description = "Logged out on every device"),
    (status = 303, description = "Logged out with an HTML form: redirect to `/`"),
    (status = 401, description = "No user is logged in", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The session store is unavailable", body = Problem, content_type = "application/problem+json"),
))]
async fn logout_everywhere(
    State(sessions): State<Arc<dyn SessionStore>>,
    CurrentUser(user): CurrentUser,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // The login checked the name. If it is not valid now, another program wrote the session.
    let user = UserName::parse(&user).map_err(SessionError::unavailable)?;
    sessions.end_all(&user).await?;
    Ok(logged_out(&headers))
}

/// The response to a logout, which clears the cookie.
fn logged_out(headers: &HeaderMap) -> Response {
    let response = if is_form(headers) {
        Redirect::to("/").into_response()
    } else {
        StatusCode::NO_CONTENT.into_response()
    };
    ([(SET_COOKIE, clear_cookie())], response).into_response()
}

/// The user who is logged in. Rejects with 401 without a session and with 503 without a session
/// store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentUser(pub String);

impl<S> FromRequestParts<S> for CurrentUser
where
    S: Send + Sync,
    Arc<dyn SessionStore>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let sessions = Arc::<dyn SessionStore>::from_ref(state);
        let user = find_user(&*sessions, &parts.headers).await?;
        user.map(CurrentUser).ok_or_else(|| {
            Problem::unauthorized(
                r#"you are not logged in, or the session has ended; send `POST /login` with {"user":"ada"} and keep the cookie"#,
            )
        })
    }
}

/// The user who is logged in, or `None`. Fails without a session store.
///
/// For a handler whose response to an unknown user would be wrong for the real one, such as "there
/// is no such order".
pub async fn find_user(
    sessions: &dyn SessionStore,
    headers: &HeaderMap,
) -> Result<Option<String>, SessionError> {
    // Most requests have no cookie, and cost the store nothing.
    let Some(id) = session_id(headers) else {
        return Ok(None);
    };
    let session = sessions.load(&id).await?;
    Ok(session.map(|session| session.user))
}

/// The user who is logged in, or `None`, for a page that anyone may see.
///
/// While the session store is away, every visitor is unknown and waits for at most
/// [`LOOKUP_TIMEOUT`](super::session::LOOKUP_TIMEOUT). The cookie stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaybeUser(pub Option<String>);

impl<S> FromRequestParts<S> for MaybeUser
where
    S: Send + Sync,
    Arc<dyn SessionStore>: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let sessions = Arc::<dyn SessionStore>::from_ref(state);
        Ok(MaybeUser(
            find_user_quickly(&*sessions, &parts.headers).await,
        ))
    }
}

/// The user as [`MaybeUser`] finds it.
pub async fn find_user_quickly(sessions: &dyn SessionStore, headers: &HeaderMap) -> Option<String> {
    let id = session_id(headers)?;
    match sessions.load_quickly(&id).await {
        Ok(session) => session.map(|session| session.user),
        Err(error) => {
            let error = &error as &dyn Error;
            tracing::warn!(error, "a public page is sent without the user's name");
            None
        }
    }
}

/// The session id in the cookie. An invalid value counts as no cookie.
pub fn session_id(headers: &HeaderMap) -> Option<SessionId> {
    cookie_values(headers, SESSION_COOKIE).find_map(|value| SessionId::parse(&value))
}

/// `HttpOnly`: no script can read the cookie. `SameSite=Lax`: a POST from another site does not
/// carry it.
fn set_cookie(id: &SessionId) -> HeaderValue {
    let max_age = cookie::time::Duration::seconds(SESSION_TTL.as_secs().cast_signed());
    header(Cookie::build((SESSION_COOKIE, id.as_str())).max_age(max_age))
}

fn clear_cookie() -> HeaderValue {
    header(Cookie::build((SESSION_COOKIE, "")).max_age(cookie::time::Duration::ZERO))
}

fn header(cookie: cookie::CookieBuilder<'_>) -> HeaderValue {
    let cookie = cookie.path("/").http_only(true).same_site(SameSite::Lax);
    HeaderValue::try_from(cookie.to_string()).expect("digits and attribute names are ASCII")
}

/// Whether `next` is a path of this application. Browsers read `//host` and `/\host` as another
/// site and remove tabs and line ends first, so only printable characters are allowed.
fn is_local(next: &str) -> bool {
    next.starts_with('/')
        && !next.starts_with("//")
        && next
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}
