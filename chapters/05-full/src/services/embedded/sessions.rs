//! Sessions in the main SQLite database. They survive a restart.

use async_trait::async_trait;
use ch01_clones::clone::session::{SESSION_TTL, SessionError, UserName};
use ch01_clones::{Session, SessionId, SessionStore};
use ch02_database::StoreError;
use chrono::Utc;
use sqlx::Row;

use super::database::SqliteDatabase;

/// Sessions in one SQLite database.
pub struct SqliteSessions {
    database: SqliteDatabase,
}

impl SqliteSessions {
    /// The sessions in this database.
    pub fn new(database: SqliteDatabase) -> Self {
        SqliteSessions { database }
    }
}

#[async_trait]
impl SessionStore for SqliteSessions {
    async fn create(&self, session: &Session) -> Result<SessionId, SessionError> {
        let id = SessionId::random();
        let key = id.as_str().to_owned();
        let record =
            serde_json::to_string(session).expect("a session can always be written as JSON");
        let expires_at = (session.created_at + SESSION_TTL).timestamp();
        self.database
            .write(move |connection| {
                Box::pin(async move {
                    // Each login deletes a few expired sessions, so the table does not grow.
                    sqlx::query(
                        "DELETE FROM sessions WHERE id IN \
                         (SELECT id FROM sessions WHERE expires_at <= ? LIMIT 10)",
                    )
                    .bind(Utc::now().timestamp())
                    .execute(&mut *connection)
                    .await?;
                    sqlx::query("INSERT INTO sessions (id, session, expires_at) VALUES (?, ?, ?)")
                        .bind(key)
                        .bind(record)
                        .bind(expires_at)
                        .execute(connection)
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
            .fetch_optional(self.database.readers())
            .await
            .map_err(SessionError::unavailable)?;
        let Some(row) = row else { return Ok(None) };
        let session: Session = serde_json::from_str(row.get("session")).map_err(|error| {
            SessionError::unavailable(StoreError::Corrupt(format!("session: {error}")))
        })?;
        Ok(Some(session).filter(|session| !session.is_expired(Utc::now())))
    }

    /// No page can do without this file: the catalogue is in it. So no shorter limit applies.
    async fn load_quickly(&self, id: &SessionId) -> Result<Option<Session>, SessionError> {
        self.load(id).await
    }

    async fn delete(&self, id: &SessionId) -> Result<(), SessionError> {
        let key = id.as_str().to_owned();
        self.database
            .write(move |connection| {
                Box::pin(async move {
                    sqlx::query("DELETE FROM sessions WHERE id = ?")
                        .bind(key)
                        .execute(connection)
                        .await
                })
            })
            .await
            .map(drop)
            .map_err(SessionError::unavailable)
    }

    async fn end_all(&self, user: &UserName) -> Result<(), SessionError> {
        let user = user.as_str().to_owned();
        self.database
            .write(move |connection| {
                Box::pin(async move {
                    // This is the exact expression of the index `sessions_by_user`. With another
                    // one, SQLite would scan all sessions.
                    sqlx::query("DELETE FROM sessions WHERE session ->> 'user' = ?")
                        .bind(user)
                        .execute(connection)
                        .await
                })
            })
            .await
            .map(drop)
            .map_err(SessionError::unavailable)
    }
}
