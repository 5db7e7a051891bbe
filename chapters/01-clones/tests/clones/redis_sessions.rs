//! Sessions in a real Redis: the contract of the seam, and what lies in Redis.

use std::sync::Arc;
use std::time::Duration;

use ch01_clones::session::{SESSION_TTL, UserName};
use ch01_clones::{MemorySessions, RedisSessions, Session, SessionId, SessionStore, contract};
use chrono::Utc;
use redis::AsyncCommands;

use crate::support::{Running, assert_problem, client, clone_with, log_in, serve};

pub fn in_redis(url: &str) -> Arc<dyn SessionStore> {
    Arc::new(RedisSessions::new(url).unwrap())
}

pub fn session() -> Session {
    Session::new(&UserName::parse("ada").unwrap())
}

#[tokio::test]
async fn sessions_in_memory_keep_the_contract() {
    let store: Arc<dyn SessionStore> = Arc::new(MemorySessions::new());
    contract::session_store(|| Arc::clone(&store)).await;
}

#[tokio::test]
#[should_panic(expected = "does the store keep something in the process?")]
async fn sessions_in_the_memory_of_each_clone_do_not_keep_the_contract() {
    contract::session_store(|| Arc::new(MemorySessions::new())).await;
}

#[tokio::test]
async fn sessions_in_redis_keep_the_contract() {
    let redis = testbed::redis().await.unwrap();
    contract::session_store(|| in_redis(&redis.url())).await;
}

/// What a store writes, seen by another client of the same Redis.
async fn look_into(url: &str) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(url).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

#[tokio::test]
async fn redis_itself_forgets_a_session_when_its_time_is_over() {
    let redis = testbed::redis().await.unwrap();
    let (store, mut keys) = (in_redis(&redis.url()), look_into(&redis.url()).await);
    let mut old = session();
    old.created_at = Utc::now() - SESSION_TTL + Duration::from_mins(10);

    let id = store.create(&old).await.unwrap();

    let rest: i64 = keys.ttl(format!("session:{}", id.as_str())).await.unwrap();
    assert!(
        (1..=601).contains(&rest),
        "{rest} s left of 10 minutes: does the key's time count from the login, and is it set at all?"
    );
    store.create(&session()).await.unwrap();
    let all: Vec<String> = keys.keys("*").await.unwrap();
    assert_eq!(all.len(), 2, "one key a session: {all:?}");
}

pub async fn me(clone: &Running, cookie: &str) -> reqwest::Response {
    client()
        .get(clone.url("/me"))
        .header("cookie", cookie)
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn what_somebody_else_wrote_under_the_key_of_a_session_is_a_503_until_the_next_login() {
    let redis = testbed::redis().await.unwrap();
    let clone = serve(clone_with("clone-1", in_redis(&redis.url()))).await;
    let mut keys = look_into(&redis.url()).await;
    let id = SessionId::random();
    let cookie = format!("session={}", id.as_str());
    let key = format!("session:{}", id.as_str());

    for nonsense in ["", "ada", r#"{"user":7}"#] {
        let () = keys.set(&key, nonsense).await.unwrap();
        assert_problem(me(&clone, &cookie).await, 503, "session store").await;
    }
    let () = keys.del(&key).await.unwrap();
    let () = keys.lpush(&key, "a list").await.unwrap();
    assert_problem(me(&clone, &cookie).await, 503, "session store").await;

    let fresh = log_in(&clone.url("/login"), "ada", Some(&cookie)).await;
    assert_eq!(me(&clone, &fresh).await.status(), 200);
    assert_eq!(
        me(&clone, &cookie).await.status(),
        401,
        "the login deletes what the old cookie named"
    );
}

#[tokio::test]
async fn an_address_that_cannot_be_a_redis_is_told_at_once() {
    for url in [
        "",
        "localhost",
        "http://localhost",
        "redis://",
        "redis://localhost/x",
        "rediss://localhost",
    ] {
        let error = RedisSessions::new(url)
            .err()
            .unwrap_or_else(|| panic!("{url:?} was taken"));
        assert!(error.to_string().contains("redis://127.0.0.1:6379/0"), "{error}");
    }
    let error = RedisSessions::new("redis://ada:secret@localhost/x").err().unwrap();
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
}
