// The tests of `shared_session`: clones of the store share one real Redis. A proxy between a clone
// and Redis stops the clone between two of its commands.

use std::collections::BTreeSet;
use std::pin::pin;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue};
use shared_session::{RedisSessions, SessionsUnavailable, TTL};
use testbed::{Fault, FaultProxy, Pause, PausingProxy};

/// No method needs so many commands.
const MANY_COMMANDS: usize = 20;

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

    /// Sends a command of the test, which looks at the keys or changes them.
    async fn redis<T: FromRedisValue>(&self, command: &Cmd) -> T {
        let client = redis::Client::open(self.database.url()).unwrap();
        let mut connection: MultiplexedConnection =
            client.get_multiplexed_async_connection().await.unwrap();
        command.query_async(&mut connection).await.unwrap()
    }

    /// All keys, each with its time to live in seconds. -1 means that the key never expires.
    async fn keys(&self) -> Vec<(String, i64)> {
        let names: Vec<String> = self.redis(redis::cmd("KEYS").arg("*")).await;
        let mut keys = Vec::new();
        for name in names {
            let seconds = self.redis(redis::cmd("TTL").arg(&name)).await;
            keys.push((name, seconds));
        }
        keys
    }

    /// A third clone. Its connection to Redis, which it has already opened, leads through a proxy.
    async fn clone_behind_proxy(&self) -> (RedisSessions, PausingProxy) {
        let proxy = PausingProxy::before(self.database.address()).await.unwrap();
        let clone = RedisSessions::new(&self.database.url_through(proxy.address())).unwrap();
        clone.load("an-unknown-id").await.unwrap();
        (clone, proxy)
    }
}

/// Runs a call until it ends, or until the proxy holds one of its commands.
async fn runs_into<T>(call: &mut (impl Future<Output = T> + Unpin), pause: &mut Pause) -> bool {
    tokio::select! {
        biased;
        _ = call => false,
        () = pause.reached() => true,
    }
}

/// The user of this session. Redis must respond.
async fn user_of(clone: &RedisSessions, id: &str) -> Option<String> {
    let user: Result<_, SessionsUnavailable> = clone.load(id).await;
    user.unwrap_or_else(|error| panic!("Redis is up, but `load` of {id:?} failed: {error}"))
}

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

// Rule 2.
#[tokio::test]
async fn session_ids_cannot_be_guessed() {
    let store = Store::open().await;
    let mut ids = Vec::new();
    for _ in 0..100 {
        for clone in [&store.one, &store.other] {
            ids.push(clone.log_in("ada", None).await.unwrap());
        }
    }

    let different: BTreeSet<&String> = ids.iter().collect();
    assert_eq!(
        different.len(),
        ids.len(),
        "{} logins at two clones created only {} different ids: do both clones draw the same random \
         numbers?",
        ids.len(),
        different.len()
    );
    // A column has the characters that all ids have at one position. A column of 200 random
    // hexadecimal digits contains all 16 of them, which is 4 bits. A column that repeats another
    // one adds nothing, because an attacker who knows one knows both.
    let longest = ids.iter().map(|id| id.chars().count()).max().unwrap();
    let columns: BTreeSet<Vec<Option<char>>> = (0..longest)
        .map(|position| ids.iter().map(|id| id.chars().nth(position)).collect())
        .collect();
    let bits: f64 = columns
        .iter()
        .map(|column| {
            let different: BTreeSet<_> = column.iter().collect();
            f64::from(u32::try_from(different.len()).unwrap()).log2()
        })
        .sum();
    // The measured number varies by less than 2 bits.
    assert!(
        bits > 124.0,
        "an id should have 128 random bits, but in 200 ids such as {:?} and {:?} only {bits:.0} bits \
         vary: is every part of the id random, and long enough?",
        ids[0],
        ids[2]
    );
}

