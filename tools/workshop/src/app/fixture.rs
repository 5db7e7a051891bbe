//! Test fixtures: [`TempCheckout`] is a temporary repository, and [`SampleWorkspace`] is one that
//! cargo can build.
//!
//! The workspace has no dependencies, so its tests build quickly and without a network.

use std::fs;
use std::ops::Deref;

use tempfile::TempDir;

use super::App;
use crate::exercises::repository::Repository;
use crate::run::machine::Machine;
use crate::terminal::colour::ColourSupport;

/// A temporary repository folder, removed when it is dropped.
pub struct TempCheckout {
    root: TempDir,
}

impl TempCheckout {
    pub fn new() -> Self {
        let root = TempDir::new().unwrap();
        TempCheckout { root }
    }

    /// A checkout with the descriptions of these exercises, without code.
    pub fn with_exercises(ids: &[&str]) -> Self {
        let checkout = TempCheckout::new();
        for (number, id) in (1..).zip(ids) {
            let description = format!(
                "id = \"{id}\"\ntitle = \"About {id}\"\nminutes = 10\npage = \"page.md\"\nservices = []\n"
            );
            checkout.write(
                &format!("exercises/01_chapter/{number:02}_{id}/exercise.toml"),
                &description,
            );
        }
        checkout
    }

    pub fn repository(&self) -> Repository {
        Repository::new(self.root.path())
    }

    /// The environment of a command in the root folder, with the real cargo.
    pub fn app(&self) -> App {
        let mut machine = Machine::detect();
        machine.colour = ColourSupport::default();
        App {
            machine,
            repository: self.repository(),
            current_dir: self.root.path().to_owned(),
            target_dir: self.root.path().join("target"),
        }
    }

