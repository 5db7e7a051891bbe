//! Sessions in a real Redis: the contract of the interface, and the keys in Redis.

use std::sync::Arc;
use std::time::Duration;

use ch01_clones::clone::session::{SESSION_TTL, UserName};
use ch01_clones::{MemorySessions, RedisSessions, Session, SessionId, SessionStore, contract};
use chrono::Utc;
use redis::AsyncCommands;

use crate::support::{TestServer, assert_problem, client, clone_with, log_in, serve};

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
#[should_panic(expected = "does the store keep it in the process?")]
async fn separate_memory_stores_break_the_contract() {
    contract::session_store(|| Arc::new(MemorySessions::new())).await;
}

#[tokio::test]
async fn sessions_in_redis_keep_the_contract() {
    let redis = testbed::redis().await.unwrap();
    contract::session_store(|| in_redis(&redis.url())).await;
}

/// The keys of a store, read by another client of the same Redis.
async fn look_into(url: &str) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(url).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

#[tokio::test]
async fn redis_expires_sessions() {
    let redis = testbed::redis().await.unwrap();
    let (store, mut keys) = (in_redis(&redis.url()), look_into(&redis.url()).await);
    let mut old = session();
    old.created_at = Utc::now() - SESSION_TTL + Duration::from_mins(10);

    let id = store.create(&old).await.unwrap();

    let rest: i64 = keys.ttl(key_of(&id)).await.unwrap();
    assert!(
        (1..=601).contains(&rest),
        "{rest} s left of 10 minutes: does the key's time count from the login, and is it set at all?"
    );
    store.create(&session()).await.unwrap();
    let all: Vec<String> = keys.keys("*").await.unwrap();
    assert_eq!(
        all.len(),
        3,
        "expected one key per session and one index per user: {all:?}"
    );
}

fn key_of(id: &SessionId) -> String {
    format!("session:{}", id.as_str())
}

const INDEX: &str = "sessions-of:ada";

#[tokio::test]
async fn index_expires_with_its_last_session() {
    let redis = testbed::redis().await.unwrap();
    let (store, mut keys) = (in_redis(&redis.url()), look_into(&redis.url()).await);
    let with_minutes_left = |minutes| Session {
        created_at: Utc::now() - SESSION_TTL + Duration::from_mins(minutes),
        ..session()
    };

    // The session with the longest lifetime is in the middle.
    for (minutes, longest) in [(5, 5), (30, 30), (10, 30)] {
        store.create(&with_minutes_left(minutes)).await.unwrap();
        let mut of_sessions = Vec::new();
        for id in keys.zrange::<_, Vec<String>>(INDEX, 0, -1).await.unwrap() {
            of_sessions.push(keys.ttl::<_, i64>(format!("session:{id}")).await.unwrap());
        }
        let of_index: i64 = keys.ttl(INDEX).await.unwrap();
        assert!(
            of_sessions.iter().all(|of_session| *of_session <= of_index),
            "the index must not expire before its sessions, or these cannot be ended: {of_index} < {of_sessions:?} s"
        );
        assert!(
            (1..=longest * 60 + 2).contains(&of_index),
            "{of_index} s: the index stays after its last session, or for ever"
        );
    }
}

#[tokio::test]
async fn index_drops_expired_and_logged_out_sessions() {
    let redis = testbed::redis().await.unwrap();
    let (store, mut keys) = (in_redis(&redis.url()), look_into(&redis.url()).await);
    let live = store.create(&session()).await.unwrap();
    let logged_out = store.create(&session()).await.unwrap();
    // As if the sessions had begun a week ago: Redis has expired them, but not their index entries.
    for n in 0..50 {
        let () = keys
            .zadd(INDEX, format!("expired-{n}"), 1_000 + n)
            .await
            .unwrap();
    }

    store.delete(&logged_out).await.unwrap();
    let new = store.create(&session()).await.unwrap();

    let mut left: Vec<String> = keys.zrange(INDEX, 0, -1).await.unwrap();
    left.sort();
    let mut expected = [live.as_str(), new.as_str()];
    expected.sort_unstable();
    assert_eq!(
        left, expected,
        "expired entries must leave the index, or it grows without a limit"
    );
    store
        .end_all(&UserName::parse("ada").unwrap())
        .await
        .unwrap();
    let all: Vec<String> = keys.keys("*").await.unwrap();
    assert!(
        all.is_empty(),
        "{all:?}: something stays of a user without sessions"
    );
}

#[tokio::test]
async fn end_all_ends_ten_thousand_sessions() {
    let redis = testbed::redis().await.unwrap();
    let (store, mut keys) = (in_redis(&redis.url()), look_into(&redis.url()).await);
    // Lua can pass about 8,000 values to one command at most.
    let mut writing = redis::pipe();
    for n in 0..10_000 {
        let id = format!("{n:064}");
        writing.set(format!("session:{id}"), "{}").ignore();
        writing
            .zadd(INDEX, id, Utc::now().timestamp() + 1_000)
            .ignore();
    }
    let () = writing.query_async(&mut keys).await.unwrap();

    store
        .end_all(&UserName::parse("ada").unwrap())
        .await
        .unwrap();

    let left: usize = redis::cmd("DBSIZE").query_async(&mut keys).await.unwrap();
    assert_eq!(left, 0);
}

pub async fn me(clone: &TestServer, cookie: &str) -> reqwest::Response {
    client()
        .get(clone.url("/me"))
        .header("cookie", cookie)
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn foreign_session_value_is_503_until_next_login() {
    let redis = testbed::redis().await.unwrap();
    let clone = serve(clone_with("clone-1", in_redis(&redis.url()))).await;
    let mut keys = look_into(&redis.url()).await;
    let id = SessionId::random();
    let cookie = format!("session={}", id.as_str());
    let key = key_of(&id);

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
        "a login must delete the session of the old cookie"
    );
}

#[tokio::test]
async fn invalid_redis_url_is_rejected_at_start() {
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
        assert!(
            error.to_string().contains("redis://127.0.0.1:6379/0"),
            "{error}"
        );
    }
    let error = RedisSessions::new("redis://ada:secret@localhost/x")
        .err()
        .unwrap();
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
}
