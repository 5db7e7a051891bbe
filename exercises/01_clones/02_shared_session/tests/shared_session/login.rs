//! Rules 1, 6 and 7: sessions that all clones share.

use super::support::{Store, user_of};

// Rule 1.
#[tokio::test]
async fn login_at_one_clone_works_at_another() {
    let store = Store::open().await;
    let ada = store.one.log_in("ada", None).await.unwrap();
    let bob = store.other.log_in("bob", None).await.unwrap();

    assert_eq!(
        user_of(&store.other, &ada).await.as_deref(),
        Some("ada"),
        "ada logged in at one clone, but the other clone does not find her session: is the session \
         stored in Redis?"
    );
    assert_eq!(
        user_of(&store.one, &bob).await.as_deref(),
        Some("bob"),
        "bob logged in at the other clone"
    );
}

// Rule 1.
#[tokio::test]
async fn logout_at_one_clone_works_at_another() {
    let store = Store::open().await;
    let ada = store.one.log_in("ada", None).await.unwrap();
    let bob = store.one.log_in("bob", None).await.unwrap();
    user_of(&store.one, &ada).await;

    store.other.log_out(&ada).await.unwrap();

    assert_eq!(
        user_of(&store.one, &ada).await,
        None,
        "ada logged out, but one clone still finds her session: does that clone keep a copy?"
    );
    assert_eq!(
        user_of(&store.one, &bob).await.as_deref(),
        Some("bob"),
        "ada logged out, but bob's session must stay: what does `log_out` delete?"
    );
}

// Rule 1. Ada uses a phone and a laptop.
#[tokio::test]
async fn sessions_of_one_user_are_independent() {
    let store = Store::open().await;
    let phone = store.one.log_in("ada", None).await.unwrap();
    let laptop = store.other.log_in("ada", None).await.unwrap();
    assert_eq!(
        user_of(&store.one, &phone).await.as_deref(),
        Some("ada"),
        "ada logged in on her laptop, and that ended the session on her phone: is there only one \
         session for each user?"
    );

    store.one.log_out(&phone).await.unwrap();

    assert_eq!(
        user_of(&store.one, &laptop).await.as_deref(),
        Some("ada"),
        "ada logged out on her phone, and that ended the session on her laptop: does `log_out` \
         delete all sessions of the user?"
    );
}

// Rule 1.
#[tokio::test]
async fn unknown_ids_are_not_logged_in() {
    let store = Store::open().await;
    let user = user_of(&store.one, "an-unknown-id").await;
    assert_eq!(user, None, "there is no session with this id");
    let keys = store.keys().await;
    assert!(
        keys.is_empty(),
        "no user has logged in, but there are keys in Redis: {keys:?}. Does `load` create one?"
    );
    let logout = store.one.log_out("an-unknown-id").await;
    assert!(
        logout.is_ok(),
        "Redis is up, so a logout without a session should work, but it returns {logout:?}: does \
         the number of deleted keys matter?"
    );
}

// Rule 6.
#[tokio::test]
async fn ids_reach_only_sessions() {
    let store = Store::open().await;
    let put = redis::cmd("SET").arg("product:7").arg("chess").to_owned();
    store.redis::<()>(&put).await;
    assert_eq!(
        user_of(&store.one, "product:7").await,
        None,
        "a client sent `product:7` as its session id and is logged in as the value of that key: does \
         `load` use `key`?"
    );

    store.one.log_out("product:7").await.unwrap();
    store.one.log_in("ada", Some("product:7")).await.unwrap();

    let get = redis::cmd("GET").arg("product:7").to_owned();
    assert_eq!(
        store.redis::<Option<String>>(&get).await.as_deref(),
        Some("chess"),
        "a client sent `product:7` as its session id, and the key of the product is deleted: does \
         each command use `key`?"
    );
}

// Rule 7.
#[tokio::test]
async fn all_calls_share_one_connection() {
    let store = Store::open().await;
    let (clone, proxy) = store.clone_behind_proxy().await;
    for _ in 0..3 {
        let id = clone.log_in("ada", None).await.unwrap();
        user_of(&clone, &id).await;
        clone.log_out(&id).await.unwrap();
    }
    let connections = proxy.opened_connections();
    assert_eq!(
        connections, 1,
        "10 calls opened {connections} connections to Redis instead of 1: does each call connect \
         again, instead of using `self.redis.clone()`?"
    );
}
