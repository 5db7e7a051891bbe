//! The data directory of a store, or memory instead of one.
//!
//! A directory belongs to one running embedded store at a time. The store holds a lock on a file
//! in it.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use directories::ProjectDirs;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;

/// Where a store keeps its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataDir {
    /// In memory: the data ends with the process.
    Memory,
    /// In a folder.
    Folder(PathBuf),
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// The system has no default folder: the user has no home directory.
    #[error("this system has no folder for application data; choose one with --data-dir DIR")]
    NoDefault,
    /// The folder cannot be created or written.
    #[error(
        "the data directory {path} cannot be used: {reason}; \
         choose another one with --data-dir DIR"
    )]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        reason: io::Error,
    },
    /// Another process holds the lock.
    #[error(
        "the data directory {path} belongs to a store that is running; \
         stop that store first, or choose another directory with --data-dir DIR"
    )]
    InUse {
        /// The folder.
        path: PathBuf,
    },
}

/// The lock on a data directory. The operating system releases it when the process ends.
#[derive(Debug)]
pub struct DataDirLock {
    _file: Option<File>,
}

impl DataDir {
    /// The directory of an embedded store: the value of `--data-dir`, or the system's folder for
    /// application data (`~/.local/share/…` on Linux).
    pub fn resolve(argument: Option<&Path>) -> Result<DataDir, DataDirError> {
        match argument {
            Some(path) if path.as_os_str() == ":memory:" => Ok(DataDir::Memory),
            Some(path) => Ok(DataDir::Folder(path.to_owned())),
            None => default_folder().map(DataDir::Folder),
        }
    }

    /// The directory for pages and pictures of a store on external servers. All processes of the
    /// store must see it. By default it is a subfolder of the embedded store's directory.
    pub fn resolve_shared(argument: Option<&Path>) -> Result<DataDir, DataDirError> {
        let folder = match argument {
            Some(path) => path.to_owned(),
            None => default_folder()?.join("external"),
        };
        Ok(DataDir::Folder(folder))
    }

    /// Creates the folder and takes its lock.
    pub fn lock(&self) -> Result<DataDirLock, DataDirError> {
        let DataDir::Folder(path) = self else {
            return Ok(DataDirLock { _file: None });
        };
        let unusable = |reason| unusable(path, reason);
        fs::create_dir_all(path).map_err(unusable)?;
        let file = File::create(path.join("lock")).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => Ok(DataDirLock { _file: Some(file) }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::InUse { path: path.clone() }),
            Err(TryLockError::Error(reason)) => Err(unusable(reason)),
        }
    }

    /// The path of a file or folder in the directory. `None` in memory.
    pub fn join(&self, name: &str) -> Option<PathBuf> {
        match self {
            DataDir::Memory => None,
            DataDir::Folder(path) => Some(path.join(name)),
        }
    }

    /// An object store in a subfolder. Creates the subfolder.
    pub fn object_store(&self, name: &str) -> Result<Arc<dyn ObjectStore>, DataDirError> {
        let Some(path) = self.join(name) else {
            return Ok(Arc::new(InMemory::new()));
        };
        fs::create_dir_all(&path).map_err(|reason| unusable(&path, reason))?;
        let folder = LocalFileSystem::new_with_prefix(&path)
            .map_err(|error| unusable(&path, io::Error::other(error)))?;
        Ok(Arc::new(folder))
    }
}

impl fmt::Display for DataDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DataDir::Memory => f.write_str(":memory:"),
            DataDir::Folder(path) => path.display().fmt(f),
        }
    }
}

fn default_folder() -> Result<PathBuf, DataDirError> {
    ProjectDirs::from("", "", "scalability-workshop")
        .map(|dirs| dirs.data_dir().to_owned())
        .ok_or(DataDirError::NoDefault)
}

fn unusable(path: &Path, reason: io::Error) -> DataDirError {
    DataDirError::Unusable {
        path: path.to_owned(),
        reason,
    }
}
