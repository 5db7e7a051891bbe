// The tests of `read_write_split`. Nobody asks your code which server it asked: the servers have different prices, and the price
// that comes back tells.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use read_write_split::{Freshness, Prices, READ, StoreError};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgPool};
use testbed::{Fault, FaultProxy, Postgres};
use tokio::sync::Mutex;

const GAME: i64 = 7;

/// What the game costs at first, and after the sale begins.
const OLD: i64 = 5999;
const NEW: i64 = 1999;

/// Two servers as the store sees them, each behind a proxy that can cut it off.
///
/// Nobody replicates to the "replica": it is late for ever. So what it answers can be told from what the primary answers, and a write
/// that went astray would be seen in it.
struct Servers {
    prices: Prices,
    primary: Server,
    late: Server,
}

impl Servers {
    async fn start() -> Servers {
        let (primary, late) = (Server::start().await, Server::start().await);
        let prices = Prices::new(primary.through_proxy.clone(), late.through_proxy.clone());
        Servers {
            prices,
            primary,
            late,
        }
    }
}

/// A server in which the game costs `OLD`. It is a schema of its own, as good as a server here, for it has its own table.
struct Server {
    database: Arc<Postgres>,
    schema: String,
    /// The test's own way in, which is never cut.
    direct: PgPool,
    proxy: FaultProxy,
    through_proxy: PgPool,
}

impl Server {
    async fn start() -> Server {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let schema = format!("server_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let database = database().await;
        let address: PgConnectOptions = database.url().parse().unwrap();
        let server = SocketAddr::new(address.get_host().parse().unwrap(), address.get_port());
        let proxy = FaultProxy::before(server).await.unwrap();
        let direct = pool(address.clone(), &schema);
        let table = format!(
            "CREATE SCHEMA {schema}; CREATE TABLE {schema}.prices (game bigint PRIMARY KEY, cents bigint NOT NULL);
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

    /// What really lies in this server.
    async fn has(&self) -> Option<i64> {
        ask(&self.direct).await.unwrap()
    }

    /// Its connections, old and new, are reset.
    fn cut_off(&self) {
        self.proxy.inject(Fault::Reset);
    }
}

async fn ask(server: &PgPool) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar(READ)
        .bind(GAME)
        .fetch_optional(server)
        .await
}

/// The first test makes a database, and the last one that uses it drops it.
async fn database() -> Arc<Postgres> {
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
    let patience = Duration::from_secs(20);
    let options = PgPoolOptions::new()
        .max_connections(2)
        .acquire_timeout(patience);
    options.connect_lazy_with(address)
}

#[tokio::test]
async fn a_write_goes_to_the_primary_and_a_read_to_the_replica() {
    let servers = Servers::start().await;

    servers.prices.set_price(GAME, NEW).await.unwrap();

    assert_eq!(
        servers.primary.has().await,
        Some(NEW),
        "the write did not reach the primary"
    );
    assert_eq!(
        servers.late.has().await,
        Some(OLD),
        "somebody wrote to the replica; a real one would refuse"
    );
    let read = servers.prices.price(GAME, Freshness::Any).await.unwrap();
    assert_eq!(
        read,
        Some(OLD),
        "the replica is late and has {OLD}, so this came from the primary: what is the replica for?"
    );
}

#[tokio::test]
async fn a_read_that_must_be_fresh_sees_the_last_write() {
    let servers = Servers::start().await;

    servers.prices.set_price(GAME, NEW).await.unwrap();

    let read = servers.prices.price(GAME, Freshness::Latest).await.unwrap();
    assert_eq!(
        read,
        Some(NEW),
        "the price was changed and confirmed, and a fresh read shows the old one: whom did it ask?"
    );
}

#[tokio::test]
async fn a_replica_that_is_away_costs_nobody_an_error() {
    let servers = Servers::start().await;
    // Both have open connections, which break in a moment.
    for freshness in [Freshness::Any, Freshness::Latest] {
        servers.prices.price(GAME, freshness).await.unwrap();
    }

    servers.late.cut_off();

    servers.prices.set_price(GAME, NEW).await.unwrap();
    for freshness in [Freshness::Any, Freshness::Latest] {
        match servers.prices.price(GAME, freshness).await {
            Ok(price) => assert_eq!(
                price,
                Some(NEW),
                "only the primary can be asked, and it has {NEW}"
            ),
            Err(error) => {
                panic!(
                    "the replica is away, the primary is well, and a read ({freshness:?}) fails: {error:?}"
                )
            }
        }
    }
}

#[tokio::test]
async fn a_primary_that_is_away_stops_writes_and_fresh_reads_and_nothing_else() {
    let servers = Servers::start().await;
    servers.prices.set_price(GAME, NEW).await.unwrap();

    servers.primary.cut_off();

    let written = servers.prices.set_price(GAME, 999).await;
    assert!(
        matches!(written, Err(StoreError::Write(_))),
        "the primary is away, and a write says {written:?}"
    );
    assert_eq!(
        servers.late.has().await,
        Some(OLD),
        "a write went to the replica, where the primary never hears of it"
    );
    let fresh = servers.prices.price(GAME, Freshness::Latest).await;
    assert!(
        matches!(fresh, Err(StoreError::Read(_))),
        "the primary is away, so nobody knows the latest price, and a fresh read says {fresh:?}"
    );
    let read = servers.prices.price(GAME, Freshness::Any).await;
    assert!(
        matches!(read, Ok(Some(OLD))),
        "the replica is well, and a read that may be old says {read:?}"
    );

    servers.late.cut_off();

    let read = servers.prices.price(GAME, Freshness::Any).await;
    assert!(
        matches!(read, Err(StoreError::Read(_))),
        "both are away, and a read says {read:?}"
    );
}

#[tokio::test]
async fn a_real_replica_follows_by_itself() {
    let Server {
        database,
        schema,
        direct,
        ..
    } = Server::start().await;
    let replica = pool(database.replica_url().parse().unwrap(), &schema);
    until("the replica has the table", async || {
        ask(&replica).await.is_ok()
    })
    .await;
    let prices = Prices::new(direct, replica);

    prices.set_price(GAME, NEW).await.unwrap();

    assert_eq!(
        prices.price(GAME, Freshness::Latest).await.unwrap(),
        Some(NEW)
    );
    until("a read from the replica shows the change", async || {
        prices.price(GAME, Freshness::Any).await.unwrap() == Some(NEW)
    })
    .await;
    for freshness in [Freshness::Any, Freshness::Latest] {
        assert_eq!(
            prices.price(8, freshness).await.unwrap(),
            None,
            "there is no such game, and that is no error"
        );
    }
}

/// Looks again and again. A replica tells nobody how far it is.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so().await {
        assert!(
            Instant::now() < deadline,
            "waited for 20 s, and it is not so: {what}"
        );
    }
}
