// The tests of `read_write_split`. The two servers have different prices, so the price that your
// code returns shows which server it asked.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use read_write_split::{Freshness, Prices, SELECT_PRICE, StoreError};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgPool};
use testbed::{Fault, FaultProxy, Postgres};
use tokio::sync::Mutex;

const GAME: i64 = 7;

/// The price at the start of a test, and the price that the test sets.
const OLD: i64 = 5999;
const NEW: i64 = 1999;

/// Two servers, each behind a proxy that can cut its connections.
///
/// This "replica" does not replicate, so it always has the old price. The tests can tell its answer
/// from the primary's, and can see a write that went to the wrong server.
struct Servers {
    prices: Prices,
    primary: Server,
    replica: Server,
}

impl Servers {
    async fn start() -> Servers {
        let (primary, replica) = (Server::start().await, Server::start().await);
        let prices = Prices::new(primary.through_proxy.clone(), replica.through_proxy.clone());
        Servers {
            prices,
            primary,
            replica,
        }
    }
}

/// A server in which the game costs `OLD`. It is a schema of its own in one shared database.
struct Server {
    database: Arc<Postgres>,
    schema: String,
    /// The test's own connections, which are never cut.
    direct: PgPool,
    proxy: FaultProxy,
    through_proxy: PgPool,
}

impl Server {
    async fn start() -> Server {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let schema = format!("server_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let database = shared_database().await;
        let address: PgConnectOptions = database.url().parse().unwrap();
        let server = SocketAddr::new(address.get_host().parse().unwrap(), address.get_port());
        let proxy = FaultProxy::before(server).await.unwrap();
        let direct = pool(address.clone(), &schema);
        let table = format!(
            "CREATE SCHEMA {schema};
             CREATE TABLE {schema}.prices (game bigint PRIMARY KEY, cents bigint NOT NULL);
             INSERT INTO {schema}.prices VALUES ({GAME}, {OLD})"
        );
        sqlx::raw_sql(AssertSqlSafe(table))
            .execute(&direct)
            .await
            .unwrap();
        Server {
            through_proxy: pool(address.port(proxy.address().port()), &schema),
            database,
            schema,
            direct,
            proxy,
        }
    }

    /// The price that is stored in this server.
    async fn stored_price(&self) -> Option<i64> {
        read_price(&self.direct).await.unwrap()
    }

    /// Resets all connections through the proxy, open and new ones.
    fn cut_off(&self) {
        self.proxy.inject(Fault::Reset);
    }
}

async fn read_price(server: &PgPool) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar(SELECT_PRICE)
        .bind(GAME)
        .fetch_optional(server)
        .await
}

/// The database that all tests share. The first test creates it, and the last one drops it.
async fn shared_database() -> Arc<Postgres> {
    static SHARED: Mutex<Weak<Postgres>> = Mutex::const_new(Weak::new());
    let mut shared = SHARED.lock().await;
    if let Some(database) = shared.upgrade() {
        return database;
    }
    let database = Arc::new(testbed::postgres().await.unwrap());
    *shared = Arc::downgrade(&database);
    database
}

fn pool(address: PgConnectOptions, schema: &str) -> PgPool {
    let address = address.options([("search_path", schema)]);
    let timeout = Duration::from_secs(20);
    let options = PgPoolOptions::new()
        .max_connections(2)
        .acquire_timeout(timeout);
    options.connect_lazy_with(address)
}

#[tokio::test]
async fn writes_use_primary_and_reads_use_replica() {
    let servers = Servers::start().await;

    servers.prices.set_price(GAME, NEW).await.unwrap();

    assert_eq!(
        servers.primary.stored_price().await,
        Some(NEW),
        "the primary does not have the new price: did the write go to another server?"
    );
    assert_eq!(
        servers.replica.stored_price().await,
        Some(OLD),
        "a write went to the replica; a real replica rejects writes"
    );
    let read = servers.prices.price(GAME, Freshness::Any).await.unwrap();
    assert_eq!(
        read,
        Some(OLD),
        "the replica has the price {OLD}, but the read returned another price: did the read go to \
         the primary?"
    );
}

