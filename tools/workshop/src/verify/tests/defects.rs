//! Defective exercises: reading the files finds [`FILE_DEFECTS`], running the tests finds
//! [`TEST_DEFECTS`].

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

    fn without_wrong_answers(&self) {
        self.workspace.remove(&self.solution("wrong"));
    }
}

/// Reading the files finds these defects.
pub const FILE_DEFECTS: &[Defect] = &[
    (
        "good",
        |it| {
            it.solved("last + 1", "last.wrapping_add(1)");
            it.page("# A page\n<details>\nlast.wrapping_add(1)\n</details>\n# Next\nlast.wrapping_add(1)\n");
            it.stub(
                "//! ## Rules",
                "//! ## Predict\n//!\n//! Why?\n//!\n//! ## Rules",
            );
            it.workspace
                .write(&it.solution("ANSWER.md"), "Therefore.\n");
            let stub = it.workspace.text(&it.solution("stub/lib.rs"));
            it.workspace.write(&it.exercise("src/lib.rs"), &stub);
        },
        &[],
    ),
    (
        "other_tests",
        |it| {
            let own = format!(
                "extern crate sol_{} as x;\n#[test]\nfn it_is_fine() {{}}\n",
                it.id
            );
            it.workspace.write(&it.solution("tests/exercise.rs"), &own);
        },
        &["tests/exercise.rs: a solution uses the exercise's own tests"],
    ),
    (
        "own_tests",
        |it| {
            it.solved("/// The", "#[cfg(test)]\nmod tests {}\n\n/// The");
        },
        &["a solution must not contain `#[cfg(test)]`; only the exercise's tests"],
    ),
    (
        "more_tests",
        |it| {
            it.workspace
                .write(&it.exercise("tests/more.rs"), "// more\n");
        },
        &["only more_tests.rs is allowed here, but there is also more.rs"],
    ),
    (
        "inner_docs",
        |it| {
            it.replace(&it.tests(), "// The tests", "//! The tests");
        },
        &["it must begin with a `//` comment"],
    ),
    (
        "one_wrong",
        |it| {
            it.workspace.remove(&it.solution("wrong/none.rs"));
        },
        &["at least two wrong answers, but there are 1"],
    ),
    (
        "nameless_wrong",
        |it| it.wrong("// Says:", "// It says:"),
        &["two.rs: the first three lines must be `// Wrong: `"],
    ),
    (
        "wrong_breaks_nothing",
        |it| it.wrong("rule 1", "everything"),
        &["two.rs: the first three lines must be `// Wrong: `"],
    ),
    (
        "wrong_breaks_missing_rule",
        |it| it.wrong("rule 1", "rule 2"),
        &["wrong: a wrong answer names rule 2, but the last rule is 1"],
    ),
    (
        "test_names_missing_rule",
        |it| {
            it.replace(
                &it.tests(),
                "// Rule 1.\n#[test]\nfn any",
                "// Rules 1 and 3.\n#[test]\nfn any",
            );
        },
        &["a test names rule 3, but the last rule is 1"],
    ),
    (
        "unprotected_rule",
        |it| it.stub("one more.\n", "one more.\n//! 2. It is fast.\n"),
        &[
            "rs: rule 2 needs a test with the comment `// Rule 2.`",
            "wrong: rule 2 needs a wrong answer with the comment `// Breaks: rule 2`",
        ],
    ),
    (
        "no_rules",
        |it| it.stub("1. The", "* The"),
        &["the rules must be a list under `## Rules`"],
    ),
    (
        "miscounted_rules",
        |it| it.stub("1. The", "2. The"),
        &["with the numbers 1., 2. and"],
    ),
    (
        "no_answer",
        |it| it.stub("//! ## Rules", "//! ## Predict\n//!\n//! ## Rules"),
        &["ANSWER.md: it must answer the questions"],
    ),
    (
        "silent_todo",
        |it| {
            it.stub("\"return the next number\"", "");
        },
        &["line 12: this `todo!` has no text"],
    ),
    (
        "underscore",
        |it| it.stub("last: u32", "_last: u32"),
        &["line 10: rename `_last` to `last`"],
    ),
    (
        "solution_silences",
        |it| {
            it.solved("/// The", "#[allow(dead_code)]\n/// The");
        },
        &["a solution must not contain `#[allow`"],
    ),
    (
        "solution_is_unfinished",
        |it| {
            it.solved(
                "last + 1",
                "if last > 100 { todo!(\"later\") }\n    last + 1",
            );
        },
        &["a solution must not contain `todo!`; finish it"],
    ),
    (
        "telling_hint",
        |it| {
            it.solved("last + 1", "last.wrapping_add(1)");
            it.replace(
                &it.exercise("HINTS.md"),
                "Add, and",
                "Write `last.wrapping_add(1)`, and",
            );
        },
        &["a hint contains code of the solution: `last.wrapping_add(1)`"],
    ),
    (
        "two_hints",
        |it| {
            it.replace(&it.exercise("HINTS.md"), "Think of fingers.", "");
        },
        &["hint 2 is empty"],
    ),
    (
        "no_page",
        |it| it.description("page.md", "missing.md"),
        &["`page` leads to book/src/missing.md, which does not exist"],
    ),
    (
        "no_heading",
        |it| it.description("#a-page", ""),
        &["`page` must name a heading too"],
    ),
    (
        "other_heading",
        |it| it.description("#a-page", "#another"),
        &["`page` leads to #another, but book/src/page.md has no heading"],
    ),
    (
        "telling_page",
        |it| {
            it.solved("last + 1", "last.wrapping_add(1)");
            it.workspace.write(
                "code.rs",
                "// ANCHOR: a\nlast.wrapping_add(1)\n// ANCHOR_END: a\n",
            );
            it.page("# A page\n## More\n{{#include ../../code.rs:a}}\n");
        },
        &[
            "book/src/telling_page.md: the section #a-page contains code of the solution of `telling_page`: `last.wrapping_add(1)`",
        ],
    ),
    (
        "long",
        |it| it.description("15", "46"),
        &["`minutes` is 46, but an exercise may take at most 45"],
    ),
    (
        "unknown_key",
        |it| it.description("minutes", "hours = 1\nminutes"),
        &["unknown field `hours`"],
    ),
    (
        "no_library_path",
        |it| {
            for file in [it.exercise("Cargo.toml"), it.solution("Cargo.toml")] {
                it.replace(&file, "path = \"src/lib.rs\"\n", "");
            }
        },
        &["[lib] must have `path = \"src/lib.rs\"`"],
    ),
    (
        "other_manifest",
        |it| {
            it.replace(
                &it.solution("Cargo.toml"),
                "[lints]",
                "[features]\nmore = []\n\n[lints]",
            );
        },
        &["it may differ from exercises/01_chapter/01_other_manifest/Cargo.toml only in the name"],
    ),
    (
        "knows_the_solution",
        |it| {
            let dependency = "\n[dev-dependencies]\nx = { package = \"sol_good\", path = \"../../../solutions/01_chapter/01_good\" }\n";
            for file in [it.exercise("Cargo.toml"), it.solution("Cargo.toml")] {
                let text = it.workspace.text(&file) + dependency;
                it.workspace.write(&file, &text);
            }
        },
        &["the exercise depends on the solution `sol_good`; remove that"],
    ),
    (
        "unsolved",
        |it| it.workspace.remove(&it.solution("")),
        &["the solution of the exercise `unsolved` is missing"],
    ),
    (
        "abandoned",
        |it| it.workspace.remove(&it.exercise("")),
        &["there is no exercise for this solution"],
    ),
    (
        "twice",
        |it| {
            it.workspace.write(
                "exercises/02_chapter/07_twice/exercise.toml",
                "id = \"twice\"\n",
            );
        },
        &["exercises/02_chapter/07_twice has the id `twice` too"],
    ),
];

