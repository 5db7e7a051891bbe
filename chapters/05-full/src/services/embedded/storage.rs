//! The storage of an embedded store: the lock, the databases and the folders of its data directory.

use ch01_clones::clone::avatar::AvatarStore;
use ch02_database::seed::{SeedMismatch, SeedParameters, SeedRequest, check_seed_parameters};
use ch02_database::{Orders, StoreError};
use ch04_async::PageStore;
use common::error_chain;

use super::adoption;
use super::database::{OpenDatabaseError, SqliteDatabase};
use super::identity;
use super::manifest::{IncompleteStore, Manifest, UPLOADS};
use super::orders::SqliteOrders;
use super::seed::seed;
use super::seed_parameters;
use super::seed_social::fill_social_and_news;
use crate::services::data_dir::{DataDir, DataDirError, DataDirLock};
use crate::services::health::Health;

/// The migrations of the main database, in order. A released migration must not change: `sqlx`
/// compares its checksum with the one in the file.
const MAIN_MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/store.sql"),
    include_str!("../../../migrations/store-2.sql"),
    identity::MIGRATION,
    include_str!("../../../migrations/store-3.sql"),
];

/// The migrations of a shard.
const SHARD_MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/shard.sql"),
    identity::MIGRATION,
    include_str!("../../../migrations/shard-2.sql"),
];

/// The open databases and folders of an embedded store.
pub struct EmbeddedStorage {
    /// The main database: catalogue, friends, news, sessions, jobs.
    pub main: SqliteDatabase,
    /// The orders: one database for each shard.
    pub shards: Vec<SqliteDatabase>,
    /// Pre-rendered pages.
    pub pages: PageStore,
    /// The users' pictures.
    pub avatars: AvatarStore,
    _lock: DataDirLock,
}

/// Why an embedded store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// A database file cannot be opened.
    #[error(transparent)]
    Database(#[from] OpenDatabaseError),
    /// A file of a complete store is lost, empty or foreign.
    #[error(transparent)]
    Incomplete(#[from] IncompleteStore),
    /// The data directory holds no store, or a store whose seeding was interrupted.
    #[error("{0}; `cargo run -p ch05-full` creates one")]
    NoStore(String),
    /// The store was seeded with other parameters.
    #[error(
        "{mismatch}; leave the flag out, or choose another directory than {dir} with --data-dir DIR"
    )]
    SeedMismatch {
        /// The data directory.
        dir: DataDir,
        /// The flag and the two numbers.
        mismatch: SeedMismatch,
    },
    /// A database was opened but cannot be read or seeded, for example because the disk is full.
    #[error("the store in {dir} cannot be read or seeded: {reason}")]
    Seeding {
        /// The data directory.
        dir: DataDir,
        /// The driver's error.
        reason: String,
    },
}

impl EmbeddedStorage {
    /// Opens the storage in `dir`, and seeds it if it is new.
    ///
    /// A lost file does not make a store new: see `manifest.rs`.
    ///
    /// During the seeding, `progress` gets the number of games that are written and the total.
    pub async fn open(
        dir: &DataDir,
        request: SeedRequest,
        progress: impl Fn(u64, u64) + Send + Sync + 'static,
    ) -> Result<EmbeddedStorage, EmbeddedError> {
        let lock = dir.lock()?;
        let manifest = Manifest::read(dir)?;
        if let Some(manifest) = manifest {
            manifest.check(dir).await?;
        }
        let file = dir.join(identity::MAIN);
        let main = SqliteDatabase::open(file.as_deref(), MAIN_MIGRATIONS).await?;
        let stored = seed_parameters::read(&main)
            .await
            .map_err(|error| seeding_error(dir, &error))?;
        if let Some(stored) = stored {
            let checked = check_seed_parameters(stored, request);
            checked.map_err(|mismatch| EmbeddedError::SeedMismatch {
                dir: dir.clone(),
                mismatch,
            })?;
        }
        match stored {
            Some(stored) => adoption::check_files(dir, stored.shards)?,
            None => adoption::check_no_orders(dir).await?,
        }
        let parameters = stored.unwrap_or_else(|| SeedParameters::for_new_store(request));
        let mut shards = Vec::with_capacity(parameters.shards);
        for number in 0..parameters.shards {
            let file = dir.join(&identity::shard(number));
            shards.push(SqliteDatabase::open(file.as_deref(), SHARD_MIGRATIONS).await?);
        }
        if stored.is_none() {
            let total = u64::from(parameters.games);
            seed(&main, &shards, parameters, move |done| {
                progress(done, total);
            })
            .await
            .map_err(|error| seeding_error(dir, &error))?;
        }
        fill_social_and_news(&main, &shards, parameters)
            .await
            .map_err(|error| seeding_error(dir, &error))?;
        let pages = PageStore::new(dir.object_store("pages")?);
        let avatars = AvatarStore::new(dir.object_store(UPLOADS)?);
        if manifest.is_none() {
            adoption::complete(dir, &main, &shards, stored.is_none()).await?;
        }
        Ok(EmbeddedStorage {
            main,
            shards,
            pages,
            avatars,
            _lock: lock,
        })
    }

    /// Counts the orders on each shard, also while the store runs. Creates and writes nothing.
    pub async fn count_orders(dir: &DataDir) -> Result<Vec<u64>, EmbeddedError> {
        if let Some(manifest) = Manifest::read(dir)? {
            manifest.check(dir).await?;
        }
        let Some(file) = dir.join(identity::MAIN).filter(|file| file.exists()) else {
            return Err(EmbeddedError::NoStore(format!(
                "there is no store in {dir}"
            )));
        };
        let main = SqliteDatabase::open_read_only(&file).await?;
        let parameters = match seed_parameters::read(&main).await {
            Ok(Some(parameters)) => parameters,
            Ok(None) | Err(StoreError::Unavailable(_)) => {
                return Err(EmbeddedError::NoStore(format!(
                    "the store in {dir} was never completely filled"
                )));
            }
            Err(error) => return Err(seeding_error(dir, &error)),
        };
        let mut shards = Vec::with_capacity(parameters.shards);
        for number in 0..parameters.shards {
            if let Some(file) = dir.join(&identity::shard(number)) {
                shards.push(SqliteDatabase::open_read_only(&file).await?);
            }
        }
        let counts = SqliteOrders::new(shards).count_by_shard().await;
        counts.map_err(|error| seeding_error(dir, &error))
    }

    /// Waits for the writes in progress, then closes the files.
    pub async fn close(&self) {
        self.main.close().await;
        for shard in &self.shards {
            shard.close().await;
        }
    }
}

#[async_trait::async_trait]
impl Health for EmbeddedStorage {
    async fn check(&self) -> Result<(), StoreError> {
        self.main.ping().await?;
        for shard in &self.shards {
            shard.ping().await?;
        }
        Ok(())
    }
}

fn seeding_error(dir: &DataDir, error: &StoreError) -> EmbeddedError {
    EmbeddedError::Seeding {
        dir: dir.clone(),
        reason: error_chain(error),
    }
}
