//! Databases for the tests: empty ones, and a filled store.

use std::collections::HashSet;
use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use ch02_database::catalog::GameChange;
use ch02_database::postgres::{ReadPool, connect, connect_replica, migrate};
use ch02_database::replication::RouterSettings;
use ch02_database::seed::{SeedRequest, seed_store};
use ch02_database::{Catalog, Consistency, GameId, Node, PgCatalog, PgOrders, StoreError};
use futures_util::future::try_join_all;
use sqlx::PgPool;
use tokio::sync::OnceCell;

/// How long a test polls for a condition. Long, because polling ends when the condition is true.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// How long one call may take while servers are down: the longest time-outs of the chapter, and a
/// reserve for a busy machine.
pub const CALL_LIMIT: Duration = Duration::from_secs(30);

/// The number of games of a filled store: three pages of a list.
pub const GAMES: GameId = 60;

pub const SEED_REQUEST: SeedRequest = SeedRequest {
    games: Some(GAMES as u32),
    seed: None,
    shards: None,
};

/// A change for tests that need any write.
pub const LOWER_PRICE: GameChange = GameChange {
    price_cents: Some(1),
    description: None,
};

/// Databases on the shared servers: a catalogue with one replica, and four shards.
pub struct Store {
    pub primary: PgPool,
    pub replica: ReadPool,
    pub shards: Vec<PgPool>,
    // Dropped last, because the pools are connected to these databases.
    pub catalog: testbed::Postgres,
    pub shard_databases: Vec<testbed::Postgres>,
}

impl Store {
    /// Creates filled databases. The first test fills some, and each test gets copies of them.
    pub async fn filled() -> Store {
        // Not dropped at the end of the process. The next one that uses the testbed drops them.
        static ORIGINALS: OnceCell<Vec<testbed::Postgres>> = OnceCell::const_new();
        let fill = async || {
            let store = Store::empty().await;
            store.fill(SEED_REQUEST).await;
            for pool in store.shards.iter().chain([&store.primary]) {
                pool.close().await;
            }
            std::iter::once(store.catalog)
                .chain(store.shard_databases)
                .collect()
        };
        let originals = ORIGINALS.get_or_init(fill).await;
        let copies = try_join_all(originals.iter().map(testbed::Postgres::copy));
        Store::connect(copies.await.unwrap())
    }

    /// Creates empty databases.
    pub async fn empty() -> Store {
        let databases = try_join_all((0..5).map(|_| testbed::postgres()));
        Store::connect(databases.await.unwrap())
    }

    /// The first database is the catalogue.
    fn connect(mut databases: Vec<testbed::Postgres>) -> Store {
        let shard_databases = databases.split_off(1);
        let catalog = databases.remove(0);
        Store {
            primary: connect(&catalog.url()).unwrap(),
            replica: connect_replica(&catalog.replica_url()).unwrap(),
            shards: shard_databases
                .iter()
                .map(|shard| connect(&shard.url()).unwrap())
                .collect(),
            catalog,
            shard_databases,
        }
    }

    /// Migrates and seeds, as every process does when it starts.
    pub async fn fill(&self, request: SeedRequest) {
        migrate(&self.primary, &self.shards).await.unwrap();
        seed_store(&self.primary, &self.shards, request, |_, _| ())
            .await
            .unwrap();
    }

    /// A catalogue with two replicas. Both are the same server.
    pub async fn pg_catalog(&self) -> PgCatalog {
        open_catalog(&self.primary, &[self.replica.clone(), self.replica.clone()]).await
    }

    pub async fn pg_orders(&self) -> PgOrders {
        PgOrders::open(&self.primary, self.shards.clone())
            .await
            .unwrap()
    }
}

/// Fills a catalogue; its only shard is not used.
pub async fn fill_catalog(primary: &PgPool) {
    let shard = testbed::postgres().await.unwrap();
    let shards = [connect(&shard.url()).unwrap()];
    migrate(primary, &shards).await.unwrap();
    seed_store(primary, &shards, SEED_REQUEST, |_, _| ())
        .await
        .unwrap();
}

/// A catalogue with the default settings.
pub async fn open_catalog(primary: &PgPool, replicas: &[ReadPool]) -> PgCatalog {
    PgCatalog::open(
        primary.clone(),
        replicas.to_vec(),
        RouterSettings::default(),
    )
    .await
}

/// Polls until the result is `Some`.
pub async fn poll_until<T>(condition: &str, mut poll: impl AsyncFnMut() -> Option<T>) -> T {
    let polling = async {
        loop {
            if let Some(value) = poll().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let value = tokio::time::timeout(DEADLINE, polling).await;
    value.unwrap_or_else(|_| panic!("not true within {DEADLINE:?}: {condition}"))
}

/// Polls a future this many times, then drops it, as axum drops a handler when its client
/// disconnects. The next poll comes when the future is woken, or a millisecond later. Returns
/// whether the future was dropped before its end.
pub async fn drop_after(polls: usize, future: impl Future) -> bool {
    let mut future = pin!(future);
    let mut milliseconds = tokio::time::interval(Duration::from_millis(1));
    let mut left = polls;
    std::future::poll_fn(|context| {
        while milliseconds.poll_tick(context).is_ready() {}
        if left > 0 && future.as_mut().poll(context).is_ready() {
            return Poll::Ready(false);
        }
        left = left.saturating_sub(1);
        if left == 0 {
            Poll::Ready(true)
        } else {
            Poll::Pending
        }
    })
    .await
}

/// Fails the test if the call takes longer than [`CALL_LIMIT`].
pub async fn within_limit<T>(call: impl Future<Output = T>) -> T {
    let value = tokio::time::timeout(CALL_LIMIT, call).await;
    value.expect("the call waits for a failed server: does every wait have a time-out?")
}

/// Fails the test if the result is not [`StoreError::Unavailable`].
#[track_caller]
pub fn assert_unavailable<T: std::fmt::Debug>(result: &Result<T, StoreError>) {
    assert!(
        matches!(result, Err(StoreError::Unavailable(_))),
        "expected StoreError::Unavailable, got {result:?}"
    );
}

/// Reads until each of these servers has answered. A failed read fails the test.
pub async fn read_until_every_node_answered(catalog: &PgCatalog, nodes: &[Node]) {
    let mut missing: HashSet<String> = nodes.iter().map(Node::to_string).collect();
    poll_until("each server has answered a read", async || {
        let read = within_limit(catalog.product(7, Consistency::Eventual))
            .await
            .expect("a read failed although a server was up");
        assert_eq!(read.value.map(|product| product.game.id), Some(7));
        missing.remove(&read.node.to_string());
        missing.is_empty().then_some(())
    })
    .await;
}
