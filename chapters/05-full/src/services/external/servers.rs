//! Connects one process of a store to its servers, and seeds the databases if they are empty.
//!
//! Several processes may connect at once: one creates and seeds the tables while the others wait.
//! The databases must answer. Redis, Memcached and RabbitMQ may be down; their clients reconnect.

use std::sync::Arc;

use ch01_clones::clone::avatar::AvatarStore;
use ch01_clones::clone::redis_sessions::{InvalidRedisUrl, RedisSessions};
use ch02_database::StoreError;
use ch02_database::orders::UniqueOrders;
use ch02_database::postgres::{self, InvalidUrl};
use ch02_database::replication::RouterSettings;
use ch02_database::replication::pins::{InvalidPinsUrl, RedisPins};
use ch02_database::seed::{SeedError, SeedRequest, seed_store, seed_store_on_citus};
use ch02_database::{CitusOrders, Naive, Orders, PgCatalog, PgOrders};
use ch03_cache::{Cache, CacheError, MemcachedCache, RedisCache};
use ch04_async::rabbitmq::RabbitError;
use ch04_async::{PageStore, PgJobStore, RabbitEventBus, RabbitQueue};
use common::error_chain;
use sqlx::PgPool;

use super::{Addresses, OrderAddresses};
use crate::naive::{self, NaiveTechnique};
use crate::services::data_dir::{DataDir, DataDirError};
use crate::services::health::Health;

/// The connections of one process to its servers.
pub struct ExternalServers {
    pub(crate) catalog: Arc<PgCatalog>,
    pub(crate) orders: Arc<dyn Orders>,
    pub(crate) sessions: Arc<RedisSessions>,
    pub(crate) pins: Arc<RedisPins>,
    pub(crate) cache: Arc<dyn Cache>,
    pub(crate) queue: Arc<RabbitQueue>,
    pub(crate) events: Arc<RabbitEventBus>,
    pub(crate) jobs: Arc<PgJobStore>,
    pub(crate) pages: PageStore,
    pub(crate) avatars: AvatarStore,
    primary: PgPool,
    /// The shards, or the Citus coordinator.
    order_databases: Vec<PgPool>,
}

