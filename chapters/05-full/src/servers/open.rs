//! Opens a store on real servers: makes the tables, fills them if they are empty, and connects what stands behind each seam.
//!
//! Every process of a store does this when it starts, and any number of them may start at once: one fills the databases while the
//! others wait for it. Redis, Memcached and RabbitMQ may be away at that moment; who needs them says so, and they are found when
//! they are back. Without its databases a store does not start.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ch01_clones::clone::avatar::AvatarStore;
use ch01_clones::clone::redis_sessions::{InvalidRedisUrl, RedisSessions};
use ch02_database::StoreError;
use ch02_database::postgres::{self, InvalidUrl};
use ch02_database::seed::{SeedError, SeedParameters, SeedRequest, seed_store};
use ch02_database::{PgCatalog, PgOrders};
use ch03_cache::{Cache, CacheError, MemcachedCache, RedisCache};
use ch04_async::rabbit::{RabbitError, RabbitEvents, RabbitQueue};
use ch04_async::{PageStore, PgBoard};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use sqlx::PgPool;

use super::Addresses;
use crate::causes::with_causes;
use crate::services::Health;

/// The connections of one process to its servers.
pub struct Servers {
    pub(crate) catalog: Arc<PgCatalog>,
    pub(crate) orders: Arc<PgOrders>,
    pub(crate) sessions: Arc<RedisSessions>,
    pub(crate) cache: Arc<dyn Cache>,
    pub(crate) queue: Arc<RabbitQueue>,
    pub(crate) events: Arc<RabbitEvents>,
    pub(crate) board: Arc<PgBoard>,
    pub(crate) pages: PageStore,
    pub(crate) avatars: AvatarStore,
    /// What the store was filled with.
    pub seed_parameters: SeedParameters,
    primary: PgPool,
    shards: Vec<PgPool>,
}

/// Why a store on real servers cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ServersError {
    /// A PostgreSQL URL is none.
    #[error("{variable}: {error}")]
    Postgres {
        /// The variable that holds it.
        variable: &'static str,
        /// What is wrong with it.
        error: InvalidUrl,
    },
    /// The Redis URL is none.
    #[error("REDIS_URL: {0}")]
    Redis(#[from] InvalidRedisUrl),
    /// The cache's servers cannot be used.
    #[error("the cache's address (MEMCACHED_URLS, or REDIS_URL without it) cannot be used: {0}")]
    Cache(#[source] CacheError),
    /// The AMQP URL is none.
    #[error("AMQP_URL: {0}")]
    Amqp(#[source] RabbitError),
    /// A database cannot be reached.
    #[error(
        "{which} cannot be reached or used ({reason}); is it running, and is the address right?"
    )]
    Database {
        /// The variable that holds its address.
        which: &'static str,
        /// What the driver said.
        reason: String,
    },
    /// A database has other data than what was asked for, or could not be filled.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// The folder for pages and avatars.
    #[error(
        "{path} cannot be used for pages and pictures: {reason}; choose another folder with --data-dir DIR"
    )]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
}

impl Servers {
    /// Connects, migrates, and fills what is empty. Pages and avatars lie in `folder`, which all processes of the store must see.
    pub async fn open(
        addresses: &Addresses,
        folder: &Path,
        request: SeedRequest,
        progress: impl Fn(u64, u64) + Send + Sync,
    ) -> Result<Servers, ServersError> {
        let primary = pool("DATABASE_URL", &addresses.database, postgres::connect)?;
        let replicas = pools(
            "REPLICA_URLS",
            &addresses.replicas,
            postgres::connect_replica,
        )?;
        let shards = pools("SHARD_URLS", &addresses.shards, postgres::connect)?;
        let sessions = Arc::new(RedisSessions::new(&addresses.redis)?);
        let cache = cache(addresses).await.map_err(ServersError::Cache)?;
        let queue = Arc::new(RabbitQueue::new(&addresses.amqp).map_err(ServersError::Amqp)?);
        let events = Arc::new(RabbitEvents::new(&addresses.amqp).map_err(ServersError::Amqp)?);

        reachable("DATABASE_URL", &primary).await?;
        for shard in &shards {
            reachable("SHARD_URLS", shard).await?;
        }
        let tables = postgres::migrate(&primary, &shards).await;
        tables.map_err(|error| unusable("DATABASE_URL or SHARD_URLS", &error))?;
        let seed_parameters = seed_store(&primary, &shards, request, progress).await?;
        let board = PgBoard::open(primary.clone()).await;
        Ok(Servers {
            catalog: Arc::new(
                PgCatalog::open(
                    primary.clone(),
                    replicas,
                    Some(PgCatalog::REPLICATION_TIMEOUT),
                )
                .await,
            ),
            orders: Arc::new(PgOrders::new(shards.clone())),
            sessions,
            cache,
            queue,
            events,
            board: Arc::new(board.map_err(|error| unusable("DATABASE_URL", &error))?),
            pages: PageStore::new(objects(&folder.join("pages"))?),
            avatars: AvatarStore::new(objects(&folder.join("uploads"))?),
            seed_parameters,
            primary,
            shards,
        })
    }

    /// Ends the connections to the databases.
    pub async fn close(&self) {
        self.primary.close().await;
        for shard in &self.shards {
            shard.close().await;
        }
    }
}

/// A store can serve if its databases answer: without the cache it is slower, without Redis nobody can log in, without the broker
/// no job is taken, and each of these says so where it is asked for. To take all clones out of service would help nobody.
#[async_trait::async_trait]
impl Health for Servers {
    async fn check(&self) -> Result<(), StoreError> {
        postgres::ping(&self.primary).await?;
        for shard in &self.shards {
            postgres::ping(shard).await?;
        }
        Ok(())
    }
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

fn pool(
    variable: &'static str,
    url: &str,
    connect: impl Fn(&str) -> Result<PgPool, InvalidUrl>,
) -> Result<PgPool, ServersError> {
    connect(url).map_err(|error| ServersError::Postgres { variable, error })
}

fn pools(
    variable: &'static str,
    urls: &[String],
    connect: impl Fn(&str) -> Result<PgPool, InvalidUrl>,
) -> Result<Vec<PgPool>, ServersError> {
    urls.iter()
        .map(|url| pool(variable, url, &connect))
        .collect()
}

async fn reachable(which: &'static str, pool: &PgPool) -> Result<(), ServersError> {
    postgres::ping(pool)
        .await
        .map_err(|error| unusable(which, &error))
}

fn unusable(which: &'static str, error: &StoreError) -> ServersError {
    ServersError::Database {
        which,
        reason: with_causes(error),
    }
}

fn objects(path: &Path) -> Result<Arc<dyn ObjectStore>, ServersError> {
    let unusable = |reason: String| ServersError::Folder {
        path: path.to_owned(),
        reason,
    };
    std::fs::create_dir_all(path).map_err(|error| unusable(error.to_string()))?;
    let folder =
        LocalFileSystem::new_with_prefix(path).map_err(|error| unusable(error.to_string()))?;
    Ok(Arc::new(folder))
}
