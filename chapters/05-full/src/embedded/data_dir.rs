//! Where an embedded store keeps its data, and what was written there.
//!
//! A folder belongs to one running store at a time: the lock file says so. What a store was seeded with (its [`SeedParameters`]) is
//! written into it, so that a later start with other numbers gets a clear answer instead of a strange mixture.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use directories::ProjectDirs;
use sqlx::{Row, SqliteConnection};

use super::db::Db;
use ch02_database::StoreError;
use ch02_database::seed::SeedParameters;

/// A place for an embedded store's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataDir {
    /// Nowhere: everything is in memory and ends with the process.
    Memory,
    /// A folder.
    Folder(PathBuf),
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// The platform names no folder for data; there is probably no home directory.
    #[error("this system names no folder for application data; choose one with --data-dir DIR")]
    NoDefault,
    /// The folder cannot be made or written.
    #[error(
        "the data directory {path} cannot be used: {reason}; choose another one with --data-dir DIR"
    )]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// Another process has it open.
    #[error(
        "the data directory {path} belongs to a store that is running; stop that one first, or choose another one with \
         --data-dir DIR"
    )]
    InUse {
        /// The folder.
        path: PathBuf,
    },
}

/// Held while the store is open; the operating system lets go of it however the process ends.
#[derive(Debug)]
pub struct DataDirLock {
    _file: Option<File>,
}

impl DataDir {
    /// The place that `--data-dir` names, or the platform's folder for application data (`~/.local/share/…` on Linux).
    pub fn resolve(argument: Option<&Path>) -> Result<DataDir, DataDirError> {
        match argument {
            Some(path) if path.as_os_str() == ":memory:" => Ok(DataDir::Memory),
            Some(path) => Ok(DataDir::Folder(path.to_owned())),
            None => ProjectDirs::from("", "", "scalability-workshop")
                .map(|dirs| DataDir::Folder(dirs.data_dir().to_owned()))
                .ok_or(DataDirError::NoDefault),
        }
    }

    /// Makes the folder and takes its lock.
    pub fn lock(&self) -> Result<DataDirLock, DataDirError> {
        let DataDir::Folder(path) = self else {
            return Ok(DataDirLock { _file: None });
        };
        let unusable = |reason| DataDirError::Unusable {
            path: path.clone(),
            reason,
        };
        fs::create_dir_all(path).map_err(unusable)?;
        let file = File::create(path.join("lock")).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => Ok(DataDirLock { _file: Some(file) }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::InUse { path: path.clone() }),
            Err(TryLockError::Error(reason)) => Err(unusable(reason)),
        }
    }

    /// The file or folder with this name; `None` in memory.
    pub fn join(&self, name: &str) -> Option<PathBuf> {
        match self {
            DataDir::Memory => None,
            DataDir::Folder(path) => Some(path.join(name)),
        }
    }
}

impl std::fmt::Display for DataDir {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DataDir::Memory => f.write_str(":memory:"),
            DataDir::Folder(path) => path.display().fmt(f),
        }
    }
}

/// What the store was filled with, or `None` if its seeding never ended.
pub(super) async fn read_seed_parameters(store: &Db) -> Result<Option<SeedParameters>, StoreError> {
    let rows = sqlx::query("SELECT key, value FROM meta")
        .fetch_all(store.readers())
        .await
        .map_err(StoreError::unavailable)?;
    let rows = rows
        .iter()
        .map(|row| (row.get("key"), row.get("value")))
        .collect();
    SeedParameters::from_rows(&rows)
}

pub(super) async fn write_seed_parameters(
    db: &mut SqliteConnection,
    parameters: SeedParameters,
) -> Result<(), sqlx::Error> {
    for (key, value) in parameters.to_rows() {
        sqlx::query("INSERT INTO meta (key, value) VALUES (?, ?)")
            .bind(key)
            .bind(value)
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}
