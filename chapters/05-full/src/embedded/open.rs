//! Opens an embedded store: takes the lock, opens the files, seeds them if they are empty.

use std::path::PathBuf;
use std::sync::Arc;

use ch01_clones::clone::avatar::AvatarStore;
use ch02_database::seed::{SeedMismatch, SeedParameters, SeedRequest, check_seed_parameters};
use ch02_database::{Orders, StoreError};
use ch04_async::PageStore;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;

use super::data_dir::{DataDir, DataDirError, DataDirLock, read_seed_parameters};
use super::db::{Db, OpenError};
use super::orders::SqliteOrders;
use super::seed::seed;
use crate::causes::with_causes;

/// The store's own database, as it grew.
const STORE: &[&str] = &[
    include_str!("../../migrations/store.sql"),
    include_str!("../../migrations/store-2.sql"),
];

/// The open databases and folders of an embedded store.
pub struct Embedded {
    /// Catalogue, sessions, jobs.
    pub store: Db,
    /// Orders, one database a shard.
    pub shards: Vec<Db>,
    /// Pages rendered in advance.
    pub pages: PageStore,
    /// Customers' pictures.
    pub avatars: AvatarStore,
    _lock: DataDirLock,
}

/// Why an embedded store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The folder.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// A database file.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// There is no store here, or only the beginning of one.
    #[error("{0}; `cargo run -p ch05-full` makes one")]
    Nothing(String),
    /// The store was seeded with other numbers.
    #[error(
        "{mismatch}; leave the flag out, or choose another directory than {dir} with --data-dir DIR"
    )]
    SeedMismatch {
        /// The data directory.
        dir: DataDir,
        /// The flag and the two numbers.
        mismatch: SeedMismatch,
    },
    /// The store could be opened, but not read or filled: a full disk, for one.
    #[error("the store in {dir} cannot be read or filled: {reason}")]
    Seeding {
        /// The data directory.
        dir: DataDir,
        /// What the driver said.
        reason: String,
    },
    /// The folder of the pages or of the pictures cannot be made.
    #[error("{path} cannot be used: {reason}")]
    Objects {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
}

impl Embedded {
    /// Opens the store in `dir`. If it is empty it is seeded; `progress` is then called with the number of games that are
    /// written and the number that there will be.
    pub async fn open(
        dir: &DataDir,
        request: SeedRequest,
        progress: impl Fn(u64, u64) + Send + Sync + 'static,
    ) -> Result<Embedded, EmbeddedError> {
        let lock = dir.lock()?;
        let store = database(dir, "store.db", STORE).await?;
        let stored = read_seed_parameters(&store)
            .await
            .map_err(|error| seeding(dir, &error))?;
        if let Some(stored) = stored {
            check_seed_parameters(stored, request).map_err(|mismatch| {
                EmbeddedError::SeedMismatch {
                    dir: dir.clone(),
                    mismatch,
                }
            })?;
        }
        let parameters = stored.unwrap_or_else(|| SeedParameters::for_new_store(request));
        let mut shards = Vec::with_capacity(parameters.shards);
        for number in 0..parameters.shards {
            shards.push(
                database(
                    dir,
                    &format!("shard-{number}.db"),
                    &[include_str!("../../migrations/shard.sql")],
                )
                .await?,
            );
        }
        if stored.is_none() {
            let all = u64::from(parameters.games);
            seed(&store, &shards, parameters, move |done| progress(done, all))
                .await
                .map_err(|error| seeding(dir, &error))?;
        }
        Ok(Embedded {
            store,
            shards,
            pages: PageStore::new(objects(dir, "pages")?),
            avatars: AvatarStore::new(objects(dir, "uploads")?),
            _lock: lock,
        })
    }
}

impl Embedded {
    /// How many orders each shard of a store holds, whether or not it runs. Only looks: what is not there is not made.
    pub async fn count_orders(dir: &DataDir) -> Result<Vec<u64>, EmbeddedError> {
        let nothing = |what: &str| EmbeddedError::Nothing(format!("{what} in {dir}"));
        let Some(file) = dir.join("store.db").filter(|file| file.exists()) else {
            return Err(nothing("there is no store"));
        };
        let parameters = match read_seed_parameters(&Db::look_at(&file).await?).await {
            Ok(Some(parameters)) => parameters,
            Ok(None) | Err(StoreError::Unavailable(_)) => {
                return Err(nothing("a store was begun and never filled"));
            }
            Err(error) => return Err(seeding(dir, &error)),
        };
        let mut shards = Vec::with_capacity(parameters.shards);
        for file in
            (0..parameters.shards).filter_map(|number| dir.join(&format!("shard-{number}.db")))
        {
            shards.push(Db::look_at(&file).await?);
        }
        let counts = SqliteOrders::new(shards).count_by_shard().await;
        counts.map_err(|error| seeding(dir, &error))
    }

    /// Waits for the writes under way and closes the files.
    pub async fn close(&self) {
        self.store.close().await;
        for shard in &self.shards {
            shard.close().await;
        }
    }
}

async fn database(
    dir: &DataDir,
    name: &str,
    migrations: &[&'static str],
) -> Result<Db, EmbeddedError> {
    Ok(Db::open(dir.join(name).as_deref(), migrations).await?)
}

fn objects(dir: &DataDir, name: &str) -> Result<Arc<dyn ObjectStore>, EmbeddedError> {
    let Some(path) = dir.join(name) else {
        return Ok(Arc::new(InMemory::new()));
    };
    let unusable = |reason: String| EmbeddedError::Objects {
        path: path.clone(),
        reason,
    };
    std::fs::create_dir_all(&path).map_err(|error| unusable(error.to_string()))?;
    let folder =
        LocalFileSystem::new_with_prefix(&path).map_err(|error| unusable(error.to_string()))?;
    Ok(Arc::new(folder))
}

fn seeding(dir: &DataDir, error: &StoreError) -> EmbeddedError {
    EmbeddedError::Seeding {
        dir: dir.clone(),
        reason: with_causes(error),
    }
}
