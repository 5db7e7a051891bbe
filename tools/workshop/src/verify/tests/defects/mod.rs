//! Defective exercises: reading the files finds [`FILE_DEFECTS`], running the tests finds
//! [`TEST_DEFECTS`].

mod in_files;
mod in_tests;

pub use in_files::FILE_DEFECTS;
pub use in_tests::TEST_DEFECTS;

use crate::app::fixture::{SOLVED, SampleWorkspace};

/// The exercise's id, a function that adds the defect, and a part of each problem.
pub type Defect = (
    &'static str,
    fn(&DefectiveExercise),
    &'static [&'static str],
);

/// An exercise that gets a defect.
pub struct DefectiveExercise<'a> {
    pub workspace: &'a SampleWorkspace,
    pub id: &'a str,
}

impl DefectiveExercise<'_> {
    fn exercise(&self, file: &str) -> String {
        format!("exercises/01_chapter/01_{}/{file}", self.id)
    }

    fn solution(&self, file: &str) -> String {
        format!("solutions/01_chapter/01_{}/{file}", self.id)
    }

    fn tests(&self) -> String {
        self.exercise(&format!("tests/{}.rs", self.id))
    }

    fn replace(&self, path: &str, from: &str, to: &str) {
        let text = self.workspace.text(path);
        assert!(text.contains(from), "there is no {from} in {path}");
        self.workspace.write(path, &text.replace(from, to));
    }

    fn stub(&self, from: &str, to: &str) {
        self.replace(&self.solution("stub/lib.rs"), from, to);
    }

    fn solved(&self, from: &str, to: &str) {
        self.replace(&self.solution("src/lib.rs"), from, to);
    }

    fn wrong(&self, from: &str, to: &str) {
        self.replace(&self.solution("wrong/two.rs"), from, to);
    }

    fn page(&self, text: &str) {
        let page = format!("{}.md", self.id);
        self.workspace.write(&format!("book/src/{page}"), text);
        self.description("page.md", &page);
    }

    fn description(&self, from: &str, to: &str) {
        self.replace(&self.exercise("exercise.toml"), from, to);
    }

    fn add_wrong(&self, name: &str, says: &str, body: &str) {
        let code = SOLVED.replace("last + 1", body);
        let text = format!("// Wrong: It {name}.\n// Says: {says}\n// Breaks: rule 1\n{code}");
        self.workspace
            .write(&self.solution(&format!("wrong/{name}.rs")), &text);
    }

    /// Turns the tests into a main file and the modules `steps` and `growth`.
    fn split_tests(&self) {
        let place = format!("01_chapter/01_{}", self.id);
        self.workspace.split_tests(&place, self.id, 1);
    }

    /// The path of a module of these tests.
    fn module(&self, name: &str) -> String {
        self.exercise(&format!("tests/{}/{name}.rs", self.id))
    }

    fn without_wrong_answers(&self) {
        self.workspace.remove(&self.solution("wrong"));
    }
}
