//! The file in a data directory that tells `inspect` where the store listens.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::services::DataDir;

const FILE_NAME: &str = "running.json";

/// The addresses of a running store.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RunningStore {
    pub(super) url: String,
    pub(super) clones: BTreeMap<String, SocketAddr>,
}

impl RunningStore {
    /// Reads the file. `None` without a valid file.
    pub(super) fn read(dir: &DataDir) -> Option<RunningStore> {
        let file = std::fs::read(dir.join(FILE_NAME)?).ok()?;
        serde_json::from_slice(&file).ok()
    }
}

/// The file of a running store. Dropping the value removes the file.
pub(super) struct RunFile(Option<PathBuf>);

impl RunFile {
    /// Writes the file. A store in memory has no file.
    pub(super) fn write(
        dir: &DataDir,
        address: SocketAddr,
        clones: &[(String, SocketAddr)],
    ) -> io::Result<RunFile> {
        let path = dir.join(FILE_NAME);
        if let Some(path) = &path {
            let store = RunningStore {
                url: format!("http://{address}"),
                clones: clones.iter().cloned().collect(),
            };
            std::fs::write(path, serde_json::to_vec_pretty(&store)?)?;
        }
        Ok(RunFile(path))
    }
}

impl Drop for RunFile {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // If the file stays, `inspect` gets no response at the address and reads the data.
            let _ = std::fs::remove_file(path);
        }
    }
}
