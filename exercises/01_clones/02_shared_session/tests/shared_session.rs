// The tests of `shared_session`: two clones of the store and one real Redis.

use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use shared_session::{Sessions, TTL};
use testbed::{Fault, FaultProxy};

/// An empty Redis database, and two clones that use it.
struct Store {
    database: testbed::Redis,
    one: Sessions,
    other: Sessions,
}

impl Store {
    async fn open() -> Store {
        let database = testbed::redis().await.unwrap();
        let [one, other] = [(); 2].map(|()| Sessions::new(&database.url()).unwrap());
        Store {
            database,
            one,
            other,
        }
    }

    /// A connection of the test's own, to look at what is there.
    async fn redis(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.database.url()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    /// Each key, with its seconds to live; -1 means for ever.
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
async fn a_login_at_one_clone_is_a_login_at_the_other() {
    let store = Store::open().await;
    let ada = store.one.log_in("ada", None).await.unwrap();
    let bob = store.other.log_in("bob", None).await.unwrap();

    let seen = store.other.visit(&ada).await.unwrap();
    assert_eq!(
        seen.as_deref(),
        Some("ada"),
        "ada logged in at one clone, and the other does not know it: where is the session kept?"
    );
    assert_eq!(store.one.visit(&bob).await.unwrap().as_deref(), Some("bob"));
    assert_eq!(store.one.visit("nobody has this id").await.unwrap(), None);
}

#[tokio::test]
async fn a_logout_at_one_clone_is_a_logout_at_the_other() {
    let store = Store::open().await;
    let ada = store.one.log_in("ada", None).await.unwrap();
    let bob = store.one.log_in("bob", None).await.unwrap();
    store.one.visit(&ada).await.unwrap();

    store.other.log_out(&ada).await.unwrap();

    let seen = store.one.visit(&ada).await.unwrap();
    assert_eq!(
        seen, None,
        "ada has logged out, and one clone still knows her: is there a copy?"
    );
    assert_eq!(
        store.one.visit(&bob).await.unwrap().as_deref(),
        Some("bob"),
        "only ada logged out"
    );
    store.one.log_out("nobody has this id").await.unwrap();
}

#[tokio::test]
async fn ids_cannot_be_guessed() {
    let store = Store::open().await;
    let mut ids = Vec::new();
    for _ in 0..50 {
        ids.push(store.one.log_in("ada", None).await.unwrap());
    }
    for id in &ids {
        assert!(
            id.len() >= 22,
            "{id:?} is too short for 128 bits: at 6 bits a character, that takes 22"
        );
        // Random characters agree by chance only. Numbers that follow each other agree nearly everywhere.
        let alike = |other: &String| {
            id.chars()
                .zip(other.chars())
                .filter(|(a, b)| a == b)
                .count()
        };
        let most = ids
            .iter()
            .filter(|other| *other != id)
            .map(alike)
            .max()
            .unwrap_or(id.len());
        assert!(
            most < id.len() * 2 / 3,
            "{id:?} and another id agree in {most} of {} characters: can a visitor guess the next one from the last?",
            id.len()
        );
    }
}

#[tokio::test]
async fn a_login_makes_a_new_id_and_the_one_before_is_worth_nothing() {
    let store = Store::open().await;
    let before = store.one.log_in("ada", None).await.unwrap();
    for sent in [before.as_str(), "made-up-by-somebody-who-sent-ada-a-link"] {
        let after = store.other.log_in("ada", Some(sent)).await.unwrap();
        assert_ne!(
            after, sent,
            "whoever knew the id before the login is logged in as ada now"
        );
        assert_eq!(
            store.one.visit(sent).await.unwrap(),
            None,
            "the id from before the login still works"
        );
        assert_eq!(
            store.one.visit(&after).await.unwrap().as_deref(),
            Some("ada")
        );
    }
}

#[tokio::test]
async fn redis_ends_a_session_by_itself_and_a_visit_puts_that_off() {
    let store = Store::open().await;
    let id = store.one.log_in("ada", None).await.unwrap();
    let keys = store.keys().await;
    assert!(!keys.is_empty(), "a login leaves nothing in Redis");
    let ttl = TTL.as_secs().cast_signed();
    for (key, seconds) in keys {
        assert_ne!(
            seconds, -1,
            "Redis keeps {key:?} for ever: who removes the sessions of those who never log out?"
        );
        assert!(
            (ttl - 60..=ttl).contains(&seconds),
            "{key:?} lives for {seconds} s, and not for {ttl}"
        );
        // Most of its time goes by in a moment.
        let soon = redis::cmd("EXPIRE").arg(&key).arg(100).to_owned();
        soon.exec_async(&mut store.redis().await).await.unwrap();
    }

    assert_eq!(
        store.other.visit(&id).await.unwrap().as_deref(),
        Some("ada")
    );

    for (key, seconds) in store.keys().await {
        assert!(
            seconds > 100,
            "after a visit {key:?} still ends in {seconds} s: ada is thrown out while she shops"
        );
        assert!(
            seconds <= ttl,
            "{key:?} lives for {seconds} s, and not for {ttl}"
        );
    }
    let clear = redis::cmd("FLUSHDB");
    clear.exec_async(&mut store.redis().await).await.unwrap();
    assert_eq!(
        store.one.visit(&id).await.unwrap(),
        None,
        "Redis has ended the session, and a clone goes on with it"
    );
}

#[tokio::test]
async fn redis_away_is_an_error_and_nobody_is_logged_out() {
    let store = Store::open().await;
    let id = store.one.log_in("ada", None).await.unwrap();
    // A third clone, whose way to Redis can be cut.
    let url = store.database.url();
    let (address, number) = url.trim_start_matches("redis://").split_once('/').unwrap();
    let proxy = FaultProxy::before(address.parse().unwrap()).await.unwrap();
    let clone = Sessions::new(&format!("redis://{}/{number}", proxy.address())).unwrap();
    assert_eq!(clone.visit(&id).await.unwrap().as_deref(), Some("ada"));

    proxy.inject(Fault::Refuse);
    let visit = clone.visit(&id).await;
    assert!(
        visit.is_err(),
        "Redis is away, so nobody knows who ada is, and `visit` says {visit:?}"
    );
    let login = clone.log_in("bob", None).await;
    assert!(
        login.is_err(),
        "Redis is away, and `log_in` hands out {login:?}: does any clone know it?"
    );
    let logout = clone.log_out(&id).await;
    assert!(
        logout.is_err(),
        "Redis is away, and `log_out` says Ok: the session lives on"
    );

    proxy.heal();
    let deadline = Instant::now() + Duration::from_secs(20);
    let seen = loop {
        match clone.visit(&id).await {
            Ok(seen) => break seen,
            Err(error) => assert!(
                Instant::now() < deadline,
                "Redis is back for 20 s, and still: {error}"
            ),
        }
    };
    assert_eq!(seen.as_deref(), Some("ada"), "ada never logged out");
}