#[tokio::test]
async fn latest_read_sees_the_last_write() {
    let servers = Servers::start().await;

    servers.prices.set_price(GAME, NEW).await.unwrap();

    let read = servers.prices.price(GAME, Freshness::Latest).await.unwrap();
    assert_eq!(
        read,
        Some(NEW),
        "the write was confirmed, but a read with `Freshness::Latest` returned the old price: \
         which server did it ask?"
    );
}

#[tokio::test]
async fn replica_outage_causes_no_error() {
    let servers = Servers::start().await;
    // Open connections to both servers. The outage breaks those to the replica.
    for freshness in [Freshness::Any, Freshness::Latest] {
        servers.prices.price(GAME, freshness).await.unwrap();
    }

    servers.replica.cut_off();

    servers.prices.set_price(GAME, NEW).await.unwrap();
    for freshness in [Freshness::Any, Freshness::Latest] {
        match servers.prices.price(GAME, freshness).await {
            Ok(price) => assert_eq!(
                price,
                Some(NEW),
                "the replica is down, so the price should come from the primary, which has {NEW}"
            ),
            Err(error) => {
                panic!(
                    "only the replica is down, but a read ({freshness:?}) returned an error: \
                     {error:?}"
                )
            }
        }
    }
}

#[tokio::test]
async fn primary_outage_stops_writes_and_latest_reads() {
    let servers = Servers::start().await;
    servers.prices.set_price(GAME, NEW).await.unwrap();

    servers.primary.cut_off();

    let written = servers.prices.set_price(GAME, 999).await;
    assert!(
        matches!(written, Err(StoreError::Write(_))),
        "the primary is down, so a write should return an error, but it returned {written:?}"
    );
    assert_eq!(
        servers.replica.stored_price().await,
        Some(OLD),
        "a write went to the replica, and the primary will never have it"
    );
    let latest = servers.prices.price(GAME, Freshness::Latest).await;
    assert!(
        matches!(latest, Err(StoreError::Read(_))),
        "the primary is down, so a read with `Freshness::Latest` should return an error, but it \
         returned {latest:?}"
    );
    let read = servers.prices.price(GAME, Freshness::Any).await;
    assert!(
        matches!(read, Ok(Some(OLD))),
        "the replica is up, so a read with `Freshness::Any` should work, but it returned {read:?}"
    );

    servers.replica.cut_off();

    let read = servers.prices.price(GAME, Freshness::Any).await;
    assert!(
        matches!(read, Err(StoreError::Read(_))),
        "both servers are down, so a read should return an error, but it returned {read:?}"
    );
}

#[tokio::test]
async fn real_replica_catches_up() {
    let Server {
        database,
        schema,
        direct,
        ..
    } = Server::start().await;
    let replica = pool(database.replica_url().parse().unwrap(), &schema);
    until("the replica has the table", async || {
        read_price(&replica).await.is_ok()
    })
    .await;
    let prices = Prices::new(direct, replica);

    prices.set_price(GAME, NEW).await.unwrap();

    assert_eq!(
        prices.price(GAME, Freshness::Latest).await.unwrap(),
        Some(NEW),
        "the primary should have the new price"
    );
    until("a read from the replica shows the new price", async || {
        prices.price(GAME, Freshness::Any).await.unwrap() == Some(NEW)
    })
    .await;
    for freshness in [Freshness::Any, Freshness::Latest] {
        assert_eq!(
            prices.price(8, freshness).await.unwrap(),
            None,
            "there is no game 8, so a read should return `None`"
        );
    }
}

/// Polls until the condition is true. A replica sends no event when it has caught up.
async fn until(what: &str, mut is_true: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_true().await {
        assert!(Instant::now() < deadline, "waited for 20 s until {what}");
    }
}
