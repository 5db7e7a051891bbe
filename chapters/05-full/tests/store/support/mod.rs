//! A store for each test, a client, and the program in its own process.

mod client;
pub mod invalid_requests;
pub mod program;

use std::path::PathBuf;

use ch05_full::cli::{ServeArgs, ServiceSource};
use ch05_full::commands::serve::single_process::SingleProcessStore;
use ch05_full::naive::NaiveTechnique;
use ch05_full::services::external::{Addresses, OrderAddresses};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

pub use client::{Client, DEADLINE, TextResponse, poll_until, send};

/// A store in this process with 60 games, on a free port.
pub struct TestStore {
    pub url: String,
    /// The value of `x-db` for a read.
    pub reads_from: &'static str,
    _running: SingleProcessStore,
    _namespaces: Option<Namespaces>,
}

/// The namespaces of one store on the shared servers. Dropped after the store.
struct Namespaces {
    _database: testbed::Postgres,
    _redis: testbed::Redis,
    _memcached: testbed::Memcached,
    _rabbitmq: testbed::RabbitMq,
    _folder: tempfile::TempDir,
}

impl TestStore {
    /// Starts an embedded store with its data in memory.
    pub async fn start() -> Self {
        TestStore::start_with(ServeArgs {
            data_dir: Some(PathBuf::from(":memory:")),
            ..small()
        })
        .await
    }

    /// Starts a store with these flags.
    pub async fn start_with(args: ServeArgs) -> Self {
        let store = SingleProcessStore::start(&args)
            .await
            .expect("the store does not start");
        TestStore {
            url: format!("http://{}", store.address),
            reads_from: "primary",
            _running: store,
            _namespaces: None,
        }
    }

    /// Starts a store on the shared servers: a database with a replica, four shards, Redis, three
    /// Memcached nodes, RabbitMQ.
    ///
    /// The shards are schemas of one database, which are created in milliseconds. SQL cannot join
    /// their connections either.
    pub async fn start_external() -> Self {
        Box::pin(TestStore::start_external_with(|_| ())).await
    }

    /// The same, with other addresses for some servers.
    pub async fn start_external_with(change: impl FnOnce(&mut Addresses)) -> Self {
        Box::pin(TestStore::start_external_naive(change, &[])).await
    }

    /// The same, with some techniques switched to their naive versions.
    pub async fn start_external_naive(
        change: impl FnOnce(&mut Addresses),
        naive: &[NaiveTechnique],
    ) -> Self {
        let (database, redis, memcached, rabbitmq) = tokio::join!(
            testbed::postgres(),
            testbed::redis(),
            testbed::memcached(),
            testbed::rabbitmq(),
        );
        let (database, redis) = (database.unwrap(), redis.unwrap());
        let (memcached, rabbitmq) = (memcached.unwrap(), rabbitmq.unwrap());
        let mut addresses = Addresses {
            database: database.url(),
            replicas: vec![database.replica_url()],
            orders: OrderAddresses::Shards(schemas(&database.url(), 4).await),
            redis: redis.url(),
            memcached: memcached
                .nodes()
                .iter()
                .map(|node| format!("memcache://{node}"))
                .collect(),
            cache_prefix: memcached.prefix().to_owned(),
            amqp: rabbitmq.url(),
        };
        change(&mut addresses);
        let folder = tempfile::tempdir().unwrap();
        let args = ServeArgs {
            data_dir: Some(folder.path().to_owned()),
            services: ServiceSource::External,
            naive: naive.to_vec(),
            ..small()
        };
        let store = SingleProcessStore::start_external(&addresses, &args)
            .await
            .expect("the store does not start");
        TestStore {
            url: format!("http://{}", store.address),
            reads_from: "replica-1",
            _running: store,
            _namespaces: Some(Namespaces {
                _database: database,
                _redis: redis,
                _memcached: memcached,
                _rabbitmq: rabbitmq,
                _folder: folder,
            }),
        }
    }

    /// A client without a session.
    pub fn anonymous_client(&self) -> Client {
        Client::new(&self.url)
    }

    /// A client that has logged in.
    pub async fn customer(&self, name: &str) -> Client {
        let client = self.anonymous_client();
        client.login(name).await;
        client
    }
}

/// Creates schemas in a database. Each returned URL connects to one of them.
async fn schemas(database: &str, count: usize) -> Vec<String> {
    let mut connection = PgConnection::connect(database).await.unwrap();
    let mut urls = Vec::new();
    for number in 0..count {
        let create = AssertSqlSafe(format!("CREATE SCHEMA shard_{number}"));
        sqlx::query(create).execute(&mut connection).await.unwrap();
        urls.push(format!("{database}?options[search_path]=shard_{number}"));
    }
    urls
}

/// The flags of a store with 60 games on a free port.
pub fn small() -> ServeArgs {
    ServeArgs {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        games: Some(60),
        ..ServeArgs::default()
    }
}
