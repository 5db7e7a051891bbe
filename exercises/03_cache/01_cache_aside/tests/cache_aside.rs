// The tests of `cache_aside`: a real Redis, and a test database that counts its queries and can run
// another task in the middle of a call. A proxy stops a clone between two of its commands.

use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cache_aside::{Database, DatabaseError, Prices, TTL};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue};
use testbed::{Fault, FaultProxy, PausingProxy};

const GAME: u64 = 7;
/// A game that costs nothing, and a number that no game has.
const FREE_GAME: u64 = 8;
const NO_GAME: u64 = 9;

/// The price at the start of a test, and the prices of the first and the second change.
const OLD: u64 = 5999;
const NEW: u64 = 1999;
const NEWEST: u64 = 999;

/// No method needs so many commands.
const MANY_COMMANDS: usize = 20;

#[derive(Default)]
struct TestDatabase {
    prices: Mutex<BTreeMap<u64, u64>>,
    queries: AtomicUsize,
    is_down: AtomicBool,
    before_commit: Interruption,
    after_commit: Interruption,
    after_query: Interruption,
}

/// A task that a test puts into the middle of a database call, to force a race. The call continues
/// when the task has ended.
type Interruption = Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>;

#[async_trait]
impl Database for TestDatabase {
    async fn price(&self, game: u64) -> Result<Option<u64>, DatabaseError> {
        self.queries.fetch_add(1, Ordering::SeqCst);
        self.check_is_up()?;
        let price = self.prices.lock().unwrap().get(&game).copied();
        run_once(&self.after_query).await;
        Ok(price)
    }

    async fn set_price(&self, game: u64, cents: u64) -> Result<(), DatabaseError> {
        self.check_is_up()?;
        run_once(&self.before_commit).await;
        self.prices.lock().unwrap().insert(game, cents);
        run_once(&self.after_commit).await;
        Ok(())
    }
}

impl TestDatabase {
    fn check_is_up(&self) -> Result<(), DatabaseError> {
        let is_down = self.is_down.load(Ordering::SeqCst);
        if is_down {
            Err(DatabaseError("the database is down".to_owned()))
        } else {
            Ok(())
        }
    }
}

async fn run_once(interruption: &Interruption) {
    let planned = interruption.lock().unwrap().take();
    if let Some(planned) = planned {
        planned.await;
    }
}

/// A database in which the game costs `OLD`, an empty Redis, and two clones that use both.
struct Store {
    database: Arc<TestDatabase>,
    redis: testbed::Redis,
    one: Prices,
    other: Arc<Prices>,
}

impl Store {
    async fn open() -> Store {
        let database = Arc::new(TestDatabase::default());
        *database.prices.lock().unwrap() = [(GAME, OLD), (FREE_GAME, 0)].into();
        let redis = testbed::redis().await.unwrap();
        let [one, other] = [(); 2].map(|()| Prices::new(database.clone(), &redis.url()).unwrap());
        let other = Arc::new(other);
        Store {
            database,
            redis,
            one,
            other,
        }
    }

    fn queries(&self) -> usize {
        self.database.queries.load(Ordering::SeqCst)
    }

    /// Sends a command of the test, which looks at the keys or changes them.
    async fn redis<T: FromRedisValue>(&self, command: &Cmd) -> T {
        let client = redis::Client::open(self.redis.url()).unwrap();
        let mut connection: MultiplexedConnection =
            client.get_multiplexed_async_connection().await.unwrap();
        command.query_async(&mut connection).await.unwrap()
    }

    /// The names of all keys.
    async fn keys(&self) -> Vec<String> {
        self.redis(redis::cmd("KEYS").arg("*")).await
    }

    /// The key's time to live in seconds. -1 means that it never expires.
    async fn seconds_left(&self, key: &str) -> i64 {
        self.redis(redis::cmd("TTL").arg(key)).await
    }

    /// A third clone. Its connection to Redis, which it has already opened, leads through a proxy.
    async fn clone_behind_proxy(&self) -> (Prices, PausingProxy) {
        let proxy = PausingProxy::before(self.redis.address()).await.unwrap();
        let url = self.redis.url_through(proxy.address());
        let prices = Prices::new(self.database.clone(), &url).unwrap();
        prices.price(NO_GAME).await.unwrap();
        (prices, proxy)
    }
}

// Rules 1 and 2.
#[tokio::test]
async fn cached_price_needs_no_query() {
    let store = Store::open().await;
    for (game, cents) in [(GAME, OLD), (FREE_GAME, 0)] {
        let before = store.queries();
        for clone in [&store.one, &store.one, &store.other] {
            let price = clone.price(game).await.unwrap();
            assert_eq!(
                price,
                Some(cents),
                "game {game} costs {cents}, but `price` returned {price:?}: does each game have a key \
                 of its own?"
            );
        }
        let queries = store.queries() - before;
        assert_eq!(
            queries, 1,
            "three reads of a price of {cents} should make 1 query, but made {queries}: is the price \
             stored in Redis?"
        );
    }
}

