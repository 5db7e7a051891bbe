//! Tests that the verification finds each defect in an exercise.
//!
//! All defective exercises are in one workspace and are verified once, because starting cargo takes
//! most of the time. Then each test looks for the problems of its exercise.

mod defects;

use std::sync::LazyLock;

use defects::{Defect, DefectiveExercise, FILE_DEFECTS, TEST_DEFECTS};

use super::*;
use crate::app::fixture::{SOLVED, SampleWorkspace};

/// The problems of each exercise, by id.
struct Problems(Vec<(String, Vec<String>)>);

static FILE_PROBLEMS: LazyLock<Problems> = LazyLock::new(|| {
    let workspace = workspace_with(FILE_DEFECTS);
    let repository = workspace.repository();
    let problems_of = |folder: &ExerciseFolder| match rules::check_files(&repository, folder, false)
    {
        FileCheck::Unusable(problems) => problems,
        FileCheck::Usable {
            exercise,
            mut problems,
            ..
        } => {
            problems.extend(variant::find_variants(&repository, &exercise).1);
            problems
        }
    };
    let folders = find_folders(&repository).unwrap();
    Problems(
        folders
            .iter()
            .map(|folder| (folder.id().to_owned(), problems_of(folder)))
            .collect(),
    )
});

static TEST_PROBLEMS: LazyLock<Problems> = LazyLock::new(|| {
    let rows = verified_rows(&workspace_with(TEST_DEFECTS));
    let problems = |row: &Row| row.problems().cloned().collect();
    Problems(
        rows.iter()
            .map(|row| (row.id().to_owned(), problems(row)))
            .collect(),
    )
});

fn workspace_with(defects: &[Defect]) -> SampleWorkspace {
    let workspace = SampleWorkspace::new();
    workspace.remove("exercises/01_chapter");
    workspace.remove("solutions/01_chapter");
    for (id, add_defect) in defects {
        workspace.add_counter(&format!("01_chapter/01_{id}"), id);
        add_defect(&DefectiveExercise {
            workspace: &workspace,
            id,
        });
    }
    workspace
}

fn verified_rows(workspace: &SampleWorkspace) -> Vec<Row> {
    let app = workspace.app();
    let options = VerifyOptions {
        folders: find_folders(&app.repository).unwrap(),
        is_pristine: false,
    };
    verify_rows(&app, &options, &mut Vec::new()).unwrap()
}

impl Problems {
    /// Asserts that an exercise has exactly these problems: each part is in one problem, in this
    /// order.
    #[track_caller]
    fn assert_of(&self, id: &str, parts: &[&str]) {
        let (_, problems) = self.0.iter().find(|(name, _)| name == id).unwrap();
        assert_eq!(
            problems.len(),
            parts.len(),
            "wrong number of problems: {problems:#?}"
        );
        for (problem, part) in problems.iter().zip(parts) {
            assert!(problem.contains(part), "expected \"{part}\": {problem}");
            assert!(
                problem.contains("01_chapter/01_"),
                "the problem names no file: {problem}"
            );
        }
    }
}

#[test]
fn good_exercise_is_proved() {
    FILE_PROBLEMS.assert_of("good", &[]);
    TEST_PROBLEMS.assert_of("proved", &[]);
}

#[test]
fn edited_exercise_fails_only_with_pristine() {
    let workspace = SampleWorkspace::new();
    let folder = ExerciseFolder {
        chapter: "01_chapter".to_owned(),
        name: "01_counter".to_owned(),
    };
    let check =
        |is_pristine| match rules::check_files(&workspace.repository(), &folder, is_pristine) {
            FileCheck::Usable { problems, note, .. } => {
                (problems.join("\n"), note.unwrap_or_default())
            }
            FileCheck::Unusable(problems) => panic!("{problems:?}"),
        };
    assert_eq!(check(true), (String::new(), String::new()));

    workspace.edit(SOLVED);

    assert!(check(false).1.contains("Is it your own work?"));
    assert!(
        check(true)
            .0
            .contains("`cargo workshop reset counter` restores the stub"),
        "{:?}",
        check(true)
    );
}

#[test]
fn passing_stub_and_failing_solution_are_found() {
    TEST_PROBLEMS.assert_of(
        "already_green",
        &[
            "the stub must fail, but all its 2 tests pass",
            "the solution must pass, but `next_number_is_one_more` fails",
            "at least two wrong answers, but there are 0",
        ],
    );
}

#[test]
fn tests_of_another_crate_are_found() {
    TEST_PROBLEMS.assert_of(
        "wrong_crate",
        &[
            "these tests never use the crate `wrong_crate`",
            "the stub must fail",
            "none.rs: this wrong answer must be rejected",
            "two.rs: this wrong answer must be rejected",
        ],
    );
    let does_not_compile = "must compile with the exercise's tests, but it does not:\nerror[E0433]";
    TEST_PROBLEMS.assert_of(
        "other_crate",
        &[
            does_not_compile,
            does_not_compile,
            "at least two wrong answers",
        ],
    );
}

