//! Uploads that every clone can serve: the users' pictures, in an [`AvatarStore`].
//!
//! Before: a folder of one server. With three servers, two of them respond with 404, and the
//! picture is lost together with its server. After: a folder or a bucket that all clones share.
//! Both are an [`ObjectStore`], so the code is the same.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRef, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, StatusCode};
use object_store::{ObjectStore, ObjectStoreExt, path};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::login::CurrentUser;
use super::session::{SessionError, SessionStore, UserName};
use crate::web::etag::is_not_modified;
use crate::web::extract::{Path, Raw};
use crate::web::problem::Problem;

/// The largest picture, in bytes.
pub const MAX_AVATAR_BYTES: usize = 256 * 1024;

/// The time for one call of the object store.
const OBJECT_STORE_TIMEOUT: Duration = Duration::from_secs(5);

/// A picture whose first bytes identify a format that the clones serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Avatar {
    bytes: Bytes,
    content_type: &'static str,
}

/// The bytes are in no known picture format: HTTP 415.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the body is not a picture in a known format; send the bytes of a PNG, JPEG, WebP or GIF file"
)]
pub struct NotAPicture;

impl Avatar {
    /// Detects the format by the first bytes. The client's `Content-Type` is ignored: an HTML page
    /// with a script, declared as a picture, would run as a page of this application.
    ///
    /// ```
    /// use ch01_clones::clone::avatar::Avatar;
    /// assert_eq!(Avatar::new("GIF89a…".into()).unwrap().content_type(), "image/gif");
    /// assert!(Avatar::new("<script>".into()).is_err());
    /// ```
    pub fn new(bytes: Bytes) -> Result<Self, NotAPicture> {
        let content_type = match &bytes[..] {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => "image/png",
            [0xff, 0xd8, 0xff, ..] => "image/jpeg",
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'E',
                b'B',
                b'P',
                ..,
            ] => "image/webp",
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => "image/gif",
            _ => return Err(NotAPicture),
        };
        Ok(Avatar {
            bytes,
            content_type,
        })
    }

    /// `image/png`, `image/jpeg`, `image/webp` or `image/gif`.
    pub fn content_type(&self) -> &'static str {
        self.content_type
    }

    /// A strong validator: the same bytes have the same tag on every clone.
    ///
    /// The object store's own tag changes when a client sends the same picture again.
    pub fn etag(&self) -> HeaderValue {
        // A UUID of version 5 is a SHA-1 hash. An attacker could construct two pictures with the
        // same hash; a browser would then show the old one of the two.
        let name = Uuid::new_v5(&Uuid::NAMESPACE_OID, &self.bytes).simple();
        HeaderValue::try_from(format!("\"{name}\"")).expect("hexadecimal digits are ASCII")
    }
}

/// Stores one object per user, `avatars/{user}`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AvatarStore {
    objects: Arc<dyn ObjectStore>,
}

/// The store failed. A picture that does not exist is not an error but `None`.
#[derive(Debug, thiserror::Error)]
pub enum AvatarError {
    /// The store is unavailable, full or not writable, and the same call may succeed later: HTTP
    /// 503.
    #[error("the avatar store failed")]
    Store(#[from] object_store::Error),
    /// The store did not reply in time: HTTP 503.
    #[error("the avatar store has not replied for {0:?}")]
    TimedOut(Duration),
    /// The object is not a valid picture, so another program wrote it: HTTP 503.
    #[error("the object `{0}` is too large or is not a picture")]
    InvalidObject(path::Path),
}

impl From<AvatarError> for Problem {
    fn from(error: AvatarError) -> Self {
        // The causes may name hosts and folders, so only the log gets them.
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "cannot read or write a picture"
        );
        Problem::unavailable("the avatar store is unavailable; try again in a second")
    }
}

impl AvatarStore {
    /// A store of pictures in `objects`.
    pub fn new(objects: Arc<dyn ObjectStore>) -> Self {
        AvatarStore { objects }
    }

    /// Replaces the user's picture. A concurrent reader gets the old or the new picture, never a
    /// mixture.
    pub async fn put(&self, user: &UserName, avatar: &Avatar) -> Result<(), AvatarError> {
        // A `put` is atomic: in a folder it writes another file first and renames it.
        let putting = async {
            Ok(self
                .objects
                .put(&location(user), avatar.bytes.clone().into())
                .await?)
        };
        with_timeout(putting).await.map(drop)
    }