// Rule 2.
#[tokio::test]
async fn cache_entries_expire() {
    let store = Store::open().await;
    store.one.price(GAME).await.unwrap();
    let keys = store.keys().await;
    assert!(
        !keys.is_empty(),
        "after a miss there should be a key in Redis, but there is none: does it expire at once?"
    );
    let most = TTL.as_secs().cast_signed();
    for key in &keys {
        let seconds = store.seconds_left(key).await;
        assert_ne!(
            seconds, -1,
            "{key:?} never expires, so a wrong price would stay in the cache forever: what deletes it?"
        );
        assert!(
            (1..=most).contains(&seconds),
            "{key:?} expires in {seconds} s, but should expire in {most} s at most: in which unit is \
             the time to live?"
        );
        let shorten = redis::cmd("EXPIRE").arg(key).arg(most / 2).to_owned();
        store.redis::<()>(&shorten).await;
    }
    store.other.price(GAME).await.unwrap();
    for key in &keys {
        let seconds = store.seconds_left(key).await;
        assert!(
            seconds <= most / 2,
            "a hit renewed the time to live of {key:?}, so a wrong price that is read often stays in \
             the cache forever: does a hit change the key?"
        );
    }
}

// Rule 2. The clone crashes before each of its commands.
#[tokio::test]
async fn crash_leaves_no_price_for_ever() {
    for command in 1..=MANY_COMMANDS {
        let store = Store::open().await;
        let (clone, proxy) = store.clone_behind_proxy().await;
        let mut pause = proxy.pause_before(command);
        let mut read = pin!(clone.price(GAME));
        tokio::select! {
            biased;
            _ = &mut read => return,
            () = pause.reached() => {}
        }
        drop((pause, proxy));
        // The result does not matter, because the clone has crashed.
        let _ = read.await;
        for key in store.keys().await {
            assert_ne!(
                store.seconds_left(&key).await,
                -1,
                "the clone crashed before command {command} of a read, and now {key:?} never \
                 expires: does one command set the price and its time to live?"
            );
        }
    }
}

// Rule 3.
#[tokio::test]
async fn all_clones_see_a_new_price() {
    let store = Store::open().await;
    store.other.price(GAME).await.unwrap();

    store.one.set_price(GAME, NEW).await.unwrap();

    for clone in [&store.one, &store.other] {
        let price = clone.price(GAME).await.unwrap();
        assert_eq!(
            price,
            Some(NEW),
            "`set_price` has returned, but a clone still returns the old price: is the key deleted \
             from the cache?"
        );
    }
}

// Rule 3.
#[tokio::test]
async fn change_keeps_the_prices_of_other_games() {
    let store = Store::open().await;
    store.one.price(FREE_GAME).await.unwrap();
    let before = store.queries();
    store.one.set_price(GAME, NEW).await.unwrap();
    store.one.price(FREE_GAME).await.unwrap();
    assert_eq!(
        store.queries(),
        before,
        "the price of one game changed, and now the price of another game needs a query: what does \
         `set_price` delete?"
    );
}

// Rule 3.
#[tokio::test]
async fn change_waits_for_the_delete() {
    let store = Store::open().await;
    let (clone, proxy) = store.clone_behind_proxy().await;
    store.one.price(GAME).await.unwrap();
    // The proxy holds the first command, so Redis has done nothing yet.
    let mut pause = proxy.pause_before(1);
    let mut change = pin!(clone.set_price(GAME, NEW));
    tokio::select! {
        biased;
        _ = &mut change => panic!(
            "`set_price` returned before Redis had deleted the old price, and a reader can still \
             see it: does `set_price` wait for the reply of Redis?"
        ),
        () = pause.reached() => pause.resume(),
    }
    change.await.unwrap();
    assert_eq!(store.one.price(GAME).await.unwrap(), Some(NEW));
}

// Rule 3.
#[tokio::test]
async fn reader_during_a_change_caches_no_old_price() {
    let store = Store::open().await;
    let clone = store.other.clone();
    let reader = async move { assert_eq!(clone.price(GAME).await.unwrap(), Some(OLD)) };
    *store.database.before_commit.lock().unwrap() = Some(Box::pin(reader));

    store.one.set_price(GAME, NEW).await.unwrap();

    let price = store.one.price(GAME).await.unwrap();
    assert_eq!(
        price,
        Some(NEW),
        "a reader came before the database had the new price, and cached the old price: is the key \
         deleted too early?"
    );
}

