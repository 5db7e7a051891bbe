//! Leases: which process owns which containers, databases and virtual hosts.
//!
//! Every process that uses the testbed holds a *lease*: a file that it keeps locked until it ends.
//! Containers carry the lease's id in a label, databases and virtual hosts in their names. The
//! operating system unlocks the file when the process ends, also after `kill -9`. So a lease that
//! another process can lock belongs to an ended process, and what carries its id may be removed.
//! testcontainers for Rust has no reaper; this replaces it.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use directories::ProjectDirs;
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::error::Error;

/// The lease of this process.
pub(crate) struct Lease {
    /// Eight hexadecimal digits.
    pub(crate) id: String,
    _locked: File,
}

/// This process's lease. The first call takes it.
pub(crate) async fn lease() -> Result<&'static Lease, Error> {
    static LEASE: OnceCell<Lease> = OnceCell::const_new();
    LEASE.get_or_try_init(take).await
}

async fn take() -> Result<Lease, Error> {
    // The cleanup holds the same lock. It could otherwise see the file before it is locked here,
    // and take this process for an ended one.
    let _lock = lock("leases").await?;
    Lease::take(&folder()?)
}

impl Lease {
    fn take(folder: &Path) -> Result<Lease, Error> {
        let id = Uuid::new_v4().simple().to_string()[..8].to_owned();
        let path = folder.join(format!("{id}.lease"));
        let file = open(&path)?;
        file.lock().map_err(|error| state(&path, &error))?;
        Ok(Lease { id, _locked: file })
    }
}

/// Whether the process with this lease has ended. An unknown lease counts as ended, because the
/// file is removed only after everything that the process left behind.
pub(crate) fn has_ended(id: &str) -> Result<bool, Error> {
    has_ended_in(&folder()?, id)
}

fn has_ended_in(folder: &Path, id: &str) -> Result<bool, Error> {
    let path = folder.join(format!("{id}.lease"));
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(state(&path, &error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(state(&path, &error)),
    }
}

/// Deletes the files of ended leases. Call it after everything that they own has been removed.
pub(crate) fn forget(ended: &Ended) -> Result<(), Error> {
    let folder = folder()?;
    for id in &ended.ids {
        let _ = std::fs::remove_file(folder.join(format!("{id}.lease")));
    }
    Ok(())
}

/// The leases of processes that have ended since the last cleanup. While this value exists, no
/// process can take a lease and no other process can clean up.
pub(crate) struct Ended {
    /// The ids of the leases.
    pub(crate) ids: Vec<String>,
    _lock: Lock,
}

/// Finds the leases of processes that have ended since the last cleanup.
pub(crate) async fn ended() -> Result<Ended, Error> {
    let lock = lock("leases").await?;
    let ids = ended_ids()?;
    Ok(Ended { ids, _lock: lock })
}

fn ended_ids() -> Result<Vec<String>, Error> {
    let folder = folder()?;
    let entries = std::fs::read_dir(&folder).map_err(|error| state(&folder, &error))?;
    let mut ended = Vec::new();
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name();
        let Some(id) = name.to_str().and_then(|name| name.strip_suffix(".lease")) else {
            continue;
        };
        if has_ended_in(&folder, id)? {
            ended.push(id.to_owned());
        }
    }
    Ok(ended)
}

/// A lock that one process of this user holds at a time. Dropping it releases the lock.
pub(crate) struct Lock {
    _file: File,
}

/// Waits for the lock with this name, such as the lock for starting one of the shared servers.
pub(crate) async fn lock(name: &str) -> Result<Lock, Error> {
    let path = folder()?.join(format!("{name}.lock"));
    let locked = tokio::task::spawn_blocking(move || {
        let file = open(&path)?;
        file.lock().map_err(|error| state(&path, &error))?;
        Ok(Lock { _file: file })
    });
    locked.await.expect("locking a file does not panic")
}

/// The user in names and labels. Two users of one Docker engine do not share servers.
pub(crate) fn owner() -> String {
    let name = std::env::var("USER").or_else(|_| std::env::var("USERNAME"));
    let name = name.unwrap_or_else(|_| "me".to_owned());
    let plain: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(16)
        .collect();
    if plain.is_empty() {
        "me".to_owned()
    } else {
        plain.to_lowercase()
    }
}

fn folder() -> Result<PathBuf, Error> {
    let of_user = ProjectDirs::from("", "", "scalability-workshop")
        .map(|dirs| dirs.cache_dir().join("testbed"));
    let folder =
        of_user.unwrap_or_else(|| std::env::temp_dir().join("scalability-workshop-testbed"));
    std::fs::create_dir_all(&folder).map_err(|error| state(&folder, &error))?;
    Ok(folder)
}

fn open(path: &Path) -> Result<File, Error> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .read(true)
        .open(path);
    file.map_err(|error| state(path, &error))
}

fn state(path: &Path, error: &std::io::Error) -> Error {
    Error::State {
        path: path.display().to_string(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lease_ends_when_its_file_is_closed() {
        let folder = std::env::temp_dir().join(format!("testbed-lease-{}", Uuid::new_v4()));
        std::fs::create_dir_all(&folder).unwrap();
        let lease = Lease::take(&folder).unwrap();
        let id = lease.id.clone();

        assert!(
            !has_ended_in(&folder, &id).unwrap(),
            "the lease counts as ended while its process runs: is the file kept open and locked?"
        );
        drop(lease);
        assert!(has_ended_in(&folder, &id).unwrap());
        assert!(has_ended_in(&folder, "no-such-lease").unwrap());

        std::fs::remove_dir_all(&folder).unwrap();
    }
}
