//! A little workshop of its own for each test: [`Folder`] is a temporary folder, [`Fixture`] one with a workspace that cargo can build.
//!
//! The workspace has no dependencies, so that its tests are built in a moment and without a network. Left out: servers, and a book.

use std::fs;
use std::ops::Deref;

use tempfile::TempDir;

use crate::colour::Colour;
use crate::desk::Desk;
use crate::machine::Machine;
use crate::repository::Repository;

/// A folder, removed in the end.
pub struct Folder {
    root: TempDir,
}

impl Folder {
    pub fn new() -> Self {
        let root = TempDir::new().unwrap();
        Folder { root }
    }

    /// One with the descriptions of these exercises, and nothing that could be built.
    pub fn with_exercises(ids: &[&str]) -> Self {
        let folder = Folder::new();
        for (number, id) in (1..).zip(ids) {
            let description = format!(
                "id = \"{id}\"\ntitle = \"About {id}\"\nminutes = 10\npage = \"page.md\"\nservices = []\n"
            );
            folder.write(
                &format!("exercises/01_chapter/{number:02}_{id}/exercise.toml"),
                &description,
            );
        }
        folder
    }

    pub fn repository(&self) -> Repository {
        Repository::at(self.root.path())
    }

    /// A command that is typed in its root, where the real cargo builds.
    pub fn desk(&self) -> Desk {
        let mut machine = Machine::here();
        machine.colour = Colour::default();
        Desk {
            machine,
            repository: self.repository(),
            stands_in: self.root.path().to_owned(),
            target: self.root.path().join("target"),
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

/// The exercise's stub.
pub const STUB: &str = "\
//! Count up.

#![expect(unused_variables, reason = \"remove this line when you use them\")]

/// The number after `last`.
pub fn next(last: u32) -> u32 {
    // Where your work begins.
    todo!(\"return the next number\")
}
";

/// The exercise's solution.
pub const SOLVED: &str = "\
//! Count up.

/// The number after `last`.
pub fn next(last: u32) -> u32 {
    // One more, and none is left out.
    last + 1
}
";

/// Its tests. The second in the file is the first in the alphabet.
const TESTS: &str = "\
// The tests of `counter`.

#[test]
fn every_number_is_the_one_before_and_one_more() {
    assert_eq!(counter::next(1), 2, \"after 1 comes 2: is it one more?\");
}

#[test]
fn a_number_grows() {
    assert!(counter::next(7) > 7, \"7 did not grow\");
}
";

const HINTS: &str = "# Hints: Count up\n\n## 1\n\nLook at the name.\n\n## 2\n\nThink of fingers.\n\n## 3\n\nAdd, and give it back.\n";

/// A workspace with one exercise, `counter`, and a description of a second.
pub struct Fixture {
    folder: Folder,
}

impl Deref for Fixture {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.folder
    }
}

impl Fixture {
    pub fn new() -> Self {
        let fixture = Fixture {
            folder: Folder::new(),
        };
        fixture.write(
            "Cargo.toml",
            "[workspace]\nresolver = \"3\"\nmembers = [\"exercises/*/01_counter\", \"solutions/*/*\"]\n\n[workspace.package]\n\
             version = \"0.1.0\"\nedition = \"2024\"\n\n[workspace.lints.rust]\nmissing_docs = \"warn\"\n",
        );
        fixture.write("book/src/page.md", "# A page\n");
        fixture.add_counter("01_chapter/01_counter", "counter");
        fixture.write(
            "exercises/01_chapter/02_second/exercise.toml",
            "id = \"second\"\ntitle = \"Second\"\nminutes = 1\npage = \"page.md\"\nservices = []\n",
        );
        fixture
    }

    /// The exercise `counter`, under another name if need be, with all that belongs to it.
    pub fn add_counter(&self, place: &str, id: &str) {
        let exercise = |file: &str| format!("exercises/{place}/{file}");
        let solution = |file: &str| format!("solutions/{place}/{file}");
        let manifest = |name: &str| {
            format!(
                "[package]\nname = \"{name}\"\nversion.workspace = true\nedition.workspace = true\n\n[lib]\ntest = false\n\
                 doctest = false\n\n[lints]\nworkspace = true\n"
            )
        };
        self.write(&exercise("Cargo.toml"), &manifest(id));
        self.write(
            &exercise("exercise.toml"),
            &format!("id = \"{id}\"\ntitle = \"Count up\"\nminutes = 15\npage = \"page.md\"\nservices = []\n"),
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
        let wrong = |thought: &str, body: &str| {
            let code = SOLVED.replace("last + 1", body);
            format!("// Wrong: {thought}\n// Says: after 1 comes 2: is it one more?\n{code}")
        };
        self.write(
            &solution("wrong/two.rs"),
            &wrong("It leaves numbers out.", "last + 2"),
        );
        self.write(
            &solution("wrong/none.rs"),
            &wrong("It stays where it is.", "last"),
        );
    }

    /// Edits the learner's file of `counter`.
    pub fn edit(&self, text: &str) {
        self.write("exercises/01_chapter/01_counter/src/lib.rs", text);
    }

    /// Changes or adds a line of the description of `counter`.
    pub fn describe(&self, line: &str) {
        let path = "exercises/01_chapter/01_counter/exercise.toml";
        let key = line.split(' ').next().unwrap();
        let mut lines: Vec<String> = self.text(path).lines().map(str::to_owned).collect();
        lines.retain(|line| !line.starts_with(key));
        lines.push(line.to_owned());
        self.write(path, &(lines.join("\n") + "\n"));
    }
}
