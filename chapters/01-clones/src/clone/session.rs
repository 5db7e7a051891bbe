//! Sessions of logged-in users, and the interface [`SessionStore`] to the place that stores them.
//!
//! [`MemorySessions`](super::MemorySessions) stores them in the memory of one server, and
//! [`RedisSessions`](super::RedisSessions) in a Redis that all clones share.
//! [`login`](super::login) uses only the interface. [`contract`](crate::contract) tests what every
//! store must do.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::web::problem::Problem;

/// How long a page that also works without the user's name waits for the session store.
pub const LOOKUP_TIMEOUT: Duration = Duration::from_millis(250);

/// A session expires 7 days after its login, also if it is in use.
pub const SESSION_TTL: Duration = Duration::from_hours(7 * 24);

/// One login of one user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The user's name, valid for [`UserName`].
    pub user: String,
    /// The time of the login.
    pub created_at: DateTime<Utc>,
}

impl Session {
    /// A session that begins now.
    pub fn new(user: &UserName) -> Self {
        Session {
            user: user.as_str().to_owned(),
            created_at: Utc::now(),
        }
    }

    /// Whether the session is older than [`SESSION_TTL`] at `now`.
    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        now - self.created_at >= chrono::Duration::from_std(SESSION_TTL).expect("7 days fit")
    }
}

// ANCHOR: interface
/// Stores sessions. Another clone than the one that called `create` may call `load`, and must find
/// the session.
#[async_trait]
pub trait SessionStore: Send + Sync + 'static {
    /// Stores the session under a new id. When this returns, every clone can load it.
    async fn create(&self, session: &Session) -> Result<SessionId, SessionError>;

    /// The session with this id; `None` if it does not exist or is older than [`SESSION_TTL`].
    async fn load(&self, id: &SessionId) -> Result<Option<Session>, SessionError>;

    /// Like `load`, for a page that also works without the user's name: it fails within
    /// [`LOOKUP_TIMEOUT`].
    async fn load_quickly(&self, id: &SessionId) -> Result<Option<Session>, SessionError> {
        let loaded = tokio::time::timeout(LOOKUP_TIMEOUT, self.load(id)).await;
        loaded.unwrap_or_else(|timeout| Err(SessionError::unavailable(timeout)))
    }

    /// Deletes the session. A session that does not exist is no error.
    async fn delete(&self, id: &SessionId) -> Result<(), SessionError>;

    /// Deletes all sessions of this user, from all clones. A session that is created
    /// at the same time is either deleted too or stays valid.
    async fn end_all(&self, user: &UserName) -> Result<(), SessionError>;
}
// ANCHOR_END: interface

/// The store failed. A session that does not exist is not an error but `None`.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The store is unavailable, and the same call may succeed later: HTTP 503.
    #[error("the session store is unavailable")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}

impl SessionError {
    /// Wraps a driver's error.
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        SessionError::Unavailable(cause.into())
    }
}

impl From<SessionError> for Problem {
    fn from(error: SessionError) -> Self {
        // The causes may name hosts and passwords, so only the log gets them.
        tracing::error!(
            error = &error as &dyn Error,
            "cannot read or write a session"
        );
        Problem::unavailable(format!("{error}; try again in a second"))
    }
}

/// The secret of a session, stored in a cookie: 244 random bits as 64 hexadecimal digits.
///
/// It is enough to act as the user. So `Debug` shows only the first digits, which a reader of a log
/// can follow but not use.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionId(String);

impl SessionId {
    /// A new id from the operating system's random generator: two UUIDs of version 4, with 122
    /// random bits each. OWASP asks for at least 64 random bits.
    pub fn random() -> Self {
        SessionId(format!(
            "{}{}",
            Uuid::new_v4().simple(),
            Uuid::new_v4().simple()
        ))
    }

    /// Parses an id that a client sent. Only 64 lower-case hexadecimal digits are valid, so nothing
    /// else reaches a query or a key.
    ///
    /// ```
    /// use ch01_clones::SessionId;
    /// let id = SessionId::random();
    /// assert_eq!(SessionId::parse(id.as_str()), Some(id));
    /// assert_eq!(SessionId::parse("'; DROP TABLE sessions; --"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == 64 && text.bytes().all(is_digit)).then(|| SessionId(text.to_owned()))
    }

    /// The complete secret, for the cookie and the store.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({}…)", &self.0[..4])
    }
}

/// A user's name: 1 to 32 of `a-z`, `0-9`, `_` and `-`, starting with a letter or a digit.
///
/// It is part of URLs, cache keys and shard maps, so it must need no escaping.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(example = "ada", pattern = "^[a-z0-9][a-z0-9_-]{0,31}$")]
pub struct UserName(String);

/// The text is not a valid user name: HTTP 422 in a login, 400 in a path.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot be a user name; take 1 to 32 of a-z, 0-9, _ and -, starting with a letter or a digit, such as `ada`"
)]
pub struct InvalidUserName(String);

impl UserName {
    /// Checks a name.
    ///
    /// ```
    /// use ch01_clones::clone::session::UserName;
    /// assert_eq!(UserName::parse("ada").unwrap().as_str(), "ada");
    /// assert!(UserName::parse("Ada Lovelace").unwrap_err().to_string().contains("such as `ada`"));
    /// ```
    pub fn parse(name: &str) -> Result<Self, InvalidUserName> {
        let is_allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        let starts_well = name.starts_with(|first: char| first.is_ascii_alphanumeric());
        if starts_well && name.len() <= 32 && name.bytes().all(is_allowed) {
            Ok(UserName(name.to_owned()))
        } else {
            // The message repeats the name, so it must not be long.
            Err(InvalidUserName(name.chars().take(40).collect()))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for UserName {
    type Error = InvalidUserName;

    fn try_from(name: String) -> Result<Self, InvalidUserName> {
        UserName::parse(&name)
    }
}
