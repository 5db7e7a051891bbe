//! An upload that every clone can serve: a visitor's picture of themselves, over the seam [`AvatarStore`].
//!
//! Before: a folder of the server's own. On one server it is right; on three, two of them answer 404, and the picture is
//! lost together with its server. After: a folder, or a bucket, that all clones share. Nothing in this file knows which
//! of the two it is: both are an [`ObjectStore`].
//!
//! Left out: decoding the picture, so it may be broken, or enormous in pixels; removing what a camera writes into it (where
//! it was taken); smaller versions of it; deleting it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRef, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, StatusCode};
use object_store::{ObjectStore, ObjectStoreExt, path};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::clone::login::CurrentUser;
use crate::clone::session::{SessionError, SessionStore, UserName};
use crate::web::etag::is_not_modified;
use crate::web::extract::{Path, Raw};
use crate::web::problem::Problem;

/// The largest picture, in bytes.
pub const MAX_AVATAR_BYTES: usize = 256 * 1024;

/// How long a handler waits for the object store: far more than a folder needs, and less than a visitor bears.
const PATIENCE: Duration = Duration::from_secs(5);

/// A picture of a kind that we know by its first bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Avatar {
    bytes: Bytes,
    content_type: &'static str,
}

/// The bytes do not begin as a picture does that we serve.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no picture that we know by its first bytes: send a PNG, JPEG, WebP or GIF file as the body, as it is"
)]
pub struct NotAPicture;

impl Avatar {
    /// Recognises the picture. What its sender calls it does not count: a page with a script in it that calls itself a
    /// picture would run in the name of this site.
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

    /// What to tell a browser: `image/png`, `image/jpeg`, `image/webp` or `image/gif`.
    pub fn content_type(&self) -> &'static str {
        self.content_type
    }

    /// A strong validator: the same for the same bytes on every clone, and another for others.
    ///
    /// Not the object store's own tag, which differs from store to store and changes when the same picture is sent again.
    pub fn etag(&self) -> HeaderValue {
        // SHA-1, in the form of a UUID of version 5. Somebody could make two pictures with the same hash, and would gain that
        // visitors who have seen the one are not sent the other.
        let name = Uuid::new_v5(&Uuid::NAMESPACE_OID, &self.bytes).simple();
        HeaderValue::try_from(format!("\"{name}\"")).expect("hexadecimal digits are ASCII")
    }
}

/// Where the pictures lie: one object for each user, `avatars/{user}`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AvatarStore {
    objects: Arc<dyn ObjectStore>,
}

/// Why a picture could not be kept or found. "There is none" is not an error, it is `None`.
#[derive(Debug, thiserror::Error)]
pub enum AvatarError {
    /// The store is away, full or not writable. The same call may succeed later: HTTP 503.
    #[error("the store of the pictures does not answer as it should")]
    Store(#[from] object_store::Error),
    /// The store keeps us waiting: HTTP 503.
    #[error("the store of the pictures has not answered for {0:?}")]
    TimedOut(Duration),
    /// Something else than a picture lies there, and not through us: HTTP 503.
    #[error("what lies at `{0}` is larger than a picture may be, or is none")]
    Unreadable(path::Path),
}

impl From<AvatarError> for Problem {
    fn from(error: AvatarError) -> Self {
        // The causes may name hosts and folders, so they go into the log and not to the client.
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a picture cannot be read or written"
        );
        Problem::unavailable("pictures cannot be read or written right now; try again in a second")
    }
}

impl AvatarStore {
    /// Pictures kept in `objects`.
    pub fn new(objects: Arc<dyn ObjectStore>) -> Self {
        AvatarStore { objects }
    }

    /// Keeps the picture in place of the one before. Whoever reads meanwhile gets the one or the other, never a mixture.
    pub async fn put(&self, user: &UserName, avatar: &Avatar) -> Result<(), AvatarError> {
        // An object store puts all or nothing; in a folder it writes another file first and renames it.
        let putting = async {
            Ok(self
                .objects
                .put(&location(user), avatar.bytes.clone().into())
                .await?)
        };
        in_time(putting).await.map(drop)
    }

