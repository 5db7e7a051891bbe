//! Where an embedded store keeps its data, and what was written there.
//!
//! A folder belongs to one running store at a time: the lock file says so. What a store was seeded with (its [`Recipe`]) is
//! written into it, so that a later start with other numbers gets a clear answer instead of a strange mixture.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use directories::ProjectDirs;
use sqlx::{Row, SqliteConnection};

use super::db::Db;
use ch02_database::StoreError;

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

/// What a store was seeded with. The number of shards is part of it, since orders lie where it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Recipe {
    pub(super) games: u32,
    pub(super) seed: u64,
    pub(super) shards: usize,
}

impl Recipe {
    /// What the store was seeded with, if its seeding was ever finished.
    pub(super) async fn read(store: &Db) -> Result<Option<Recipe>, StoreError> {
        let rows = sqlx::query("SELECT key, value FROM meta")
            .fetch_all(store.readers())
            .await
            .map_err(StoreError::unavailable)?;
        if rows.is_empty() {
            return Ok(None);
        }
        let meta: HashMap<String, String> = rows
            .iter()
            .map(|row| (row.get("key"), row.get("value")))
            .collect();
        let number = |key: &str| {
            let value = meta.get(key).and_then(|value| value.parse::<u64>().ok());
            value.ok_or_else(|| {
                StoreError::Corrupt(format!("no number for {key:?} in the table meta"))
            })
        };
        Ok(Some(Recipe {
            games: number("games")? as u32,
            seed: number("seed")?,
            shards: number("shards")? as usize,
        }))
    }

    pub(super) async fn write(self, db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        for (key, value) in [
            ("games", u64::from(self.games)),
            ("seed", self.seed),
            ("shards", self.shards as u64),
        ] {
            sqlx::query("INSERT INTO meta (key, value) VALUES (?, ?)")
                .bind(key)
                .bind(value.to_string())
                .execute(&mut *db)
                .await?;
        }
        Ok(())
    }
}
