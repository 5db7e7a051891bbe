//! Which files belong to a complete store: the file `store.json` of its data directory.
//!
//! SQLite creates a file that is missing. Without the manifest, a lost shard would start again
//! empty, and its order ids would be given a second time. So a complete store refuses to start if a
//! file is missing, empty or part of another store. Each database holds its own [`Identity`].
//!
//! The manifest is written after the seeding. A directory without one is new, was left by an
//! interrupted seeding, or was written by a version that had no manifest.
//!
//! Left out: a lost write-ahead log (`-wal`) after a crash. SQLite then opens the last checkpoint.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use ch02_database::StoreError;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::database::{OpenDatabaseError, SqliteDatabase};
use super::identity::{Identity, MAIN, shard};
use crate::services::data_dir::DataDir;

/// The name of the manifest.
const FILE: &str = "store.json";

/// The folder with the users' pictures.
pub(super) const UPLOADS: &str = "uploads";

/// The content of the manifest.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// The id of the store.
    pub(super) store: Uuid,
    /// The number of shards.
    pub(super) shards: usize,
}

/// Why a complete store must not start with these files.
#[derive(Debug, thiserror::Error)]
pub enum IncompleteStore {
    /// A file of the store is lost or was replaced.
    #[error(
        "{file} {state}, but it holds data of the store in {dir}; nothing was changed. Restore \
         {file} from a backup, or delete the folder {dir} to begin a new store"
    )]
    File {
        /// The file or folder.
        file: String,
        /// What is wrong with it.
        state: String,
        /// The data directory.
        dir: DataDir,
    },
    /// The manifest cannot be read or written.
    #[error("{file} cannot be read or written ({reason}); restore it from a backup")]
    Manifest {
        /// The manifest.
        file: String,
        /// The error.
        reason: io::Error,
    },
    /// A database cannot be opened.
    #[error(transparent)]
    Database(#[from] OpenDatabaseError),
    /// A database was opened but cannot be read or written.
    #[error("the store cannot be read or written")]
    Store(#[from] StoreError),
}

impl Manifest {
    /// Reads the manifest. `None` if there is none, and for a store in memory.
    pub(super) fn read(dir: &DataDir) -> Result<Option<Manifest>, IncompleteStore> {
        let Some(path) = dir.join(FILE) else {
            return Ok(None);
        };
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(|reason| manifest_error(&path, reason))?,
        };
        let manifest = serde_json::from_slice(&text)
            .map_err(|error| manifest_error(&path, io::Error::other(error)))?;
        Ok(Some(manifest))
    }

    /// Writes the manifest. After a crash it is either complete or missing.
    pub(super) fn write(&self, dir: &DataDir) -> Result<(), IncompleteStore> {
        let (Some(path), Some(draft)) = (dir.join(FILE), dir.join("store.json.new")) else {
            return Ok(());
        };
        let json = serde_json::to_vec(self).expect("an id and a number are always JSON");
        let write = || -> io::Result<()> {
            let mut file = File::create(&draft)?;
            file.write_all(&json)?;
            file.sync_all()?;
            fs::rename(&draft, &path)
        };
        write().map_err(|reason| manifest_error(&path, reason))
    }

    /// Checks that each file is there and belongs to this store. Changes nothing.
    pub(super) async fn check(&self, dir: &DataDir) -> Result<(), IncompleteStore> {
        let parts: Vec<String> = [MAIN.to_owned()]
            .into_iter()
            .chain((0..self.shards).map(shard))
            .collect();
        for part in &parts {
            check_file(dir, part)?;
        }
        if dir.join(UPLOADS).is_some_and(|folder| !folder.is_dir()) {
            return Err(incomplete(dir, UPLOADS, "is missing"));
        }
        for part in &parts {
            let Some(file) = dir.join(part) else { continue };
            let database = SqliteDatabase::open_read_only(&file).await?;
            let found = Identity::read(&database).await;
            database.close().await;
            match found {
                // SQLite cannot read the file. Opening it for writing reports the damage.
                Err(StoreError::Unavailable(_)) => {}
                found => check_identity(dir, part, self.store, found?)?,
            }
        }
        Ok(())
    }
}

/// Checks that a database file exists and is not empty.
pub(super) fn check_file(dir: &DataDir, name: &str) -> Result<(), IncompleteStore> {
    let Some(file) = dir.join(name) else {
        return Ok(());
    };
    match fs::metadata(&file) {
        Ok(metadata) if metadata.len() > 0 => Ok(()),
        Ok(_) => Err(incomplete(dir, name, "is empty")),
        Err(_) => Err(incomplete(dir, name, "is missing")),
    }
}

/// Checks that the identity in the file `part` names this store and this part.
fn check_identity(
    dir: &DataDir,
    part: &str,
    store: Uuid,
    found: Option<Identity>,
) -> Result<(), IncompleteStore> {
    match found {
        Some(found) if found.store != store => {
            Err(incomplete(dir, part, "belongs to another store"))
        }
        Some(found) if found.part != part => {
            let state = format!("is a copy of {}", found.part);
            Err(incomplete(dir, part, &state))
        }
        Some(_) => Ok(()),
        None => Err(incomplete(dir, part, "has lost its content")),
    }
}

pub(super) fn incomplete(dir: &DataDir, name: &str, state: &str) -> IncompleteStore {
    let file = dir.join(name);
    IncompleteStore::File {
        file: file.map_or_else(|| name.to_owned(), |file| file.display().to_string()),
        state: state.to_owned(),
        dir: dir.clone(),
    }
}

fn manifest_error(path: &Path, reason: io::Error) -> IncompleteStore {
    IncompleteStore::Manifest {
        file: path.display().to_string(),
        reason,
    }
}