    /// The user's picture, if there is one.
    pub async fn get(&self, user: &UserName) -> Result<Option<Avatar>, AvatarError> {
        let location = location(user);
        let getting = async {
            let found = match self.objects.get(&location).await {
                Err(object_store::Error::NotFound { .. }) => return Ok(None),
                other => other?,
            };
            if found.meta.size > MAX_AVATAR_BYTES as u64 {
                return Err(AvatarError::Unreadable(location.clone()));
            }
            Ok(Some(found.bytes().await?))
        };
        let Some(bytes) = in_time(getting).await? else {
            return Ok(None);
        };
        let avatar = Avatar::new(bytes).map_err(|NotAPicture| AvatarError::Unreadable(location))?;
        Ok(Some(avatar))
    }
}

fn location(user: &UserName) -> path::Path {
    path::Path::from(format!("avatars/{}", user.as_str()))
}

async fn in_time<T>(work: impl Future<Output = Result<T, AvatarError>>) -> Result<T, AvatarError> {
    let outcome = tokio::time::timeout(PATIENCE, work).await;
    outcome.unwrap_or(Err(AvatarError::TimedOut(PATIENCE)))
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

/// Keeps the visitor's picture. The body is the file itself, at most 256 KiB; its kind is told by its first bytes.
#[utoipa::path(put, path = "/me/avatar", tag = "avatars", request_body(content(
    (Vec<u8> = "image/png"), (Vec<u8> = "image/jpeg"), (Vec<u8> = "image/webp"), (Vec<u8> = "image/gif"),
)), responses(
    (status = 204, description = "Every clone serves it from now on"),
    (status = 401, description = "Nobody is logged in", body = Problem, content_type = "application/problem+json"),
    (status = 413, description = "It has more than 256 KiB", body = Problem, content_type = "application/problem+json"),
    (status = 415, description = "It is no PNG, JPEG, WebP or GIF", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Sessions or pictures are away", body = Problem, content_type = "application/problem+json"),
))]
async fn put_avatar(
    State(avatars): State<AvatarStore>,
    // Before the body: it is not read for somebody who may not send it.
    CurrentUser(user): CurrentUser,
    Raw(bytes): Raw<MAX_AVATAR_BYTES>,
) -> Result<StatusCode, Problem> {
    // A session made by us holds a name that keeps to the rule. The path of an object relies on it.
    let user = UserName::parse(&user).map_err(SessionError::unavailable)?;
    let avatar = Avatar::new(bytes)
        .map_err(|error| Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error.to_string()))?;
    avatars.put(&user, &avatar).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A user's picture.
#[utoipa::path(get, path = "/users/{id}/avatar", tag = "avatars",
    params(("id" = String, Path, description = "The user's name", example = "ada")), responses(
    (status = 200, description = "The picture", content((Vec<u8> = "image/png"), (Vec<u8> = "image/jpeg"), (Vec<u8> = "image/webp"), (Vec<u8> = "image/gif"))),
    (status = 304, description = "The picture has not changed: its `ETag` is one of those in `If-None-Match`"),
    (status = 400, description = "That cannot be a user name", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "There is no picture of this user", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Pictures are away", body = Problem, content_type = "application/problem+json"),
))]
async fn avatar(
    State(avatars): State<AvatarStore>,
    Path(user): Path<UserName>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Some(avatar) = avatars.get(&user).await? else {
        let user = user.as_str();
        return Err(Problem::not_found(format!(
            "there is no picture of `{user}`; `PUT /me/avatar` sends one of whoever is logged in"
        )));
    };
    let etag = avatar.etag();
    // "no-cache" means: keep it, but ask before each use whether it is still right. A new picture is seen at once.
    let caching = [
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (ETAG, etag.clone()),
    ];
    if is_not_modified(&headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, caching).into_response());
    }
    let kind = [
        (CONTENT_TYPE, HeaderValue::from_static(avatar.content_type)),
        // A file can be a picture and a page at the same time. The browser shall not look for the page.
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    Ok((caching, kind, avatar.bytes).into_response())
}
