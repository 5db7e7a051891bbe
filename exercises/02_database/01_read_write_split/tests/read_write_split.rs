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

    /// Runs a statement on this server only, which no replication does.
    async fn run(&self, statement: &str) {
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
            .execute(&self.direct)
            .await
            .unwrap();
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
    options(Duration::from_secs(20)).connect_lazy_with(address)
}

fn options(acquire_timeout: Duration) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(2)
        .acquire_timeout(acquire_timeout)
}

/// Reads, and expects a price. `situation` says which server is down.
async fn expect_price(prices: &Prices, freshness: Freshness, price: i64, situation: &str) {
    match prices.price(GAME, freshness).await {
        Ok(read) => assert_eq!(
            read,
            Some(price),
            "{situation}, so a read ({freshness:?}) should return {price}, but it returned \
             {read:?}; which server did it ask?"
        ),
        Err(error) => panic!(
            "{situation}, but a read ({freshness:?}) returned an error: {error:?}. Which errors of \
             the replica send the read to the primary?"
        ),
    }
}

// Rule 1.
#[tokio::test]
async fn writes_go_only_to_the_primary() {
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
        "a write went to the replica, but a real replica rejects writes; which pools does \
         `set_price` use?"
    );
}

// Rule 2. The pool opens its first connection at its first query, so it shows whether the primary
// was asked.
#[tokio::test]
async fn reads_go_only_to_the_replica() {
    let servers = Servers::start().await;
    servers
        .primary
        .run(&format!("UPDATE prices SET cents = {NEW}"))
        .await;

    let read = servers.prices.price(GAME, Freshness::Any).await.unwrap();

    assert_eq!(
        read,
        Some(OLD),
        "the replica has the price {OLD}, but the read returned another price: did the read go to \
         the primary?"
    );
    assert_eq!(
        servers.primary.through_proxy.size(),
        0,
        "there was one read, and the replica answered it, but your code also connected to the \
         primary, which has the same load as before: is the primary asked for every read?"
    );
}

// Rule 2.
#[tokio::test]
async fn missing_game_is_an_answer_of_the_replica() {
    let servers = Servers::start().await;
    servers.replica.run("DELETE FROM prices").await;

    let read = servers.prices.price(GAME, Freshness::Any).await.unwrap();

    assert_eq!(
        read, None,
        "the replica answered that it has no such game, but the read returned another server's \
         price. Then the primary gets every request for a game that does not exist: does your code \
         go on to the primary after `None`?"
    );
}

// Rule 3.
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
    assert_eq!(
        servers.replica.through_proxy.size(),
        0,
        "only the primary may answer a read with `Freshness::Latest`, but your code also connected \
         to the replica: is the replica asked for the latest price?"
    );
}

// Rules 1 and 4. The outage breaks open connections, and new ones too.
#[tokio::test]
async fn replica_outage_causes_no_error() {
    let servers = Servers::start().await;
    // Open connections to both servers.
    for freshness in [Freshness::Any, Freshness::Latest] {
        servers.prices.price(GAME, freshness).await.unwrap();
    }

    servers.replica.cut_off();

    let written = servers.prices.set_price(GAME, NEW).await;
    assert!(
        written.is_ok(),
        "only the replica is down, but a write returned {written:?}. Does a write use the replica?"
    );
    for freshness in [Freshness::Any, Freshness::Latest] {
        expect_price(&servers.prices, freshness, NEW, "only the replica is down").await;
    }
}

// Rule 4. The pool tries to connect again and again until its time limit, and then returns
// `PoolTimedOut`.
#[tokio::test]
async fn replica_that_refuses_connections_causes_no_error() {
    let Servers {
        primary, replica, ..
    } = Servers::start().await;
    primary
        .run(&format!("UPDATE prices SET cents = {NEW}"))
        .await;
    let address = (*replica.through_proxy.connect_options()).clone();
    let pool = options(Duration::from_millis(300)).connect_lazy_with(address);
    let prices = Prices::new(primary.through_proxy.clone(), pool);

    replica.proxy.inject(Fault::Refuse);

    let situation = "the replica refuses connections, and the pool gets none in time";
    expect_price(&prices, Freshness::Any, NEW, situation).await;
}

// Rule 4. A replica cancels a query that conflicts with a change. Here its table is missing, which
// has the same kind of error.
#[tokio::test]
async fn replica_answering_with_error_causes_no_error() {
    let servers = Servers::start().await;
    servers
        .primary
        .run(&format!("UPDATE prices SET cents = {NEW}"))
        .await;

    servers.replica.run("DROP TABLE prices").await;

    let read = servers.prices.price(GAME, Freshness::Any).await;
    assert!(
        matches!(read, Ok(Some(NEW))),
        "the replica answered the query with an error (`Database`), and the primary is up, but the \
         read returned {read:?}. Is an answer that is an error a failure, too?"
    );
}

// Rule 5.
#[tokio::test]
async fn recovered_replica_is_asked_again() {
    let servers = Servers::start().await;
    servers.prices.set_price(GAME, NEW).await.unwrap();
    servers.replica.cut_off();
    let situation = "only the replica is down";
    expect_price(&servers.prices, Freshness::Any, NEW, situation).await;

    servers.replica.proxy.heal();

    until(
        Duration::from_secs(6),
        "a read goes to the replica again, which is up. Do you remember the failure for ever?",
        async || servers.prices.price(GAME, Freshness::Any).await.unwrap() == Some(OLD),
    )
    .await;
}

// Rule 6.
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
    let situation = "only the primary is down";
    expect_price(&servers.prices, Freshness::Any, OLD, situation).await;

    servers.replica.cut_off();

    let read = servers.prices.price(GAME, Freshness::Any).await;
    assert!(
        matches!(read, Err(StoreError::Read(_))),
        "both servers are down, so a read should return an error, but it returned {read:?}"
    );
}

// Rules 1, 2 and 3.
#[tokio::test]
async fn real_replica_catches_up() {
    let Server {
        database,
        schema,
        direct,
        ..
    } = Server::start().await;
    let replica = pool(database.replica_url().parse().unwrap(), &schema);
    until(
        Duration::from_secs(20),
        "the replica has the table; does it replicate?",
        async || read_price(&replica).await.is_ok(),
    )
    .await;
    let prices = Prices::new(direct, replica);

    prices.set_price(GAME, NEW).await.unwrap();

    assert_eq!(
        prices.price(GAME, Freshness::Latest).await.unwrap(),
        Some(NEW),
        "the primary should have the new price"
    );
    until(
        Duration::from_secs(20),
        "a read with `Freshness::Any` shows the new price; does the write reach the primary?",
        async || prices.price(GAME, Freshness::Any).await.unwrap() == Some(NEW),
    )
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
async fn until(limit: Duration, what: &str, mut is_true: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !is_true().await {
        assert!(
            Instant::now() < deadline,
            "waited for {limit:?} until {what}"
        );
    }
}
