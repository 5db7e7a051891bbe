//! Where a learner's command stands: [`Desk`] is the machine, the checkout, and the folder in which it was typed.
//!
//! Left out: input and output, which each command is given by its caller.

use std::env;
use std::path::{Path, PathBuf};

use crate::machine::Machine;
use crate::paint::Paint;
use crate::repository::Repository;

/// The surroundings of one command.
#[derive(Debug)]
pub struct Desk {
    /// Its programs.
    pub machine: Machine,
    /// Its exercises.
    pub repository: Repository,
    /// Where the learner stands; cargo leaves that as it is.
    pub stands_in: PathBuf,
    /// Where cargo builds.
    pub target: PathBuf,
}

impl Desk {
    /// The real one.
    pub fn here() -> Self {
        let repository = Repository::here();
        let program = env::current_exe().unwrap_or_default();
        // The folder in which we were built ourselves: cargo marks it, for programs that make copies of a disk.
        let marked = program
            .ancestors()
            .find(|folder| folder.join("CACHEDIR.TAG").is_file());
        Desk {
            machine: Machine::here(),
            target: marked.map_or_else(|| repository.root().join("target"), Path::to_owned),
            repository,
            // A folder that is gone is no exercise's.
            stands_in: env::current_dir().unwrap_or_default(),
        }
    }

    /// How words look on the standard output.
    pub fn paint(&self) -> Paint {
        Paint {
            on: self.machine.colour.stdout,
        }
    }
}
