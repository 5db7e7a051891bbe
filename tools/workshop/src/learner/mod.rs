//! The learner's commands, one module each. A command prints its result. If it can fail without an
//! error, it returns whether it succeeded.
//!
//! A `name` is what the learner typed for an exercise. Without one, a command uses the exercise of
//! the current folder, else the first open one.

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

/// What a command prints.
#[cfg(test)]
fn printed<T>(run: impl FnOnce(&mut Vec<u8>) -> anyhow::Result<T>) -> String {
    let mut output = Vec::new();
    run(&mut output).unwrap();
    String::from_utf8(output).unwrap()
}

#[cfg(test)]
#[track_caller]
fn assert_contains(text: &str, part: &str) {
    assert!(text.contains(part), "expected `{part}` in: {text}");
}
