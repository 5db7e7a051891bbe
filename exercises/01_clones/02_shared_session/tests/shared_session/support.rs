//! Clones with one Redis server, and proxies that fail or stop between two commands.

use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue};
use testbed::{Pause, PausingProxy};

use super::{RedisSessions, SessionsUnavailable};

/// No method needs so many commands.
pub const MANY_COMMANDS: usize = 20;

/// Two clones that use the same, empty Redis database.
pub struct Store {
    pub database: testbed::Redis,
    pub one: RedisSessions,
    pub other: RedisSessions,
}

impl Store {
    pub async fn open() -> Store {
        let database = testbed::redis().await.unwrap();
        let [one, other] = [(); 2].map(|()| RedisSessions::new(&database.url()).unwrap());
        Store {
            database,
            one,
            other,
        }
    }

    /// Sends a command of the test, which looks at the keys or changes them.
    pub async fn redis<T: FromRedisValue>(&self, command: &Cmd) -> T {
        let client = redis::Client::open(self.database.url()).unwrap();
        let mut connection: MultiplexedConnection =
            client.get_multiplexed_async_connection().await.unwrap();
        command.query_async(&mut connection).await.unwrap()
    }

    /// All keys, each with its time to live in seconds. -1 means that the key never expires.
    pub async fn keys(&self) -> Vec<(String, i64)> {
        let names: Vec<String> = self.redis(redis::cmd("KEYS").arg("*")).await;
        let mut keys = Vec::new();
        for name in names {
            let seconds = self.redis(redis::cmd("TTL").arg(&name)).await;
            keys.push((name, seconds));
        }
        keys
    }

    /// A third clone. Its connection to Redis, which it has already opened, leads through a proxy.
    pub async fn clone_behind_proxy(&self) -> (RedisSessions, PausingProxy) {
        let proxy = PausingProxy::before(self.database.address()).await.unwrap();
        let clone = RedisSessions::new(&self.database.url_through(proxy.address())).unwrap();
        clone.load("an-unknown-id").await.unwrap();
        (clone, proxy)
    }
}

/// Runs a call until it ends, or until the proxy holds one of its commands.
pub async fn runs_into<T>(call: &mut (impl Future<Output = T> + Unpin), pause: &mut Pause) -> bool {
    tokio::select! {
        biased;
        _ = call => false,
        () = pause.reached() => true,
    }
}

/// The user of this session. Redis must respond.
pub async fn user_of(clone: &RedisSessions, id: &str) -> Option<String> {
    let user: Result<_, SessionsUnavailable> = clone.load(id).await;
    user.unwrap_or_else(|error| panic!("Redis is up, but `load` of {id:?} failed: {error}"))
}
