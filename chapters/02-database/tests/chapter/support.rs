//! Databases for the tests: empty ones, and a store that is filled.

use std::collections::HashSet;
use std::future::Future;
use std::time::Duration;

use ch02_database::catalog::GameChange;
use ch02_database::model::GameId;
use ch02_database::postgres::{connect, connect_replica, migrate};
use ch02_database::seed::{SeedRequest, seed_store};
use ch02_database::{Catalog, Node, PgCatalog, PgOrders};
use sqlx::PgPool;

/// How long a test waits for something to become true. Long: it ends as soon as it is.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// How long an answer of a store may take when servers are away: the longest that anything is waited for, and room for a busy machine.
pub const BOUND: Duration = Duration::from_secs(30);

/// How many games a filled store has: three pages of a list.
pub const GAMES: GameId = 60;

pub const SIZES: SeedRequest = SeedRequest {
    games: Some(GAMES as u32),
    seed: None,
    shards: None,
};

/// A filled store on the shared servers: four shards, and a catalogue whose one replica is asked.
pub struct Store {
    pub primary: PgPool,
    pub replica: PgPool,
    pub shards: Vec<PgPool>,
    // Dropped last, for the pools are connected to them.
    pub catalog: testbed::Postgres,
    pub shard_databases: Vec<testbed::Postgres>,
}

impl Store {
    /// Makes the databases and fills them.
    pub async fn filled() -> Store {
        let store = Store::empty().await;
        store.fill(SIZES).await;
        store
    }

    /// Makes the databases; there is nothing in them.
    pub async fn empty() -> Store {
        let catalog = testbed::postgres().await.unwrap();
        let mut shard_databases = Vec::new();
        for _ in 0..4 {
            shard_databases.push(testbed::postgres().await.unwrap());
        }
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

    /// What every process does at its start.
    pub async fn fill(&self, sizes: SeedRequest) {
        migrate(&self.primary, &self.shards).await.unwrap();
        seed_store(&self.primary, &self.shards, sizes, |_, _| ())
            .await
            .unwrap();
    }

    /// The catalogue, with the one replica twice: it takes turns as two would.
    pub async fn pg_catalog(&self) -> PgCatalog {
        open(&self.primary, &[self.replica.clone(), self.replica.clone()]).await
    }

    pub fn pg_orders(&self) -> PgOrders {
        PgOrders::new(self.shards.clone())
    }
}

/// Fills a catalogue alone.
pub async fn fill_catalog(primary: &PgPool) {
    let shard = testbed::postgres().await.unwrap();
    let shards = [connect(&shard.url()).unwrap()];
    migrate(primary, &shards).await.unwrap();
    seed_store(primary, &shards, SIZES, |_, _| ())
        .await
        .unwrap();
}

/// A catalogue whose writes wait for its replicas.
pub async fn open(primary: &PgPool, replicas: &[PgPool]) -> PgCatalog {
    PgCatalog::open(
        primary.clone(),
        replicas.to_vec(),
        Some(PgCatalog::REPLICATION_TIMEOUT),
    )
    .await
}

/// Asks until the answer is `Some`.
pub async fn poll_until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let answer = tokio::time::timeout(DEADLINE, asking).await;
    answer.unwrap_or_else(|_| panic!("waited in vain until {what}"))
}

/// The answer, which must come in time however many servers are away.
pub async fn bounded<T>(answer: impl Future<Output = T>) -> T {
    let answer = tokio::time::timeout(BOUND, answer).await;
    answer.expect("hung on a server that is away: has every wait its end?")
}

/// A change.
pub const CHEAPER: GameChange = GameChange {
    price_cents: Some(1),
    description: None,
};

/// Reads until each of these servers has answered; a read that fails fails the test.
pub async fn read_until_all_answer(catalog: &PgCatalog, nodes: &[Node]) {
    let mut missing: HashSet<String> = nodes.iter().map(Node::to_string).collect();
    poll_until("every server answers", async || {
        let read = bounded(catalog.product(7))
            .await
            .expect("a read failed though a server was up");
        assert_eq!(read.value.map(|product| product.game.id), Some(7));
        missing.remove(&read.node.to_string());
        missing.is_empty().then_some(())
    })
    .await;
}
