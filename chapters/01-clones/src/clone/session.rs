//! Who is logged in, and the seam that lets any clone know it: [`SessionStore`].
//!
//! Before: [`MemorySessions`], in the memory of one server. After: [`RedisSessions`](crate::RedisSessions), which all
//! clones share. The handlers in [`login`](crate::clone::login) know the trait only, so they are the same before and after.
//! What every store has to keep is written down in [`contract`](crate::contract).
//!
//! Left out: passwords (a name is all it takes to log in), keeping only a hash of each id, renewing a session that is
//! in use.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::web::problem::Problem;

/// How long a session lives after its login: 7 days, whether it is used or not.
pub const SESSION_TTL: Duration = Duration::from_hours(7 * 24);

/// One visitor who is logged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The user's name. It keeps to the rule of [`UserName`].
    pub user: String,
    /// When they logged in.
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

    /// Whether the session is older than [`SESSION_TTL`] at the time `now`.
    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        now - self.created_at >= chrono::Duration::from_std(SESSION_TTL).expect("7 days fit")
    }
}

// ANCHOR: seam
/// Where the sessions lie. A `load` may come to another clone than the `create` did, and has to find what was created.
#[async_trait]
pub trait SessionStore: Send + Sync + 'static {
    /// Keeps the session under a new id. When this returns, every clone can load it.
    async fn create(&self, session: &Session) -> Result<SessionId, SessionError>;

    /// The session with this id; `None` if there is none, or if it is older than [`SESSION_TTL`].
    async fn load(&self, id: &SessionId) -> Result<Option<Session>, SessionError>;

    /// Forgets the session. That it was not there is no error.
    async fn delete(&self, id: &SessionId) -> Result<(), SessionError>;

    /// Forgets all sessions of this user that were created before, whichever clone created them: the phone is lost. One that is
    /// created meanwhile comes either before, and ends with the others, or after, and lives.
    async fn end_all(&self, user: &UserName) -> Result<(), SessionError>;
}
// ANCHOR_END: seam

/// Why a store could not answer. "There is no such session" is not an error, it is `None`.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The store is away. The same call may succeed later: HTTP 503.
    #[error("the session store cannot answer right now")]
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
        // The causes may name hosts and passwords, so they go into the log and not to the client.
        tracing::error!(
            error = &error as &dyn Error,
            "a session cannot be read or written"
        );
        Problem::unavailable(format!("{error}; try again in a second"))
    }
}

/// The secret that a browser shows to prove who it is: 244 random bits, as 64 hexadecimal digits.
///
/// Whoever has it *is* the user, so `Debug` shows only its beginning: enough to follow a session in a log, too little
/// to use it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionId(String);

impl SessionId {
    /// A new id from the operating system's random generator, by way of two UUIDs of version 4.
    ///
    /// One would have 122 random bits; OWASP asks for 64 at least, we want 128.
    pub fn random() -> Self {
        SessionId(format!(
            "{}{}",
            Uuid::new_v4().simple(),
            Uuid::new_v4().simple()
        ))
    }

    /// Reads an id that a client sent. Anything but 64 lower-case hexadecimal digits is `None`, so nothing else ever
    /// reaches a store's query or key.
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

    /// The whole secret, for the cookie and the store.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({}…)", &self.0[..4])
    }
}

/// A user's name: 1 to 32 of `a-z`, `0-9`, `_` and `-`, beginning with a letter or a digit.
///
/// It stands in URLs, cache keys and shard maps later on, so it must not need escaping anywhere.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct UserName(String);

/// Says what a name may look like.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot be a user name; take 1 to 32 of a-z, 0-9, _ and -, beginning with a letter or a digit, such as `ada`"
)]
pub struct InvalidUserName(String);

impl UserName {
    /// Checks the rule.
    ///
    /// ```
    /// use ch01_clones::clone::session::UserName;
    /// assert_eq!(UserName::parse("ada").unwrap().as_str(), "ada");
    /// assert!(UserName::parse("Ada Lovelace").unwrap_err().to_string().contains("such as `ada`"));
    /// ```
    pub fn parse(name: &str) -> Result<Self, InvalidUserName> {
        let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        let begins_well = name.starts_with(|first: char| first.is_ascii_alphanumeric());
        if begins_well && name.len() <= 32 && name.bytes().all(fits) {
            Ok(UserName(name.to_owned()))
        } else {
            // Whatever was sent comes back in the message, so keep it short.
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