/// Why a process cannot connect to the servers of its store.
#[derive(Debug, thiserror::Error)]
pub enum ExternalServersError {
    /// A PostgreSQL URL is invalid.
    #[error("{variable}: {error}")]
    Postgres {
        /// The variable with the URL.
        variable: &'static str,
        /// What is wrong with the URL.
        error: InvalidUrl,
    },
    /// The Redis URL is invalid.
    #[error("REDIS_URL: {0}")]
    Redis(#[from] InvalidRedisUrl),
    /// The Redis URL cannot be used for pins.
    #[error("REDIS_URL: {0}")]
    Pins(#[from] InvalidPinsUrl),
    /// The address of the cache is invalid.
    #[error("the address of the cache (MEMCACHED_URLS, or else REDIS_URL) is invalid: {0}")]
    Cache(#[from] CacheError),
    /// The AMQP URL is invalid.
    #[error("AMQP_URL: {0}")]
    Amqp(#[from] RabbitError),
    /// A database does not answer, or its tables cannot be created.
    #[error(
        "the database of {variable} does not answer or cannot be used ({reason}); \
         is the server running, and is its address right?"
    )]
    Database {
        /// The variable with the URL.
        variable: &'static str,
        /// The driver's error.
        reason: String,
    },
    /// A database was seeded with other parameters, or cannot be seeded.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// The folder for pages and pictures cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
}

impl ExternalServers {
    /// Connects, runs the migrations, and seeds empty databases.
    ///
    /// `dir` holds pages and pictures. All processes of the store must see it. The techniques in
    /// `naive` are switched to their naive versions.
    pub async fn connect(
        addresses: &Addresses,
        dir: &DataDir,
        request: SeedRequest,
        naive: &[NaiveTechnique],
        progress: impl Fn(u64, u64) + Send + Sync,
    ) -> Result<ExternalServers, ExternalServersError> {
        let naive = naive::of_database(naive);
        let primary = pool("DATABASE_URL", &addresses.database, postgres::connect)?;
        let replicas = pools(
            "REPLICA_URLS",
            &addresses.replicas,
            postgres::connect_replica,
        )?;
        let (variable, order_urls) = match &addresses.orders {
            OrderAddresses::Shards(shards) => ("SHARD_URLS", shards.as_slice()),
            OrderAddresses::Citus(coordinator) => ("CITUS_URL", std::slice::from_ref(coordinator)),
        };
        let order_databases = pools(variable, order_urls, postgres::connect)?;
        let sessions = Arc::new(RedisSessions::new(&addresses.redis)?);
        let pins = Arc::new(RedisPins::new(&addresses.redis)?);
        let cache = cache(addresses).await?;
        let queue = Arc::new(RabbitQueue::new(&addresses.amqp)?);
        let events = Arc::new(RabbitEventBus::new(&addresses.amqp)?);

        ping("DATABASE_URL", &primary).await?;
        for database in &order_databases {
            ping(variable, database).await?;
        }
        let orders: Arc<dyn Orders> = match &addresses.orders {
            OrderAddresses::Shards(_) => {
                open_shards(&primary, &order_databases, request, &naive, progress).await?
            }
            OrderAddresses::Citus(_) => {
                open_citus(&primary, &order_databases[0], request, progress).await?
            }
        };
        let jobs = PgJobStore::open(primary.clone()).await;
        let jobs = jobs.map_err(|error| database_error("DATABASE_URL", &error))?;
        let settings = RouterSettings::default().naive(&naive);
        let catalog = PgCatalog::open(primary.clone(), replicas, settings).await;
        Ok(ExternalServers {
            catalog: Arc::new(catalog),
            orders,
            sessions,
            pins,
            cache,
            queue,
            events,
            jobs: Arc::new(jobs),
            pages: PageStore::new(dir.object_store("pages")?),
            avatars: AvatarStore::new(dir.object_store("uploads")?),
            primary,
            order_databases,
        })
    }

    /// Closes the connections to the databases.
    pub async fn close(&self) {
        self.catalog.close().await;
        self.primary.close().await;
        for database in &self.order_databases {
            database.close().await;
        }
    }
}

/// A clone is ready if its databases answer.
///
/// Redis, the cache and the broker do not count: most requests work without them, and all clones
/// share them, so removing a clone from service would not help.
#[async_trait::async_trait]
impl Health for ExternalServers {
    async fn check(&self) -> Result<(), StoreError> {
        postgres::ping(&self.primary).await?;
        for database in &self.order_databases {
            postgres::ping(database).await?;
        }
        Ok(())
    }
}

async fn open_shards(
    primary: &PgPool,
    shards: &[PgPool],
    request: SeedRequest,
    naive: &[Naive],
    progress: impl Fn(u64, u64) + Send + Sync,
) -> Result<Arc<UniqueOrders>, ExternalServersError> {
    let migrated = postgres::migrate(primary, shards).await;
    migrated.map_err(|error| database_error("DATABASE_URL or SHARD_URLS", &error))?;
    seed_store(primary, shards, request, progress).await?;
    let orders = PgOrders::open_naive(primary, shards.to_vec(), naive).await;
    let orders = orders.map_err(|error| database_error("DATABASE_URL", &error))?;
    Ok(Arc::new(UniqueOrders::new(
        primary.clone(),
        Arc::new(orders),
    )))
}

async fn open_citus(
    primary: &PgPool,
    coordinator: &PgPool,
    request: SeedRequest,
    progress: impl Fn(u64, u64) + Send + Sync,
) -> Result<Arc<CitusOrders>, ExternalServersError> {
    let migrated = postgres::migrate(primary, &[]).await;
    migrated.map_err(|error| database_error("DATABASE_URL", &error))?;
    let migrated = postgres::migrate_citus(coordinator).await;
    migrated.map_err(|error| database_error("CITUS_URL", &error))?;
    seed_store_on_citus(primary, coordinator, request, progress).await?;
    Ok(Arc::new(CitusOrders::new(coordinator.clone())))
}

async fn cache(addresses: &Addresses) -> Result<Arc<dyn Cache>, CacheError> {
    let prefix = addresses.cache_prefix.as_str();
    if addresses.memcached.is_empty() {
        return Ok(Arc::new(RedisCache::new(&addresses.redis, prefix)?));
    }
    let nodes = addresses.memcached.iter();
    let nodes: Vec<_> = nodes
        .map(|url| url.trim_start_matches("memcache://"))
        .collect();
    Ok(Arc::new(MemcachedCache::new(&nodes, prefix).await?))
}

fn pool<P>(
    variable: &'static str,
    url: &str,
    connect: impl Fn(&str) -> Result<P, InvalidUrl>,
) -> Result<P, ExternalServersError> {
    connect(url).map_err(|error| ExternalServersError::Postgres { variable, error })
}

fn pools<P>(
    variable: &'static str,
    urls: &[String],
    connect: impl Fn(&str) -> Result<P, InvalidUrl>,
) -> Result<Vec<P>, ExternalServersError> {
    urls.iter()
        .map(|url| pool(variable, url, &connect))
        .collect()
}

async fn ping(variable: &'static str, pool: &PgPool) -> Result<(), ExternalServersError> {
    postgres::ping(pool)
        .await
        .map_err(|error| database_error(variable, &error))
}

fn database_error(variable: &'static str, error: &StoreError) -> ExternalServersError {
    ExternalServersError::Database {
        variable,
        reason: error_chain(error),
    }
}
