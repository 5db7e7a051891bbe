use std::fs;
use std::sync::mpsc::{self, Sender};

use super::*;
use crate::app::fixture::{SOLVED, SampleWorkspace};

/// A simulated learner, who acts after each expected text.
struct Learner<F: FnMut(usize, &Sender<String>)> {
    typed: Sender<String>,
    printed: String,
    expected: Vec<&'static str>,
    act: F,
    step: usize,
}

impl<F: FnMut(usize, &Sender<String>)> Write for Learner<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.printed.push_str(&String::from_utf8_lossy(bytes));
        while let Some(text) = self.expected.get(self.step) {
            let Some(position) = self.printed.find(text) else {
                break;
            };
            self.printed.drain(..position + text.len());
            (self.act)(self.step, &self.typed);
            self.step += 1;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Watches until the learner quits. `act` runs after each expected text. Returns how many came.
fn watch(
    workspace: &SampleWorkspace,
    expected: Vec<&'static str>,
    mut act: impl FnMut(usize, &Sender<String>),
) -> usize {
    let (typed, receiver) = mpsc::channel();
    if expected.is_empty() {
        act(0, &typed);
    }
    let mut learner = Learner {
        typed,
        printed: String::new(),
        expected,
        act,
        step: 0,
    };
    let mut watch = Watch {
        app: &workspace.app(),
        input: InputLines::new(receiver),
        poll_interval: Duration::from_millis(10),
        output: &mut learner,
        messages: &mut Vec::new(),
    };
    watch.run(None).unwrap();
    learner.step
}

#[test]
fn saves_and_commands_are_answered() {
    let workspace = SampleWorkspace::new();
    let steps = vec![
        "Watching",
        "is not solved yet",
        "hint 1 of 3",
        "`h` again shows the next hint",
        "is not solved yet",
        "`x` is not one of the commands",
        "Count up is solved",
        "`d` compares your code",
        "+    // Adds one.",
        "1 of 2 exercises solved",
    ];
    let count = steps.len();

    let done = watch(&workspace, steps, |step, typed| {
        let line = match step {
            0 => "n",
            1 => "h",
            3 | 7 => "d",
            4 => "x",
            5 => {
                workspace.edit(&SOLVED.replace("// Adds one.", "// Mine."));
                return;
            }
            8 => "l",
            9 => "q",
            _ => return,
        };
        typed.send(line.to_owned()).unwrap();
    });

    assert_eq!(done, count, "the output stopped before this step");
    assert_eq!(
        workspace.text(".workshop/progress"),
        "counter solved hints=1\n"
    );
}

#[test]
fn save_cancels_a_running_check() {
    let workspace = SampleWorkspace::new();
    workspace.edit(&SOLVED.replace("last + 1", "loop { std::thread::park() }"));
    workspace.set_description("limit_seconds = 600");
    let source = workspace
        .repository()
        .root()
        .join("exercises/01_chapter/01_counter/src/lib.rs");
    // Saves the solution as soon as the hanging test is built.
    let target = workspace.repository().root().join("target");
    let editor = thread::spawn(move || {
        let deadline = Instant::now() + Duration::from_secs(100);
        let is_built = || {
            let deps = fs::read_dir(target.join("debug/deps"));
            let mut names = deps
                .into_iter()
                .flatten()
                .flatten()
                .map(|it| it.file_name());
            names.any(|name| name.to_string_lossy().starts_with("counter-"))
        };
        while !is_built() && Instant::now() < deadline {
            thread::yield_now();
        }
        fs::write(source, SOLVED).unwrap();
    });

    let done = watch(&workspace, vec!["Count up is solved"], |_, typed| {
        typed.send("q".to_owned()).unwrap();
    });

    assert_eq!(done, 1);
    editor.join().unwrap();
}

#[test]
fn quitting_cancels_a_hanging_check() {
    let workspace = SampleWorkspace::new();
    workspace.edit(&SOLVED.replace("last + 1", "loop { std::thread::park() }"));
    workspace.set_description("limit_seconds = 600");

    watch(&workspace, vec![], |_, typed| {
        typed.send("q".to_owned()).unwrap();
    });
}