// Rule 4. Another change comes right after the commit, or after a query of `set_price`.
#[tokio::test]
async fn concurrent_changes_leave_the_last_price() {
    for is_after_query in [false, true] {
        let store = Store::open().await;
        store.one.price(GAME).await.unwrap();
        let clone = store.other.clone();
        let newer_change = async move { clone.set_price(GAME, NEWEST).await.unwrap() };
        let interruption = if is_after_query {
            &store.database.after_query
        } else {
            &store.database.after_commit
        };
        *interruption.lock().unwrap() = Some(Box::pin(newer_change));

        store.one.set_price(GAME, NEW).await.unwrap();
        // A change without a query is not interrupted there.
        interruption.lock().unwrap().take();

        let price = store.one.price(GAME).await.unwrap();
        let in_database = store.database.prices.lock().unwrap().get(&GAME).copied();
        assert_eq!(
            price, in_database,
            "the database has the newest price, but the cache has the price of the slower writer: \
             does `set_price` store a price?"
        );
    }
}

// Rule 5.
#[tokio::test]
async fn redis_outage_causes_no_error() {
    let store = Store::open().await;
    let proxy = FaultProxy::before(store.redis.address()).await.unwrap();
    let url = store.redis.url_through(proxy.address());
    let prices = Prices::new(store.database.clone(), &url).unwrap();
    assert_eq!(
        prices.price(GAME).await.unwrap(),
        Some(OLD),
        "Redis is up, and no price has changed"
    );

    proxy.inject(Fault::Refuse);

    let price = prices.price(GAME).await;
    assert!(
        matches!(price, Ok(Some(OLD))),
        "only Redis is down, so `price` should return {OLD}, but it returned {price:?}: what \
         happens after an error of Redis?"
    );
    let change = prices.set_price(GAME, NEW).await;
    assert!(
        change.is_ok(),
        "only Redis is down, so `set_price` should work, but it returned {change:?}: what \
         happens after an error of Redis?"
    );
    let price = prices.price(GAME).await;
    assert!(
        matches!(price, Ok(Some(NEW))),
        "the database has the new price, but `price` returned {price:?}"
    );
}

// Rule 5.
#[tokio::test]
async fn unreadable_value_is_a_miss() {
    let store = Store::open().await;
    store.one.price(GAME).await.unwrap();
    for key in store.keys().await {
        let spoil = redis::cmd("SET")
            .arg(key)
            .arg("no price")
            .arg("KEEPTTL")
            .to_owned();
        store.redis::<()>(&spoil).await;
    }
    let before = store.queries();
    for _ in 0..2 {
        let price = store.one.price(GAME).await;
        assert!(
            matches!(price, Ok(Some(OLD))),
            "the cached value is not a price, so `price` should ask the database for {OLD}, but it \
             returned {price:?}: does it trust the cache?"
        );
    }
    let queries = store.queries() - before;
    assert_eq!(
        queries, 1,
        "two reads after an unreadable value made {queries} queries instead of 1: does a miss replace \
         the value?"
    );
}

// Rule 6.
#[tokio::test]
async fn missing_games_are_not_cached() {
    let store = Store::open().await;
    for _ in 0..2 {
        let price = store.one.price(NO_GAME).await.unwrap();
        assert_eq!(price, None, "there is no game {NO_GAME}");
    }
    let keys = store.keys().await;
    assert!(
        keys.is_empty(),
        "there is no game {NO_GAME}, but now Redis has {keys:?}: what happens if a client tries all \
         numbers?"
    );
}

// Rule 6.
#[tokio::test]
async fn database_errors_are_returned() {
    let store = Store::open().await;
    store.database.is_down.store(true, Ordering::SeqCst);
    assert!(
        store.one.price(GAME).await.is_err(),
        "the database is down and the cache is empty, but `price` returned no error: where \
         does the database's error go?"
    );
    assert!(
        store.one.set_price(GAME, NEW).await.is_err(),
        "the database is down, but `set_price` returned no error: where does it go?"
    );
    store.database.is_down.store(false, Ordering::SeqCst);
    let price = store.one.price(GAME).await.unwrap();
    assert_eq!(
        price,
        Some(OLD),
        "the database works again and has the price {OLD}: was something cached while it was down?"
    );
}

// Rule 7.
#[tokio::test]
async fn other_data_in_redis_stays() {
    let store = Store::open().await;
    let name = GAME.to_string();
    let put = redis::cmd("SET").arg(&name).arg(12345).to_owned();
    store.redis::<()>(&put).await;

    let price = store.one.price(GAME).await.unwrap();
    assert_eq!(
        price,
        Some(OLD),
        "another program stored a number under {name:?}, and `price` took it for a price: does it use \
         `key`?"
    );
    store.one.set_price(GAME, NEW).await.unwrap();

    let other: Option<u64> = store.redis(redis::cmd("GET").arg(&name)).await;
    assert_eq!(
        other,
        Some(12345),
        "`set_price` deleted {name:?}, which belongs to another program: does it use `key`?"
    );
}
