//! Rule 3: each session has a time to live.

use std::pin::pin;

use super::TTL;
use super::support::{MANY_COMMANDS, Store, runs_into, user_of};

// Rule 3.
#[tokio::test]
async fn redis_deletes_an_unused_session() {
    let store = Store::open().await;
    let id = store.one.log_in("ada", None).await.unwrap();
    let keys = store.keys().await;
    assert!(
        !keys.is_empty(),
        "after a login there should be a key in Redis, but there is none: does it expire at once?"
    );
    let ttl = TTL.as_secs().cast_signed();
    for (key, seconds) in keys {
        assert_ne!(
            seconds, -1,
            "{key:?} never expires: what deletes the session of a user who never logs out?"
        );
        assert!(
            (ttl - 60..=ttl).contains(&seconds),
            "{key:?} expires in {seconds} s, but should expire in {ttl} s: in which unit is the time \
             to live?"
        );
    }

    store.redis::<()>(&redis::cmd("FLUSHDB")).await;

    assert_eq!(
        user_of(&store.one, &id).await,
        None,
        "Redis deleted the session, but a clone still finds it: does that clone keep a copy?"
    );
}

// Rule 3.
#[tokio::test]
async fn each_load_renews_the_session() {
    let store = Store::open().await;
    let id = store.one.log_in("ada", None).await.unwrap();
    let ttl = TTL.as_secs().cast_signed();
    // Pretend that most of the session's time has passed, and then only a little of it.
    for rest in [100, ttl - 100] {
        for (key, _) in store.keys().await {
            let shorten = redis::cmd("EXPIRE").arg(&key).arg(rest).to_owned();
            store.redis::<()>(&shorten).await;
        }
        assert_eq!(
            user_of(&store.other, &id).await.as_deref(),
            Some("ada"),
            "the session should live for another {rest} s"
        );
        for (key, seconds) in store.keys().await {
            assert!(
                seconds > rest,
                "after `load`, {key:?} still expires in {seconds} s instead of {ttl} s: ada is logged \
                 out while she uses the store. Does every `load` renew the time to live?"
            );
            assert!(
                (ttl - 60..=ttl).contains(&seconds),
                "after `load`, {key:?} expires in {seconds} s, but should expire in {ttl} s: to which \
                 time does `load` renew it?"
            );
        }
    }
}

// Rule 3. The clone crashes before each of its commands.
#[tokio::test]
async fn crash_leaves_no_session_for_ever() {
    for command in 1..=MANY_COMMANDS {
        let store = Store::open().await;
        let (clone, proxy) = store.clone_behind_proxy().await;
        let mut pause = proxy.pause_before(command);
        let mut login = pin!(clone.log_in("ada", None));
        if !runs_into(&mut login, &mut pause).await {
            return;
        }
        drop((pause, proxy));
        // The result does not matter, because the clone has crashed.
        let _ = login.await;
        for (key, seconds) in store.keys().await {
            assert_ne!(
                seconds, -1,
                "the clone crashed before command {command} of the login, and now {key:?} never \
                 expires: does one command set the value and its time to live?"
            );
        }
    }
}