    /// The user's picture; `None` if the user has none.
    pub async fn get(&self, user: &UserName) -> Result<Option<Avatar>, AvatarError> {
        let location = location(user);
        let getting = async {
            let found = match self.objects.get(&location).await {
                Err(object_store::Error::NotFound { .. }) => return Ok(None),
                other => other?,
            };
            if found.meta.size > MAX_AVATAR_BYTES as u64 {
                return Err(AvatarError::InvalidObject(location.clone()));
            }
            Ok(Some(found.bytes().await?))
        };
        let Some(bytes) = with_timeout(getting).await? else {
            return Ok(None);
        };
        let avatar =
            Avatar::new(bytes).map_err(|NotAPicture| AvatarError::InvalidObject(location))?;
        Ok(Some(avatar))
    }
}

fn location(user: &UserName) -> path::Path {
    path::Path::from(format!("avatars/{}", user.as_str()))
}

async fn with_timeout<T>(
    work: impl Future<Output = Result<T, AvatarError>>,
) -> Result<T, AvatarError> {
    let outcome = tokio::time::timeout(OBJECT_STORE_TIMEOUT, work).await;
    outcome.unwrap_or(Err(AvatarError::TimedOut(OBJECT_STORE_TIMEOUT)))
}

/// `PUT /me/avatar` and `GET /users/{id}/avatar`, described for `/openapi.json`.
pub fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<dyn SessionStore>: FromRef<S>,
    AvatarStore: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(put_avatar))
        .routes(routes!(avatar))
}

/// The bytes of a picture.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(
    dead_code,
    reason = "describes a body in the OpenAPI document; the handlers use `Avatar`"
)]
struct Picture(Vec<u8>);

/// Stores the picture of the user who is logged in. The body is the file, at most 256 KiB.
#[utoipa::path(put, path = "/me/avatar", tag = "avatars", request_body(content(
    (Picture = "image/png"), (Picture = "image/jpeg"), (Picture = "image/webp"), (Picture = "image/gif"),
)), responses(
    (status = 204, description = "Stored, and every clone serves it"),
    (status = 401, description = "No user is logged in", body = Problem, content_type = "application/problem+json"),
    (status = 413, description = "The picture has more than 256 KiB", body = Problem, content_type = "application/problem+json"),
    (status = 415, description = "The body is no PNG, JPEG, WebP or GIF", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The session store or the avatar store is unavailable", body = Problem, content_type = "application/problem+json"),
))]
async fn put_avatar(
    State(avatars): State<AvatarStore>,
    // This extractor comes before the body, so the clone reads no body without a login.
    CurrentUser(user): CurrentUser,
    Raw(bytes): Raw<MAX_AVATAR_BYTES>,
) -> Result<StatusCode, Problem> {
    // The object's path relies on a valid name. A session always has one, unless another program
    // wrote it.
    let user = UserName::parse(&user).map_err(SessionError::unavailable)?;
    let avatar = Avatar::new(bytes)
        .map_err(|error| Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error.to_string()))?;
    avatars.put(&user, &avatar).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A user's picture.
#[utoipa::path(get, path = "/users/{id}/avatar", tag = "avatars",
    params(("id" = UserName, Path, description = "The user's name")), responses(
    (status = 200, description = "The picture", content((Picture = "image/png"), (Picture = "image/jpeg"), (Picture = "image/webp"), (Picture = "image/gif"))),
    (status = 304, description = "The picture has not changed: `If-None-Match` lists its `ETag`"),
    (status = 400, description = "The id is not a valid user name", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "The user has no picture", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "The avatar store is unavailable", body = Problem, content_type = "application/problem+json"),
))]
async fn avatar(
    State(avatars): State<AvatarStore>,
    Path(user): Path<UserName>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Some(avatar) = avatars.get(&user).await? else {
        let user = user.as_str();
        return Err(Problem::not_found(format!(
            "`{user}` has no picture; log in and send one with `PUT /me/avatar`"
        )));
    };
    let etag = avatar.etag();
    // "no-cache" means: a cache must revalidate the picture before each use.
    let cache_headers = [
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (ETAG, etag.clone()),
    ];
    if is_not_modified(&headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, cache_headers).into_response());
    }
    let content_headers = [
        (CONTENT_TYPE, HeaderValue::from_static(avatar.content_type)),
        // A file can be a picture and an HTML page at once; the browser must treat it as a picture.
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    Ok((cache_headers, content_headers, avatar.bytes).into_response())
}
