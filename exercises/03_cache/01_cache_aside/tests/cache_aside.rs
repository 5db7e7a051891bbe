// The tests of `cache_aside`: a real Redis, and a test database that counts its queries and can run
// another task in the middle of a change.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cache_aside::{Database, DatabaseError, Prices, TTL};
use redis::aio::MultiplexedConnection;
use testbed::{Fault, FaultProxy};

const GAME: u64 = 7;

/// The price at the start of a test, and the prices of the first and the second change.
const OLD: u64 = 5999;
const NEW: u64 = 1999;
const NEWEST: u64 = 999;

#[derive(Default)]
struct TestDatabase {
    prices: Mutex<BTreeMap<u64, u64>>,
    queries: AtomicUsize,
    is_down: AtomicBool,
    before_commit: Interruption,
    after_commit: Interruption,
}

/// A task that a test puts into the middle of a database call, to force a race. The call continues
/// when the task has ended.
type Interruption = Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>;

#[async_trait]
impl Database for TestDatabase {
    async fn price(&self, game: u64) -> Result<Option<u64>, DatabaseError> {
        self.queries.fetch_add(1, Ordering::SeqCst);
        self.check_is_up()?;
        Ok(self.prices.lock().unwrap().get(&game).copied())
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
        database.prices.lock().unwrap().insert(GAME, OLD);
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

    /// A connection that the test uses to look at the keys.
    async fn connection(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.redis.url()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    /// The names of all keys.
    async fn keys(&self) -> Vec<String> {
        let keys = redis::cmd("KEYS").arg("*").to_owned();
        keys.query_async(&mut self.connection().await)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn cached_price_needs_no_query() {
    let store = Store::open().await;
    for clone in [&store.one, &store.one, &store.other] {
        assert_eq!(
            clone.price(GAME).await.unwrap(),
            Some(OLD),
            "no price has changed"
        );
    }
    let queries = store.database.queries.load(Ordering::SeqCst);
    assert_eq!(
        queries, 1,
        "three reads of one price should make 1 query, but made {queries}: is the price stored in \
         Redis?"
    );
}

#[tokio::test]
async fn cache_entries_expire() {
    let store = Store::open().await;
    assert_eq!(
        store.one.price(8).await.unwrap(),
        None,
        "there is no game 8"
    );
    let keys = store.keys().await;
    assert!(
        keys.is_empty(),
        "a missing game must not be cached, or a client that tries all numbers fills the cache: \
         {keys:?}"
    );

    store.one.price(GAME).await.unwrap();

    let keys = store.keys().await;
    assert!(
        !keys.is_empty(),
        "after a miss there should be a key in Redis, but there is none"
    );
    for key in keys {
        let ttl = redis::cmd("TTL").arg(&key).to_owned();
        let seconds: i64 = ttl
            .query_async(&mut store.connection().await)
            .await
            .unwrap();
        assert_ne!(
            seconds, -1,
            "{key:?} never expires, so a wrong price would stay in the cache forever"
        );
        let most = TTL.as_secs().cast_signed();
        assert!(
            (1..=most).contains(&seconds),
            "{key:?} expires in {seconds} s, but should expire in {most} s at most"
        );
    }
}

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

#[tokio::test]
async fn concurrent_changes_leave_the_last_price() {
    let store = Store::open().await;
    let clone = store.other.clone();
    let newer_change = async move { clone.set_price(GAME, NEWEST).await.unwrap() };
    *store.database.after_commit.lock().unwrap() = Some(Box::pin(newer_change));

    store.one.set_price(GAME, NEW).await.unwrap();

    let price = store.one.price(GAME).await.unwrap();
    assert_eq!(
        price,
        Some(NEWEST),
        "the database has the newest price, but the cache has the price of the slower writer: does \
         `set_price` store a price?"
    );
}

#[tokio::test]
async fn redis_outage_causes_no_error() {
    let store = Store::open().await;
    let url = store.redis.url();
    let (address, number) = url.trim_start_matches("redis://").split_once('/').unwrap();
    let proxy = FaultProxy::before(address.parse().unwrap()).await.unwrap();
    let url = format!("redis://{}/{number}", proxy.address());
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
        "only Redis is down, so `price` should return {OLD}, but it returned {price:?}"
    );
    let change = prices.set_price(GAME, NEW).await;
    assert!(
        change.is_ok(),
        "only Redis is down, so `set_price` should work, but it returned {change:?}"
    );
    let price = prices.price(GAME).await;
    assert!(
        matches!(price, Ok(Some(NEW))),
        "the database has the new price, but `price` returned {price:?}"
    );
}

#[tokio::test]
async fn database_errors_are_returned() {
    let store = Store::open().await;
    store.database.is_down.store(true, Ordering::SeqCst);
    assert!(
        store.one.price(GAME).await.is_err(),
        "the database is down and the cache is empty, but `price` returned no error"
    );
    assert!(
        store.one.set_price(GAME, NEW).await.is_err(),
        "the database is down, but `set_price` returned no error"
    );
    store.database.is_down.store(false, Ordering::SeqCst);
    let price = store.one.price(GAME).await.unwrap();
    assert_eq!(
        price,
        Some(OLD),
        "`set_price` failed, but readers see its price: does it change the cache before the \
         database?"
    );
}
