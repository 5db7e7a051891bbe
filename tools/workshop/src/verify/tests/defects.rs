//! Defective exercises: reading the files finds [`FILE_DEFECTS`], running the tests finds
//! [`TEST_DEFECTS`].

use crate::app::fixture::{SOLVED, SampleWorkspace};

/// The exercise's id, and a function that adds the defect.
pub type Defect = (&'static str, fn(&DefectiveExercise));

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

    fn add_wrong(&self, name: &str, says: &str, body: &str) {
        let code = SOLVED.replace("last + 1", body);
        let text = format!("// Wrong: It {name}.\n// Says: {says}\n{code}");
        self.workspace
            .write(&self.solution(&format!("wrong/{name}.rs")), &text);
    }

    fn without_wrong_answers(&self) {
        self.workspace.remove(&self.solution("wrong"));
    }
}

/// Reading the files finds these defects.
pub const FILE_DEFECTS: &[Defect] = &[
    ("good", |_| {}),
    ("other_tests", |it| {
        let own = format!(
            "extern crate sol_{} as x;\n#[test]\nfn it_is_fine() {{}}\n",
            it.id
        );
        it.workspace.write(&it.solution("tests/exercise.rs"), &own);
    }),
    ("own_tests", |it| {
        it.solved("/// The", "#[cfg(test)]\nmod tests {}\n\n/// The");
    }),
    ("more_tests", |it| {
        it.workspace
            .write(&it.exercise("tests/more.rs"), "// more\n");
    }),
    ("inner_docs", |it| {
        it.replace(&it.tests(), "// The tests", "//! The tests");
    }),
    ("one_wrong", |it| {
        it.workspace.remove(&it.solution("wrong/none.rs"));
    }),
    ("nameless_wrong", |it| it.wrong("// Says:", "// It says:")),
    ("silent_todo", |it| {
        it.stub("\"return the next number\"", "");
    }),
    ("underscore", |it| it.stub("last: u32", "_last: u32")),
    ("solution_silences", |it| {
        it.solved("/// The", "#[allow(dead_code)]\n/// The");
    }),
    ("solution_is_unfinished", |it| {
        it.solved(
            "last + 1",
            "if last > 100 { todo!(\"later\") }\n    last + 1",
        );
    }),
    ("telling_hint", |it| {
        it.solved("last + 1", "last.wrapping_add(1)");
        it.replace(
            &it.exercise("HINTS.md"),
            "Add, and",
            "Write `last.wrapping_add(1)`, and",
        );
    }),
    ("two_hints", |it| {
        it.replace(&it.exercise("HINTS.md"), "Think of fingers.", "");
    }),
    ("no_page", |it| {
        it.replace(&it.exercise("exercise.toml"), "page.md", "missing.md");
    }),
    ("unknown_key", |it| {
        it.replace(
            &it.exercise("exercise.toml"),
            "minutes",
            "hours = 1\nminutes",
        );
    }),
    ("other_manifest", |it| {
        it.replace(
            &it.solution("Cargo.toml"),
            "[lints]",
            "[features]\nmore = []\n\n[lints]",
        );
    }),
    ("knows_the_solution", |it| {
        let dependency = "\n[dev-dependencies]\nx = { package = \"sol_good\", path = \"../../../solutions/01_chapter/01_good\" }\n";
        for file in [it.exercise("Cargo.toml"), it.solution("Cargo.toml")] {
            let text = it.workspace.text(&file) + dependency;
            it.workspace.write(&file, &text);
        }
    }),
    ("unsolved", |it| it.workspace.remove(&it.solution(""))),
    ("abandoned", |it| it.workspace.remove(&it.exercise(""))),
    ("twice", |it| {
        it.workspace.write(
            "exercises/02_chapter/07_twice/exercise.toml",
            "id = \"twice\"\n",
        );
    }),
];

/// Running the tests finds these defects. They are few, because each one has to be built.
pub const TEST_DEFECTS: &[Defect] = &[
    ("proved", |it| {
        it.workspace.write(&it.exercise("src/lib.rs"), SOLVED);
    }),
    ("wrong_crate", |it| {
        it.workspace.write(
            &it.tests(),
            "// Tests of something else.\n#[test]\nfn it_adds() {\n    assert_eq!(1 + 1, 2);\n}\n",
        );
    }),
    ("other_crate", |it| {
        it.replace(
            &it.tests(),
            "other_crate::next(7)",
            "another_course::next(7)",
        );
        it.without_wrong_answers();
    }),
    ("wrong_answers", |it| {
        it.replace(
            &it.exercise("exercise.toml"),
            "services",
            "limit_seconds = 2\nservices",
        );
        let says = "2 follows 1";
        it.add_wrong("accepted", says, "1 + last");
        it.add_wrong("says_something_else", "the sum is odd", "last + 2");
        it.add_wrong(
            "only_prints_it",
            "printed and not asserted",
            "println!(\"printed and not asserted\"); last + 2",
        );
        it.add_wrong("does_not_compile", says, "last + \"2\"");
        it.add_wrong("ends_the_program", says, "std::process::exit(0)");
        it.add_wrong(
            "hangs",
            says,
            "if last == 7 { loop { std::thread::park() } } last + 2",
        );
        it.add_wrong(
            "has_to_hang",
            "did not end within 2 s",
            "if last == 7 { loop { std::thread::park() } } last + 2",
        );
    }),
    ("already_green", |it| {
        it.workspace.write(&it.solution("stub/lib.rs"), SOLVED);
        it.solved("last + 1", "last + 3");
        it.without_wrong_answers();
    }),
    ("warning", |it| {
        it.stub(
            "#![expect(unused_variables, reason = \"remove this line when you use them\")]",
            "",
        );
        it.solved("last + 1", "let more = 1;\n    last + 1");
        it.without_wrong_answers();
    }),
    ("not_compiling", |it| {
        it.stub("-> u32", "-> Number");
        it.solved("last + 1", "last +");
        it.without_wrong_answers();
    }),
    ("otherwise", |it| {
        it.stub("todo!(", "unimplemented!(");
        it.replace(
            &it.tests(),
            "#[test]\nfn any_number",
            "#[test]\n#[ignore]\nfn any_number",
        );
        it.without_wrong_answers();
    }),
];
