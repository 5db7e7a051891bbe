//! The learner's commands, one module each. A command prints its result. If it can fail without an
//! error, it returns whether it succeeded.

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

impl ExerciseArgument {
    /// The exercise's name, if the learner typed one.
    pub fn name(&self) -> Option<&str> {
        self.exercise.as_deref()
    }
}

/// Where the learner types commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandStyle {
    /// In a shell: `cargo workshop hint`.
    Shell,
    /// In `watch`: the first letter.
    Watch,
}

impl CommandStyle {
    /// What to type. `arguments` are empty or begin with a space.
    pub fn command(self, name: &str, arguments: &str) -> String {
        match self {
            CommandStyle::Shell => format!("`cargo workshop {name}{arguments}`"),
            CommandStyle::Watch => format!("`{}`", &name[..1]),
        }
    }
}