// Rule 2.
#[tokio::test]
async fn login_replaces_the_old_session_id() {
    let store = Store::open().await;
    let of_ada = store.one.log_in("ada", None).await.unwrap();
    let of_bob = store.one.log_in("bob", None).await.unwrap();
    for cookie_id in [&of_ada, &of_bob, "made-up-by-an-attacker"] {
        let after = store.other.log_in("ada", Some(cookie_id)).await.unwrap();
        assert_ne!(
            after, cookie_id,
            "the login kept the id of the cookie, and an attacker may know that id: does every login \
             create a new id?"
        );
        assert_eq!(
            user_of(&store.one, cookie_id).await,
            None,
            "after the login, the id from before it is still valid: is its session deleted, whoever \
             the user was?"
        );
        assert_eq!(
            user_of(&store.one, &after).await.as_deref(),
            Some("ada"),
            "the id that `log_in` returned should belong to ada"
        );
    }
}

// Rule 2. One command of the login fails, and the next one works again.
#[tokio::test]
async fn failed_command_keeps_no_old_session() {
    let store = Store::open().await;
    let (clone, proxy) = store.clone_behind_proxy().await;
    for command in 1..=MANY_COMMANDS {
        let old = store.one.log_in("ada", None).await.unwrap();
        let mut pause = proxy.pause_before(command);
        let mut login = pin!(clone.log_in("ada", Some(&old)));
        if !runs_into(&mut login, &mut pause).await {
            return;
        }
        // This closes the connection, and the command is lost.
        drop(pause);
        if login.await.is_ok() {
            assert_eq!(
                user_of(&store.other, &old).await,
                None,
                "`log_in` returned Ok, but the old session is still valid, because command {command} \
                 failed: does `log_in` ignore that error?"
            );
        }
        // The clone needs a new connection for the next login.
        while clone.load("an-unknown-id").await.is_err() {}
    }
}

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

// Rule 4.
#[tokio::test]
async fn redis_outage_is_an_error_not_a_logout() {
    let store = Store::open().await;
    let id = store.one.log_in("ada", None).await.unwrap();
    // A third clone connects through a proxy that can cut its connection to Redis.
    let proxy = FaultProxy::before(store.database.address()).await.unwrap();
    let clone = RedisSessions::new(&store.database.url_through(proxy.address())).unwrap();
    assert_eq!(
        user_of(&clone, &id).await.as_deref(),
        Some("ada"),
        "the third clone should find the session while Redis is up"
    );

    proxy.inject(Fault::Refuse);
    let loaded = clone.load(&id).await;
    assert!(
        loaded.is_err(),
        "Redis is down, so `load` should return an error, but it returns {loaded:?}: what happens to \
         the error of Redis?"
    );
    for cookie_id in [None, Some("an-unknown-id")] {
        let login = clone.log_in("bob", cookie_id).await;
        assert!(
            login.is_err(),
            "Redis is down, but `log_in` returns {login:?}: which clone can find that session?"
        );
    }
    let logout = clone.log_out(&id).await;
    assert!(
        logout.is_err(),
        "Redis is down, but `log_out` returns Ok: is the session deleted?"
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

// Rule 5. Another clone logs out before each command of a `load`.
#[tokio::test]
async fn logout_during_a_load_is_final() {
    let store = Store::open().await;
    let (clone, proxy) = store.clone_behind_proxy().await;
    for command in 1..=MANY_COMMANDS {
        let id = store.one.log_in("ada", None).await.unwrap();
        let mut pause = proxy.pause_before(command);
        let mut load = pin!(clone.load(&id));
        if !runs_into(&mut load, &mut pause).await {
            return;
        }
        store.other.log_out(&id).await.unwrap();
        pause.resume();
        load.await.unwrap();
        assert_eq!(
            user_of(&store.one, &id).await,
            None,
            "ada logged out before command {command} of a `load` at another clone, and after that \
             `load` she is logged in again: does `load` write the session back?"
        );
    }
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
