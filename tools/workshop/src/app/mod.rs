//! What every command works with: [`App`] has the machine, the repository and the current folder.

#[cfg(test)]
pub(crate) mod fixture;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::exercises::exercise::Exercise;
use crate::exercises::exercise_list::ExerciseList;
use crate::exercises::progress::Progress;
use crate::exercises::repository::Repository;
use crate::run::machine::Machine;
use crate::terminal::progress_bar::progress_bar;
use crate::terminal::style::Styles;

/// The environment of one command.
#[derive(Debug)]
pub struct App {
    /// The programs of this machine.
    pub machine: Machine,
    /// The files of the workshop.
    pub repository: Repository,
    /// The folder in which the learner typed the command.
    pub current_dir: PathBuf,
    /// Cargo's target folder.
    pub target_dir: PathBuf,
}

impl App {
    /// The real environment.
    pub fn detect() -> Self {
        let repository = Repository::detect();
        let program = env::current_exe().unwrap_or_default();
        // Cargo marks its target folder with this file. This program was built there.
        let marked = program
            .ancestors()
            .find(|dir| dir.join("CACHEDIR.TAG").is_file());
        App {
            machine: Machine::detect(),
            target_dir: marked.map_or_else(|| repository.root().join("target"), Path::to_owned),
            repository,
            // A folder that was removed belongs to no exercise.
            current_dir: env::current_dir().unwrap_or_default(),
        }
    }

    /// All exercises, and the progress.
    pub fn load(&self) -> anyhow::Result<(ExerciseList, Progress)> {
        let list = ExerciseList::load(&self.repository)?;
        Ok((list, Progress::load(&self.repository)?))
    }

    /// The exercise that the learner means, and the progress.
    pub fn select(&self, name: Option<&str>) -> anyhow::Result<(Exercise, Progress)> {
        let (list, progress) = self.load()?;
        let exercise = list.select(name, &self.current_dir, &progress)?.clone();
        Ok((exercise, progress))
    }

    /// How many exercises are solved, with a bar.
    pub fn solved_count(&self, list: &ExerciseList, progress: &Progress) -> String {
        let (solved, total) = (list.solved_count(progress), list.exercises.len());
        let bar = progress_bar(self.styles(), solved, total);
        format!("{bar}  {solved} of {total} exercises solved")
    }

    /// A path for messages.
    pub fn display_path(&self, path: &Path) -> String {
        self.repository.display_path(path)
    }

    /// The styles of the standard output.
    pub fn styles(&self) -> Styles {
        Styles {
            enabled: self.machine.colour.stdout,
        }
    }
}

/// The exit code 0 or 1.
pub fn exit_code(is_success: bool) -> ExitCode {
    if is_success {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
