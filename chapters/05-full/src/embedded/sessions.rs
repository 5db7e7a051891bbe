//! Sessions in the store's SQLite database, so that a restart logs nobody out.
//!
//! Left out: keeping only a hash of each id, which would make a stolen database file useless for logging in.

use async_trait::async_trait;
use ch01_clones::clone::session::{SESSION_TTL, SessionError, UserName};
use ch01_clones::{Session, SessionId, SessionStore};
use ch02_database::StoreError;
use chrono::Utc;
use sqlx::Row;

use super::db::Db;

/// Sessions in one SQLite database.
pub struct SqliteSessions {
    db: Db,
}

impl SqliteSessions {
    /// The sessions of this database.
    pub fn new(db: Db) -> Self {
        SqliteSessions { db }
    }
}

#[async_trait]
impl SessionStore for SqliteSessions {
    async fn create(&self, session: &Session) -> Result<SessionId, SessionError> {
        let id = SessionId::random();
        let key = id.as_str().to_owned();
        let record = serde_json::to_string(session).expect("a name and a time are always JSON");
        let ends_at = (session.created_at + SESSION_TTL).timestamp();
        self.db
            .write(move |db| {
                Box::pin(async move {
                    // Each login sweeps a few of those that have ended, so the table does not grow for ever.
                    sqlx::query(
                        "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at <= ? LIMIT 10)",
                    )
                    .bind(Utc::now().timestamp())
                    .execute(&mut *db)
                    .await?;
                    sqlx::query("INSERT INTO sessions (id, session, expires_at) VALUES (?, ?, ?)")
                        .bind(key)
                        .bind(record)
                        .bind(ends_at)
                        .execute(db)
                        .await
                })
            })
            .await
            .map_err(SessionError::unavailable)?;
        Ok(id)
    }

    async fn load(&self, id: &SessionId) -> Result<Option<Session>, SessionError> {
        let row = sqlx::query("SELECT session FROM sessions WHERE id = ?")
            .bind(id.as_str())
            .fetch_optional(self.db.readers())
            .await
            .map_err(SessionError::unavailable)?;
        let Some(row) = row else { return Ok(None) };
        let session: Session = serde_json::from_str(row.get("session")).map_err(|error| {
            SessionError::unavailable(StoreError::Corrupt(format!("a session: {error}")))
        })?;
        Ok(Some(session).filter(|session| !session.is_expired(Utc::now())))
    }

    async fn delete(&self, id: &SessionId) -> Result<(), SessionError> {
        let key = id.as_str().to_owned();
        self.db
            .write(move |db| {
                Box::pin(async move {
                    sqlx::query("DELETE FROM sessions WHERE id = ?")
                        .bind(key)
                        .execute(db)
                        .await
                })
            })
            .await
            .map(drop)
            .map_err(SessionError::unavailable)
    }

    async fn end_all(&self, user: &UserName) -> Result<(), SessionError> {
        let user = user.as_str().to_owned();
        self.db
            .write(move |db| {
                Box::pin(async move {
                    // In the words of the index `sessions_by_user`; in others SQLite would look through all sessions.
                    sqlx::query("DELETE FROM sessions WHERE session ->> 'user' = ?")
                        .bind(user)
                        .execute(db)
                        .await
                })
            })
            .await
            .map(drop)
            .map_err(SessionError::unavailable)
    }
}