/// Running the tests finds these defects. They are few, because each one has to be built.
pub const TEST_DEFECTS: &[Defect] = &[
    (
        "proved",
        |it| {
            it.workspace.write(&it.exercise("src/lib.rs"), SOLVED);
        },
        &[],
    ),
    (
        "wrong_crate",
        |it| {
            it.workspace.write(
            &it.tests(),
            "// Tests of something else.\n#[test]\nfn it_adds() {\n    assert_eq!(1 + 1, 2);\n}\n",
        );
        },
        &[
            "these tests never use the crate `wrong_crate`",
            "rule 1 needs a test",
            "the stub must fail",
            "none.rs: this wrong answer must be rejected",
            "two.rs: this wrong answer must be rejected",
        ],
    ),
    (
        "other_crate",
        |it| {
            it.replace(
                &it.tests(),
                "other_crate::next(7)",
                "another_course::next(7)",
            );
            it.without_wrong_answers();
        },
        &[
            "wrong: rule 1 needs a wrong answer",
            "at least two wrong answers",
            "must compile with the exercise's tests, but it does not:\nerror[E0433]",
            "must compile with the exercise's tests, but it does not:\nerror[E0433]",
        ],
    ),
    (
        "wrong_answers",
        |it| {
            it.replace(
                &it.exercise("exercise.toml"),
                "services",
                "limit_seconds = 2\nservices",
            );
            it.stub("one more.\n", "one more.\n//! 2. It grows.\n");
            it.replace(
                &it.tests(),
                "// Rule 1.\n#[test]\nfn any",
                "// Rule 2.\n#[test]\nfn any",
            );
            let says = "2 follows 1";
            it.add_wrong("breaks_another_rule", says, "last + 3");
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
            for name in ["breaks_another_rule", "has_to_hang"] {
                it.replace(
                    &it.solution(&format!("wrong/{name}.rs")),
                    "rule 1",
                    "rule 2",
                );
            }
        },
        &[
            "accepted.rs: this wrong answer must be rejected, but all 2 tests pass",
            "breaks_another_rule.rs: the tests reject this for rule 2, but `next_number_is_one_more` does not",
            "does_not_compile.rs: the file must compile with the exercise's tests, but it does not:\nerror[E0277]",
            "ends_the_program.rs: the tests ended without a result",
            "hangs.rs: any_number_grows did not end within 2 s",
            "only_prints_it.rs: the tests reject this, but without the message \"printed and not asserted\"",
            "says_something_else.rs: the tests reject this, but without the message \"the sum is odd\"",
        ],
    ),
    (
        "already_green",
        |it| {
            it.workspace.write(&it.solution("stub/lib.rs"), SOLVED);
            it.solved("last + 1", "last + 3");
            it.without_wrong_answers();
        },
        &[
            "wrong: rule 1 needs a wrong answer",
            "at least two wrong answers, but there are 0",
            "the stub must fail, but all its 2 tests pass",
            "the solution must pass, but `next_number_is_one_more` fails",
        ],
    ),
    (
        "warning",
        |it| {
            it.stub(
                "#![expect(unused_variables, reason = \"remove this line when you use them\")]",
                "",
            );
            it.solved("last + 1", "let more = 1;\n    last + 1");
            it.without_wrong_answers();
        },
        &[
            "wrong: rule 1 needs a wrong answer",
            "at least two",
            "stub/lib.rs: the file must compile without a warning",
            "warning: unused variable: `more`",
        ],
    ),
    (
        "not_compiling",
        |it| {
            it.stub("-> u32", "-> Number");
            it.solved("last + 1", "last +");
            it.without_wrong_answers();
        },
        &[
            "wrong: rule 1 needs a wrong answer",
            "at least two",
            "stub/lib.rs: the file must compile with",
            "src/lib.rs: the file must compile with",
        ],
    ),
    (
        "otherwise",
        |it| {
            it.stub("todo!(", "unimplemented!(");
            it.replace(
                &it.tests(),
                "#[test]\nfn any_number",
                "#[test]\n#[ignore]\nfn any_number",
            );
            it.without_wrong_answers();
        },
        &[
            "wrong: rule 1 needs a wrong answer",
            "at least two",
            "has another reason:\nnot implemented: return the next number",
            "no test may be ignored, but 1 are",
        ],
    ),
];
