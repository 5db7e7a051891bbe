// The tests of `shared_session`: two clones of the store share one real Redis.

use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use shared_session::{RedisSessions, TTL};
use testbed::{Fault, FaultProxy};

/// Two clones that use the same, empty Redis database.
struct Store {
    database: testbed::Redis,
    one: RedisSessions,
    other: RedisSessions,
}

impl Store {
    async fn open() -> Store {
        let database = testbed::redis().await.unwrap();
        let [one, other] = [(); 2].map(|()| RedisSessions::new(&database.url()).unwrap());
        Store {
            database,
            one,
            other,
        }
    }

    /// A connection that the test uses to look at the keys.
    async fn redis(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.database.url()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    /// All keys, each with its time to live in seconds. -1 means that the key never expires.
    async fn keys(&self) -> Vec<(String, i64)> {
        let mut redis = self.redis().await;
        let names: Vec<String> = redis::cmd("KEYS")
            .arg("*")
            .query_async(&mut redis)
            .await
            .unwrap();
        let mut keys = Vec::new();
        for name in names {
            let seconds = redis::cmd("TTL")
                .arg(&name)
                .query_async(&mut redis)
                .await
                .unwrap();
            keys.push((name, seconds));
        }
        keys
    }
}

#[tokio::test]
async fn login_at_one_clone_works_at_another() {
    let store = Store::open().await;
    let ada = store.one.log_in("ada", None).await.unwrap();
    let bob = store.other.log_in("bob", None).await.unwrap();

    let user = store.other.load(&ada).await.unwrap();
    assert_eq!(
        user.as_deref(),
        Some("ada"),
        "ada logged in at one clone, but the other clone does not find her session: is the session \
         stored in Redis?"
    );
    assert_eq!(
        store.one.load(&bob).await.unwrap().as_deref(),
        Some("bob"),
        "bob logged in at the other clone"
    );
    assert_eq!(
        store.one.load("an-unknown-id").await.unwrap(),
        None,
        "there is no session with this id"
    );
}

#[tokio::test]
async fn logout_at_one_clone_works_at_another() {
    let store = Store::open().await;
    let ada = store.one.log_in("ada", None).await.unwrap();
    let bob = store.one.log_in("bob", None).await.unwrap();
    store.one.load(&ada).await.unwrap();

    store.other.log_out(&ada).await.unwrap();

    let user = store.one.load(&ada).await.unwrap();
    assert_eq!(
        user, None,
        "ada logged out, but one clone still finds her session: does that clone keep a copy?"
    );
    assert_eq!(
        store.one.load(&bob).await.unwrap().as_deref(),
        Some("bob"),
        "ada logged out, but bob's session must stay"
    );
    // A logout without a session is no error.
    store.one.log_out("an-unknown-id").await.unwrap();
}

#[tokio::test]
async fn session_ids_cannot_be_guessed() {
    let store = Store::open().await;
    let mut ids = Vec::new();
    for _ in 0..50 {
        ids.push(store.one.log_in("ada", None).await.unwrap());
    }
    for id in &ids {
        assert!(
            id.len() >= 22,
            "{id:?} is too short for 128 bits: with 6 bits per character, an id needs 22 characters"
        );
        // Two random ids have few equal characters. Two consecutive numbers have many.
        let equal_characters = |other: &String| {
            id.chars()
                .zip(other.chars())
                .filter(|(a, b)| a == b)
                .count()
        };
        let most = ids
            .iter()
            .filter(|other| *other != id)
            .map(equal_characters)
            .max()
            .unwrap_or(id.len());
        assert!(
            most < id.len() * 2 / 3,
            "{id:?} and another id have {most} of {} characters in common: can an attacker guess \
             the next id from the last one?",
            id.len()
        );
    }
}

#[tokio::test]
async fn login_replaces_the_old_session_id() {
    let store = Store::open().await;
    let before = store.one.log_in("ada", None).await.unwrap();
    for cookie_id in [before.as_str(), "made-up-by-an-attacker"] {
        let after = store.other.log_in("ada", Some(cookie_id)).await.unwrap();
        assert_ne!(
            after, cookie_id,
            "the login kept the id of the cookie, and an attacker may know that id"
        );
        assert_eq!(
            store.one.load(cookie_id).await.unwrap(),
            None,
            "after the login, the id from before it is still valid: is its session deleted?"
        );
        assert_eq!(
            store.one.load(&after).await.unwrap().as_deref(),
            Some("ada"),
            "the id that `log_in` returned should belong to ada"
        );
    }
}

#[tokio::test]
async fn sessions_expire_and_each_load_renews_them() {
    let store = Store::open().await;
    let id = store.one.log_in("ada", None).await.unwrap();
    let keys = store.keys().await;
    assert!(
        !keys.is_empty(),
        "after a login there should be a key in Redis, but there is none"
    );
    let ttl = TTL.as_secs().cast_signed();
    for (key, seconds) in keys {
        assert_ne!(
            seconds, -1,
            "{key:?} never expires: what deletes the session of a user who never logs out?"
        );
        assert!(
            (ttl - 60..=ttl).contains(&seconds),
            "{key:?} expires in {seconds} s, but should expire in {ttl} s"
        );
        // Pretend that most of the session's time has passed.
        let shorten = redis::cmd("EXPIRE").arg(&key).arg(100).to_owned();
        shorten.exec_async(&mut store.redis().await).await.unwrap();
    }

    assert_eq!(
        store.other.load(&id).await.unwrap().as_deref(),
        Some("ada"),
        "the session should live for another 100 s"
    );

    for (key, seconds) in store.keys().await {
        assert!(
            seconds > 100,
            "after `load`, {key:?} still expires in {seconds} s: ada is logged out while she uses \
             the store. Does `load` renew the time to live?"
        );
        assert!(
            seconds <= ttl,
            "{key:?} expires in {seconds} s, but should expire in {ttl} s at most"
        );
    }
    let clear = redis::cmd("FLUSHDB");
    clear.exec_async(&mut store.redis().await).await.unwrap();
    assert_eq!(
        store.one.load(&id).await.unwrap(),
        None,
        "Redis deleted the session, but a clone still finds it: does that clone keep a copy?"
    );
}

#[tokio::test]
async fn redis_outage_is_an_error_not_a_logout() {
    let store = Store::open().await;
    let id = store.one.log_in("ada", None).await.unwrap();
    // A third clone connects through a proxy that can cut its connection to Redis.
    let url = store.database.url();
    let (address, number) = url.trim_start_matches("redis://").split_once('/').unwrap();
    let proxy = FaultProxy::before(address.parse().unwrap()).await.unwrap();
    let clone = RedisSessions::new(&format!("redis://{}/{number}", proxy.address())).unwrap();
    assert_eq!(
        clone.load(&id).await.unwrap().as_deref(),
        Some("ada"),
        "the third clone should find the session while Redis is up"
    );

    proxy.inject(Fault::Refuse);
    let loaded = clone.load(&id).await;
    assert!(
        loaded.is_err(),
        "Redis is down, so `load` should return an error, but it returns {loaded:?}"
    );
    let login = clone.log_in("bob", None).await;
    assert!(
        login.is_err(),
        "Redis is down, but `log_in` returns {login:?}: no other clone can find that session"
    );
    let logout = clone.log_out(&id).await;
    assert!(
        logout.is_err(),
        "Redis is down, but `log_out` returns Ok: the session still exists"
    );

    proxy.heal();
    let deadline = Instant::now() + Duration::from_secs(20);
    let user = loop {
        match clone.load(&id).await {
            Ok(user) => break user,
            Err(error) => assert!(
                Instant::now() < deadline,
                "Redis has been up again for 20 s, but `load` still fails: {error}"
            ),
        }
    };
    assert_eq!(user.as_deref(), Some("ada"), "ada never logged out");
}
