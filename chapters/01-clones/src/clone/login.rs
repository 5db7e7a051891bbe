//! Logging in and out, and who is asking: the routes and extractors over a [`SessionStore`].
//!
//! The cookie carries a [`SessionId`] and nothing else; what it means is in the store. Any router whose state can
//! give an `Arc<dyn SessionStore>` can merge [`routes()`] and use [`CurrentUser`].
//!
//! Left out: passwords; the cookie's `Secure` attribute, because the workshop speaks plain HTTP on your own machine;
//! and a token against forged logins. `SameSite=Lax` keeps other sites from *using* a session, not from starting one.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts, State};
use axum::response::{IntoResponse, Redirect, Response};
use cookie::{Cookie, SameSite};
use http::header::{COOKIE, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::clone::session::{
    SESSION_TTL, Session, SessionError, SessionId, SessionStore, UserName,
};
use crate::web::extract::{Json, Payload, is_form};
use crate::web::problem::Problem;

/// The name of the cookie.
pub const SESSION_COOKIE: &str = "session";

/// `POST /login`, `GET /me`, `POST /logout` and `POST /logout-everywhere`, described for `/openapi.json`.
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

/// What `POST /login` takes.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Login {
    /// 1 to 32 of `a-z`, `0-9`, `_` and `-`, beginning with a letter or a digit.
    #[schema(example = "ada", pattern = "^[a-z0-9][a-z0-9_-]{0,31}$")]
    user: String,
    /// Forms only: the path on this site to go to afterwards.
    #[schema(example = "/games/7")]
    next: Option<String>,
}

/// Who is logged in.
#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    /// The user's name.
    #[schema(example = "ada")]
    user: String,
}

/// Starts a session. The id is always a new one, and the one that came with the request is dead afterwards: whoever
/// planted it in this browser (*session fixation*) holds nothing.
#[utoipa::path(post, path = "/login", tag = "sessions", request_body(content(
    (Login = "application/json"), (Login = "application/x-www-form-urlencoded"),
)), responses(
    (status = 200, description = "Logged in; the cookie `session` is set", body = Me),
    (status = 303, description = "The same for an HTML form: on to `next`, or to `/`"),
    (status = 422, description = "That cannot be a user name", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The session store is away", body = Problem, content_type = "application/problem+json"),
))]
async fn login(
    State(sessions): State<Arc<dyn SessionStore>>,
    headers: HeaderMap,
    payload: Payload<Login>,
) -> Result<Response, Problem> {
    let Login { user, next } = payload.value;
    let user = UserName::parse(&user).map_err(|error| Problem::unprocessable(error.to_string()))?;

    // The old one goes first. If the store fails in between, the visitor is logged out, not logged in twice.
    if let Some(old) = session_id(&headers) {
        sessions.delete(&old).await?;
    }
    let id = sessions.create(&Session::new(&user)).await?;

    let answer = if payload.is_form {
        Redirect::to(next.as_deref().filter(|to| is_local(to)).unwrap_or("/")).into_response()
    } else {
        let user = user.as_str().to_owned();
        Json(Me { user }).into_response()
    };
    Ok(([(SET_COOKIE, set_cookie(&id))], answer).into_response())
}

/// Says who is logged in.
#[utoipa::path(get, path = "/me", tag = "sessions", responses(
    (status = 200, description = "Who is logged in", body = Me),
    (status = 401, description = "Nobody is", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The session store is away", body = Problem, content_type = "application/problem+json"),
))]
async fn me(CurrentUser(user): CurrentUser) -> Json<Me> {
    Json(Me { user })
}

/// Ends the session, on all clones, and clears the cookie. Logging out twice is no error.
#[utoipa::path(post, path = "/logout", tag = "sessions", responses(
    (status = 204, description = "Logged out"),
    (status = 303, description = "The same for an HTML form: on to `/`"),
    (status = 503, description = "The session store is away", body = Problem, content_type = "application/problem+json"),
))]
async fn logout(
    State(sessions): State<Arc<dyn SessionStore>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if let Some(id) = session_id(&headers) {
        sessions.delete(&id).await?;
    }
    Ok(goodbye(&headers))
}

/// Ends all sessions of the user who is logged in, this one included, on all devices, and clears the cookie. For whoever has
/// lost a phone: the cookie in it is worth nothing afterwards.
#[utoipa::path(post, path = "/logout-everywhere", tag = "sessions", responses(
    (status = 204, description = "Logged out on every device"),
    (status = 303, description = "The same for an HTML form: on to `/`"),
    (status = 401, description = "Nobody is logged in", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The session store is away", body = Problem, content_type = "application/problem+json"),
))]
async fn logout_everywhere(
    State(sessions): State<Arc<dyn SessionStore>>,
    CurrentUser(user): CurrentUser,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // Every name was checked when its session began. One that fails now was written by somebody else than us.
    let user = UserName::parse(&user).map_err(SessionError::unavailable)?;
    sessions.end_all(&user).await?;
    Ok(goodbye(&headers))
}

/// The answer to whoever has logged out: an empty cookie in the place of the old one.
fn goodbye(headers: &HeaderMap) -> Response {
    let answer = if is_form(headers) {
        Redirect::to("/").into_response()
    } else {
        StatusCode::NO_CONTENT.into_response()
    };
    ([(SET_COOKIE, clear_cookie())], answer).into_response()
}

/// The user who is logged in. Rejects with 401 if nobody is, with 503 if the store cannot tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentUser(pub String);

impl<S> FromRequestParts<S> for CurrentUser
where
    S: Send + Sync,
    Arc<dyn SessionStore>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let MaybeUser(user) = MaybeUser::from_request_parts(parts, state).await?;
        user.map(CurrentUser).ok_or_else(|| {
            Problem::unauthorized(
                r#"nobody is logged in here, or the session has ended; send `POST /login` with {"user":"ada"} and keep the cookie"#,
            )
        })
    }
}

/// The user who is logged in, if anybody is. Rejects with 503 if the store cannot tell; what can do without a name takes
/// `Result<MaybeUser, Problem>` and goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaybeUser(pub Option<String>);

impl<S> FromRequestParts<S> for MaybeUser
where
    S: Send + Sync,
    Arc<dyn SessionStore>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // A visitor without a cookie, the most frequent one, costs the store nothing.
        let Some(id) = session_id(&parts.headers) else {
            return Ok(MaybeUser(None));
        };
        let sessions = Arc::<dyn SessionStore>::from_ref(state);
        let session = sessions.load(&id).await?;
        Ok(MaybeUser(session.map(|session| session.user)))
    }
}

/// The session id in the cookie. Whatever cannot be one, of whatever length or encoding, counts as no cookie.
fn session_id(headers: &HeaderMap) -> Option<SessionId> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(Cookie::split_parse)
        .flatten()
        .filter(|cookie| cookie.name() == SESSION_COOKIE)
        .find_map(|cookie| SessionId::parse(cookie.value()))
}

/// `HttpOnly`: no script on the page can read it. `SameSite=Lax`: it does not come along when another site posts to us.
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

/// Whether `next` leads to this site. Browsers read `//host` and `/\host` as another site, and drop tabs and line
/// ends before they look, so only plain characters pass.
fn is_local(next: &str) -> bool {
    next.starts_with('/')
        && !next.starts_with("//")
        && next
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}
