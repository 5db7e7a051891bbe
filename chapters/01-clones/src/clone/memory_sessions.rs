//! The naive session store: a map in the memory of one server, the "before" of the lesson.
//!
//! With several servers, each has its own map, so a login on one server is unknown to the others.
//! A restart logs out every user.

use std::collections::HashMap;

use async_trait::async_trait;
use chrono::Utc;
use parking_lot::Mutex;

use super::session::{Session, SessionError, SessionId, SessionStore, UserName};

/// A [`SessionStore`] for one server. Expired sessions are not returned, but they stay in the map.
#[derive(Debug, Default)]
pub struct MemorySessions {
    sessions: Mutex<HashMap<SessionId, Session>>,
}

impl MemorySessions {
    /// A store without sessions.
    pub fn new() -> Self {
        MemorySessions::default()
    }
}

#[async_trait]
impl SessionStore for MemorySessions {
    async fn create(&self, session: &Session) -> Result<SessionId, SessionError> {
        let id = SessionId::random();
        self.sessions.lock().insert(id.clone(), session.clone());
        Ok(id)
    }

    async fn load(&self, id: &SessionId) -> Result<Option<Session>, SessionError> {
        let found = self.sessions.lock().get(id).cloned();
        Ok(found.filter(|session| !session.is_expired(Utc::now())))
    }

    async fn delete(&self, id: &SessionId) -> Result<(), SessionError> {
        self.sessions.lock().remove(id);
        Ok(())
    }

    async fn end_all(&self, user: &UserName) -> Result<(), SessionError> {
        // A scan is fast enough here, and a second map by user could disagree with the first.
        self.sessions
            .lock()
            .retain(|_, session| session.user != user.as_str());
        Ok(())
    }
}
