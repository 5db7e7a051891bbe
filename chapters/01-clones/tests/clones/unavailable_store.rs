//! The session store fails: the response is a 503 and contains no secret.

use std::sync::Arc;

use ch01_clones::clone::session::{SessionError, UserName};
use ch01_clones::{Session, SessionId, SessionStore};
use serde_json::json;

use crate::sessions::three_clones;
use crate::support::{client, header};

/// A store that is away.
struct Away;

#[async_trait::async_trait]
impl SessionStore for Away {
    async fn create(&self, _: &Session) -> Result<SessionId, SessionError> {
        Err(SessionError::unavailable(
            "redis://:secret@10.0.0.7 refused",
        ))
    }
    async fn load(&self, _: &SessionId) -> Result<Option<Session>, SessionError> {
        Err(SessionError::unavailable(
            "redis://:secret@10.0.0.7 refused",
        ))
    }
    async fn delete(&self, _: &SessionId) -> Result<(), SessionError> {
        Err(SessionError::unavailable(
            "redis://:secret@10.0.0.7 refused",
        ))
    }
    async fn end_all(&self, _: &UserName) -> Result<(), SessionError> {
        Err(SessionError::unavailable(
            "redis://:secret@10.0.0.7 refused",
        ))
    }
}

#[tokio::test]
async fn unavailable_store_is_503_without_secrets() {
    let (front, _clones) = three_clones(|| Arc::new(Away)).await;
    let cookie = format!("session={}", SessionId::random().as_str());
    for request in [
        client()
            .post(front.url("/login"))
            .json(&json!({ "user": "ada" })),
        client().get(front.url("/me")),
        client().post(front.url("/logout")),
        client().post(front.url("/logout-everywhere")),
    ] {
        let answer = request.header("cookie", &cookie).send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), header(&answer, "retry-after")),
            (503, "1")
        );
        assert!(!answer.text().await.unwrap().contains("secret"));
    }
    assert_eq!(
        client()
            .get(front.url("/me"))
            .send()
            .await
            .unwrap()
            .status(),
        401,
        "no cookie asks no store"
    );
}