#[test]
fn wrong_answers_need_their_own_message() {
    TEST_PROBLEMS.assert_of(
        "wrong_answers",
        &[
            "accepted.rs: this wrong answer must be rejected, but all 2 tests pass",
            "does_not_compile.rs: the file must compile with the exercise's tests, but it does not:\nerror[E0277]",
            "ends_the_program.rs: the tests ended without a result",
            "hangs.rs: any_number_grows did not end within 2 s",
            "only_prints_it.rs: the tests reject this, but without the message \"printed and not asserted\"",
            "says_something_else.rs: the tests reject this, but without the message \"the sum is odd\"",
        ],
    );
}

#[test]
fn compiler_messages_are_reported() {
    TEST_PROBLEMS.assert_of(
        "warning",
        &[
            "stub/lib.rs: the file must compile without a warning",
            "warning: unused variable: `more`",
            "at least two",
        ],
    );
    TEST_PROBLEMS.assert_of(
        "not_compiling",
        &[
            "stub/lib.rs: the file must compile with",
            "src/lib.rs: the file must compile with",
            "at least two",
        ],
    );
}

#[test]
fn stub_without_todo_and_ignored_test_are_found() {
    TEST_PROBLEMS.assert_of(
        "otherwise",
        &[
            "has another reason:\nnot implemented: return the next number",
            "no test may be ignored, but 1 are",
            "at least two",
        ],
    );
}

#[test]
fn stub_needs_todo_text_and_named_parameters() {
    FILE_PROBLEMS.assert_of("silent_todo", &["line 8: this `todo!` has no text"]);
    FILE_PROBLEMS.assert_of("underscore", &["line 6: rename `_last` to `last`"]);
}

#[test]
fn solution_is_complete_and_has_no_own_tests() {
    FILE_PROBLEMS.assert_of(
        "other_tests",
        &["tests/exercise.rs: a solution uses the exercise's own tests"],
    );
    FILE_PROBLEMS.assert_of("own_tests", &["this is a test (`#[cfg(test)]`)"]);
    FILE_PROBLEMS.assert_of(
        "solution_silences",
        &["a solution must not contain `#[allow`"],
    );
    FILE_PROBLEMS.assert_of(
        "solution_is_unfinished",
        &["a solution must not contain `todo!`; finish it"],
    );
}

#[test]
fn exercise_has_one_includable_test_file() {
    FILE_PROBLEMS.assert_of(
        "more_tests",
        &["only more_tests.rs is allowed here, but there is also more.rs"],
    );
    FILE_PROBLEMS.assert_of("inner_docs", &["it must begin with a `//` comment"]);
}

#[test]
fn two_wrong_answers_with_messages_are_required() {
    FILE_PROBLEMS.assert_of(
        "one_wrong",
        &["at least two wrong answers, but there are 1"],
    );
    FILE_PROBLEMS.assert_of(
        "nameless_wrong",
        &["the first two lines must be `// Wrong: `"],
    );
}

#[test]
fn three_hints_without_code_are_required() {
    FILE_PROBLEMS.assert_of(
        "telling_hint",
        &["a hint contains code of the solution: `last.wrapping_add(1)`"],
    );
    FILE_PROBLEMS.assert_of("two_hints", &["hint 2 is empty"]);
}

#[test]
fn wrong_descriptions_are_found() {
    FILE_PROBLEMS.assert_of(
        "no_page",
        &["`page` leads to book/src/missing.md, which does not exist"],
    );
    FILE_PROBLEMS.assert_of("unknown_key", &["unknown key `hours`"]);
    FILE_PROBLEMS.assert_of(
        "twice",
        &["exercises/02_chapter/07_twice has the id `twice` too"],
    );
}

#[test]
fn different_manifests_are_found() {
    FILE_PROBLEMS.assert_of(
        "other_manifest",
        &["it may differ from exercises/01_chapter/01_other_manifest/Cargo.toml only in the name"],
    );
    FILE_PROBLEMS.assert_of(
        "knows_the_solution",
        &["the exercise depends on the solution `sol_good`; remove that"],
    );
}

#[test]
fn missing_exercise_or_solution_is_found() {
    FILE_PROBLEMS.assert_of(
        "unsolved",
        &["the solution of the exercise `unsolved` is missing"],
    );
    FILE_PROBLEMS.assert_of("abandoned", &["there is no exercise for this solution"]);
}

#[test]
fn report_lists_results_and_problems() {
    let workspace = SampleWorkspace::new();
    workspace.remove("exercises/01_chapter/02_second");
    workspace.remove("solutions/01_chapter/01_counter/wrong/none.rs");
    let options = VerifyOptions {
        folders: find_folders(&workspace.repository()).unwrap(),
        is_pristine: false,
    };
    let mut output = Vec::new();

    let counts = verify(&workspace.app(), &options, &mut output, &mut Vec::new()).unwrap();

    assert_eq!(
        counts,
        VerifyCounts {
            proved: 0,
            failed: 1
        }
    );
    let output = String::from_utf8(output).unwrap();
    assert!(
        output.starts_with("counter   files ✓   stub fails ✓   solution passes ✓   wrong rejected 1/1 ✗\n\n✗ solutions/"),
        "{output}"
    );

    // A second run writes no file, because cargo would build it again.
    let manifest = workspace
        .repository()
        .root()
        .join("target/workshop-verify/stub_of_counter/Cargo.toml");
    let written = manifest.metadata().unwrap().modified().unwrap();
    verify(&workspace.app(), &options, &mut Vec::new(), &mut Vec::new()).unwrap();
    assert_eq!(manifest.metadata().unwrap().modified().unwrap(), written);
}
