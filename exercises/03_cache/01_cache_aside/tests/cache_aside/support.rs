//! Clones with one Redis server and a database in memory, which a test can interrupt.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue};
use testbed::PausingProxy;

use super::{Database, DatabaseError, Prices};

pub const GAME: u64 = 7;
/// A game that costs nothing, and a number that no game has.
pub const FREE_GAME: u64 = 8;
pub const NO_GAME: u64 = 9;

/// The price at the start of a test, and the prices of the first and the second change.
pub const OLD: u64 = 5999;
pub const NEW: u64 = 1999;
pub const NEWEST: u64 = 999;

/// No method needs so many commands.
pub const MANY_COMMANDS: usize = 20;

#[derive(Default)]
pub struct TestDatabase {
    pub prices: Mutex<BTreeMap<u64, u64>>,
    pub queries: AtomicUsize,
    pub is_down: AtomicBool,
    pub before_commit: Interruption,
    pub after_commit: Interruption,
    pub after_query: Interruption,
}

/// A task that a test puts into the middle of a database call, to force a race. The call continues
/// when the task has ended.
pub type Interruption = Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>;

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
    pub fn check_is_up(&self) -> Result<(), DatabaseError> {
        let is_down = self.is_down.load(Ordering::SeqCst);
        if is_down {
            Err(DatabaseError("the database is down".to_owned()))
        } else {
            Ok(())
        }
    }
}

pub async fn run_once(interruption: &Interruption) {
    let planned = interruption.lock().unwrap().take();
    if let Some(planned) = planned {
        planned.await;
    }
}

/// A database in which the game costs `OLD`, an empty Redis, and two clones that use both.
pub struct Store {
    pub database: Arc<TestDatabase>,
    pub redis: testbed::Redis,
    pub one: Prices,
    pub other: Arc<Prices>,
}

impl Store {
    pub async fn open() -> Store {
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

    pub fn queries(&self) -> usize {
        self.database.queries.load(Ordering::SeqCst)
    }

    /// Sends a command of the test, which looks at the keys or changes them.
    pub async fn redis<T: FromRedisValue>(&self, command: &Cmd) -> T {
        let client = redis::Client::open(self.redis.url()).unwrap();
        let mut connection: MultiplexedConnection =
            client.get_multiplexed_async_connection().await.unwrap();
        command.query_async(&mut connection).await.unwrap()
    }

    /// The names of all keys.
    pub async fn keys(&self) -> Vec<String> {
        self.redis(redis::cmd("KEYS").arg("*")).await
    }

    /// The key's time to live in seconds. -1 means that it never expires.
    pub async fn seconds_left(&self, key: &str) -> i64 {
        self.redis(redis::cmd("TTL").arg(key)).await
    }

    /// A third clone. Its connection to Redis, which it has already opened, leads through a proxy.
    pub async fn clone_behind_proxy(&self) -> (Prices, PausingProxy) {
        let proxy = PausingProxy::before(self.redis.address()).await.unwrap();
        let url = self.redis.url_through(proxy.address());
        let prices = Prices::new(self.database.clone(), &url).unwrap();
        prices.price(NO_GAME).await.unwrap();
        (prices, proxy)
    }
}