    pub fn write(&self, path: &str, text: &str) {
        let file = self.root.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    pub fn text(&self, path: &str) -> String {
        fs::read_to_string(self.root.path().join(path))
            .unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub fn has(&self, path: &str) -> bool {
        self.root.path().join(path).exists()
    }

    pub fn remove(&self, path: &str) {
        let path = self.root.path().join(path);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }
}

/// The stub of the exercise.
pub const STUB: &str = "\
//! Count up.
//!
//! ## Rules
//!
//! 1. The next number is one more.

#![expect(unused_variables, reason = \"remove this line when you use them\")]

/// The number after `last`.
pub fn next(last: u32) -> u32 {
    // Your code goes here.
    todo!(\"return the next number\")
}
";

/// The solution of the exercise.
pub const SOLVED: &str = "\
//! Count up.
//!
//! ## Rules
//!
//! 1. The next number is one more.

/// The number after `last`.
pub fn next(last: u32) -> u32 {
    // Adds one.
    last + 1
}
";

/// The tests of the exercise. Their order in the file is not alphabetical.
const TESTS: &str = "\
// The tests of `counter`.

// Rule 1.
#[test]
fn next_number_is_one_more() {
    assert_eq!(counter::next(1), 2, \"2 follows 1: do you add one?\");
}

// Rule 1.
#[test]
fn any_number_grows() {
    assert!(counter::next(7) > 7, \"7 did not grow\");
}
";

const HINTS: &str = "# Hints: Count up\n\n## 1\n\nLook at the name.\n\n## 2\n\nThink of fingers.\n\n## 3\n\nAdd, and return the sum.\n";

/// A workspace with the exercise `counter`, and the description of a second exercise.
pub struct SampleWorkspace {
    checkout: TempCheckout,
}

impl Deref for SampleWorkspace {
    type Target = TempCheckout;

    fn deref(&self) -> &TempCheckout {
        &self.checkout
    }
}

impl SampleWorkspace {
    pub fn new() -> Self {
        let workspace = SampleWorkspace {
            checkout: TempCheckout::new(),
        };
        workspace.write(
            "Cargo.toml",
            "[workspace]\nresolver = \"3\"\nmembers = [\"exercises/*/01_counter\", \"solutions/*/*\"]\n\n[workspace.package]\n\
             version = \"0.1.0\"\nedition = \"2024\"\n\n[workspace.lints.rust]\nmissing_docs = \"warn\"\n",
        );
        workspace.write("book/src/page.md", "# A page\n\nNumbers.\n");
        workspace.add_counter("01_chapter/01_counter", "counter");
        workspace.write(
            "exercises/01_chapter/02_second/exercise.toml",
            "id = \"second\"\ntitle = \"Second\"\nminutes = 1\npage = \"page.md\"\nservices = []\n",
        );
        workspace
    }

    /// Adds a copy of the exercise `counter` with the given id, and its solution.
    pub fn add_counter(&self, place: &str, id: &str) {
        let exercise = |file: &str| format!("exercises/{place}/{file}");
        let solution = |file: &str| format!("solutions/{place}/{file}");
        let manifest = |name: &str| {
            format!(
                "[package]\nname = \"{name}\"\nversion.workspace = true\nedition.workspace = true\n\n[lib]\npath = \"src/lib.rs\"\ntest = false\n\
                 doctest = false\n\n[lints]\nworkspace = true\n"
            )
        };
        self.write(&exercise("Cargo.toml"), &manifest(id));
        self.write(
            &exercise("exercise.toml"),
            &format!("id = \"{id}\"\ntitle = \"Count up\"\nminutes = 15\npage = \"page.md#a-page\"\nservices = []\n"),
        );
        self.write(&exercise("HINTS.md"), HINTS);
        self.write(&exercise("src/lib.rs"), STUB);
        self.write(
            &exercise(&format!("tests/{id}.rs")),
            &TESTS.replace("counter", id),
        );
        self.write(&solution("Cargo.toml"), &manifest(&format!("sol_{id}")));
        self.write(&solution("src/lib.rs"), SOLVED);
        self.write(&solution("stub/lib.rs"), STUB);
        self.write(
            &solution("tests/exercise.rs"),
            &format!(
                "// The exercise's own tests.\nextern crate sol_{id} as {id};\n\
                 include!(\"../../../../exercises/{place}/tests/{id}.rs\");\n"
            ),
        );
        let wrong = |mistake: &str, body: &str| {
            let code = SOLVED.replace("last + 1", body);
            format!(
                "// Wrong: {mistake}\n// Says: 2 follows 1: do you add one?\n// Breaks: rule 1\n{code}"
            )
        };
        self.write(
            &solution("wrong/two.rs"),
            &wrong("It skips numbers.", "last + 2"),
        );
        self.write(
            &solution("wrong/none.rs"),
            &wrong("It returns the same number.", "last"),
        );
    }

    /// Turns the tests of an exercise into a main file and two modules. The test in the module
    /// `growth`, which is the first one by its name, protects `rule`.
    pub fn split_tests(&self, place: &str, id: &str, rule: usize) {
        let file = |name: &str| format!("exercises/{place}/tests/{name}");
        let text = self.text(&file(&format!("{id}.rs")));
        self.remove(&file(&format!("{id}.rs")));
        let main =
            format!("// The tests of `{id}`.\n\nuse {id}::next;\n\nmod growth;\nmod steps;\n");
        self.write(&file(&format!("{id}/main.rs")), &main);
        let text = text.replace(&format!("{id}::next"), "next");
        let tests: Vec<&str> = text.split("\n\n").collect();
        let growth = tests[2].replace("Rule 1", &format!("Rule {rule}"));
        for (module, test) in [("steps", tests[1]), ("growth", &growth)] {
            let module_text = format!("//! About {module}.\n\nuse super::next;\n\n{test}\n");
            self.write(&file(&format!("{id}/{module}.rs")), &module_text);
        }
        let solution = format!("solutions/{place}/tests/exercise.rs");
        let text = self.text(&solution);
        let text = text.replace(&format!("tests/{id}.rs"), &format!("tests/{id}/main.rs"));
        self.write(&solution, &text);
    }

    /// Writes the learner's file of `counter`.
    pub fn edit(&self, text: &str) {
        self.write("exercises/01_chapter/01_counter/src/lib.rs", text);
    }

    /// Changes or adds a line of the `exercise.toml` of `counter`.
    pub fn set_description(&self, line: &str) {
        let path = "exercises/01_chapter/01_counter/exercise.toml";
        let key = line.split(' ').next().unwrap();
        let mut lines: Vec<String> = self.text(path).lines().map(str::to_owned).collect();
        lines.retain(|line| !line.starts_with(key));
        lines.push(line.to_owned());
        self.write(path, &(lines.join("\n") + "\n"));
    }
}
