// The tests of `cache_aside`: a real Redis, and a database that counts its queries and lets others come in the middle of a change.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cache_aside::{Database, DatabaseError, Prices, TTL};
use redis::aio::MultiplexedConnection;
use testbed::{Fault, FaultProxy};

const GAME: u64 = 7;

/// What the game costs at first, in the sale, and on the sale's last day.
const OLD: u64 = 5999;
const NEW: u64 = 1999;
const NEWEST: u64 = 999;

#[derive(Default)]
struct Counting {
    prices: Mutex<BTreeMap<u64, u64>>,
    queries: AtomicUsize,
    is_down: AtomicBool,
    before_commit: Meanwhile,
    after_commit: Meanwhile,
}

/// What somebody else does, from its begin to its end, when the next change has come to this point.
type Meanwhile = Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>;

#[async_trait]
impl Database for Counting {
    async fn price(&self, game: u64) -> Result<Option<u64>, DatabaseError> {
        self.queries.fetch_add(1, Ordering::SeqCst);
        self.answers()?;
        Ok(self.prices.lock().unwrap().get(&game).copied())
    }

    async fn set_price(&self, game: u64, cents: u64) -> Result<(), DatabaseError> {
        self.answers()?;
        happen(&self.before_commit).await;
        self.prices.lock().unwrap().insert(game, cents);
        happen(&self.after_commit).await;
        Ok(())
    }
}

impl Counting {
    fn answers(&self) -> Result<(), DatabaseError> {
        let is_down = self.is_down.load(Ordering::SeqCst);
        if is_down {
            Err(DatabaseError("it is down".to_owned()))
        } else {
            Ok(())
        }
    }
}

async fn happen(meanwhile: &Meanwhile) {
    let planned = meanwhile.lock().unwrap().take();
    if let Some(planned) = planned {
        planned.await;
    }
}

/// A database in which the game costs `OLD`, an empty Redis, and two clones that use both.
struct Store {
    database: Arc<Counting>,
    redis: testbed::Redis,
    one: Prices,
    other: Arc<Prices>,
}

impl Store {
    async fn open() -> Store {
        let database = Arc::new(Counting::default());
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

    /// A connection of the test's own, to look at what is there.
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
async fn what_one_clone_has_read_costs_the_database_nothing_more() {
    let store = Store::open().await;
    for clone in [&store.one, &store.one, &store.other] {
        assert_eq!(clone.price(GAME).await.unwrap(), Some(OLD));
    }
    let queries = store.database.queries.load(Ordering::SeqCst);
    assert_eq!(
        queries, 1,
        "three reads of one price made {queries} queries: is it stored where all clones look?"
    );
}

#[tokio::test]
async fn all_that_is_kept_has_an_end_and_nothing_is_kept_of_a_game_that_does_not_exist() {
    let store = Store::open().await;
    assert_eq!(store.one.price(8).await.unwrap(), None);
    let keys = store.keys().await;
    assert!(
        keys.is_empty(),
        "who asks for all numbers fills the cache with {keys:?}"
    );

    store.one.price(GAME).await.unwrap();

    let keys = store.keys().await;
    assert!(!keys.is_empty(), "a miss leaves nothing in Redis");
    for key in keys {
        let ttl = redis::cmd("TTL").arg(&key).to_owned();
        let seconds: i64 = ttl
            .query_async(&mut store.connection().await)
            .await
            .unwrap();
        assert_ne!(
            seconds, -1,
            "Redis keeps {key:?} for ever, and with it any mistake of ours"
        );
        let most = TTL.as_secs().cast_signed();
        assert!(
            (1..=most).contains(&seconds),
            "{key:?} lives for {seconds} s, and {most} is the most"
        );
    }
}

#[tokio::test]
async fn after_a_change_every_clone_shows_the_new_price() {
    let store = Store::open().await;
    store.other.price(GAME).await.unwrap();

    store.one.set_price(GAME, NEW).await.unwrap();

    for clone in [&store.one, &store.other] {
        let price = clone.price(GAME).await.unwrap();
        assert_eq!(
            price,
            Some(NEW),
            "the change has returned, and the old price is shown: who told the cache?"
        );
    }
}

#[tokio::test]
async fn a_reader_in_the_middle_of_a_change_does_not_bring_the_old_price_back() {
    let store = Store::open().await;
    let clone = store.other.clone();
    let reader = async move { assert_eq!(clone.price(GAME).await.unwrap(), Some(OLD)) };
    *store.database.before_commit.lock().unwrap() = Some(Box::pin(reader));

    store.one.set_price(GAME, NEW).await.unwrap();

    let price = store.one.price(GAME).await.unwrap();
    let why = "a reader came before the change was in the database, and put the old price into the cache: was the key dropped too early?";
    assert_eq!(price, Some(NEW), "{why}");
}

#[tokio::test]
async fn of_two_changes_at_once_the_cache_does_not_keep_the_one_that_lost() {
    let store = Store::open().await;
    let clone = store.other.clone();
    let newer_change = async move { clone.set_price(GAME, NEWEST).await.unwrap() };
    *store.database.after_commit.lock().unwrap() = Some(Box::pin(newer_change));

    store.one.set_price(GAME, NEW).await.unwrap();

    let price = store.one.price(GAME).await.unwrap();
    let why = "the database has the newest price, and the cache what the slower writer put there: does a change have to store a price?";
    assert_eq!(price, Some(NEWEST), "{why}");
}

#[tokio::test]
async fn without_redis_everything_is_slower_and_nothing_is_an_error() {
    let store = Store::open().await;
    let url = store.redis.url();
    let (address, number) = url.trim_start_matches("redis://").split_once('/').unwrap();
    let proxy = FaultProxy::before(address.parse().unwrap()).await.unwrap();
    let url = format!("redis://{}/{number}", proxy.address());
    let prices = Prices::new(store.database.clone(), &url).unwrap();
    assert_eq!(prices.price(GAME).await.unwrap(), Some(OLD));

    proxy.inject(Fault::Refuse);

    let price = prices.price(GAME).await;
    assert!(
        matches!(price, Ok(Some(OLD))),
        "only the cache is away, and a read says {price:?}"
    );
    let change = prices.set_price(GAME, NEW).await;
    assert!(
        change.is_ok(),
        "only the cache is away, and a change says {change:?}"
    );
    let price = prices.price(GAME).await;
    assert!(
        matches!(price, Ok(Some(NEW))),
        "the change was made, and a read says {price:?}"
    );
}

#[tokio::test]
async fn an_error_of_the_database_is_an_error_and_not_a_price() {
    let store = Store::open().await;
    store.database.is_down.store(true, Ordering::SeqCst);
    assert!(
        store.one.price(GAME).await.is_err(),
        "nobody knows the price"
    );
    assert!(
        store.one.set_price(GAME, NEW).await.is_err(),
        "the change was not made"
    );
    store.database.is_down.store(false, Ordering::SeqCst);
    let price = store.one.price(GAME).await.unwrap();
    assert_eq!(
        price,
        Some(OLD),
        "a change that failed is shown: what was told to the cache before the database?"
    );
}
