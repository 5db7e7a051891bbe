//! The command line: which server to be, where to listen, and where the visitors' things lie.
//!
//! Sessions are opened while the arguments are read, so a wrong place is told like any other wrong argument.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use ch01_clones::{AvatarStore, MemorySessions, RedisSessions, SessionStore};
use clap::{Parser, Subcommand};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;

#[derive(Parser)]
#[command(about = "Chapter 1: a balancer and its clones. Without a command: the demonstration")]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Subcommand)]
pub enum Command {
    /// Runs one clone
    Clone {
        /// Where to listen; port 0 takes a free one
        #[arg(long, default_value = "127.0.0.1:8081")]
        listen: SocketAddr,
        /// The name in `x-served-by`
        #[arg(long, default_value = "clone-1")]
        name: String,
        /// Where sessions lie: `local`, in the clone's own memory, or `redis://HOST:PORT[/N]`, shared with all clones
        #[arg(long, value_name = "PLACE", default_value = "local", value_parser = sessions)]
        sessions: Arc<dyn SessionStore>,
        /// The folder of the avatars, made if it is not there; without it they lie in the clone's own memory
        #[arg(long, value_name = "DIR")]
        avatars: Option<PathBuf>,
    },
    /// Runs the balancer
    Balancer {
        /// Where to listen; port 0 takes a free one
        #[arg(long, default_value = "127.0.0.1:8080")]
        listen: SocketAddr,
        /// The address of a clone; once for each clone
        #[arg(long, required = true)]
        upstream: Vec<SocketAddr>,
    },
}

fn sessions(place: &str) -> Result<Arc<dyn SessionStore>, String> {
    match place {
        "local" => Ok(Arc::new(MemorySessions::new())),
        url if url.starts_with("redis://") => match RedisSessions::new(url) {
            Ok(sessions) => Ok(Arc::new(sessions)),
            Err(error) => Err(error.to_string()),
        },
        _ => Err("take `local`, or the address of a Redis, such as `redis://127.0.0.1:6379`".to_owned()),
    }
}

/// The avatars in this folder, or in memory. An error names what could not be done.
pub fn avatars(folder: Option<&Path>) -> anyhow::Result<AvatarStore> {
    let Some(folder) = folder else {
        return Ok(AvatarStore::new(Arc::new(InMemory::new())));
    };
    let shown = folder.display();
    std::fs::create_dir_all(folder)
        .with_context(|| format!("`--avatars {shown}` is no folder and cannot be made one; choose another"))?;
    let objects = LocalFileSystem::new_with_prefix(folder).with_context(|| format!("cannot use the folder {shown}"))?;
    // Flushed to the disk before the visitor hears that it is kept.
    Ok(AvatarStore::new(Arc::new(objects.with_fsync(true))))
}
