//! The learner's commands, one module each. Every command has a function `run`, which prints its
//! result and returns the exit code.

pub mod book;
pub mod check;
pub mod diff;
pub mod hint;
pub mod list;
pub mod reset;
pub mod skip;
pub mod test;
pub mod watch;
pub mod welcome;

/// The argument of the commands that work with one exercise.
#[derive(Debug, Default, clap::Args)]
pub struct ExerciseArgument {
    /// The exercise: its id or its folder. The default is the exercise of the current folder, else
    /// the first open one
    #[arg(value_name = "ID")]
    pub(crate) exercise: Option<String>,
}
