//! Tests that the verification finds each defect in an exercise.
//!
//! All defective exercises are in one workspace and are verified once, because starting cargo takes
//! most of the time.

mod defects;

use defects::{Defect, DefectiveExercise, FILE_DEFECTS, TEST_DEFECTS};

use super::*;
use crate::app::fixture::{SOLVED, SampleWorkspace};

fn workspace_with(defects: &[Defect]) -> SampleWorkspace {
    let workspace = SampleWorkspace::new();
    workspace.remove("exercises/01_chapter");
    workspace.remove("solutions/01_chapter");
    for (id, add_defect, _) in defects {
        workspace.add_counter(&format!("01_chapter/01_{id}"), id);
        add_defect(&DefectiveExercise {
            workspace: &workspace,
            id,
        });
    }
    workspace
}

fn options(workspace: &SampleWorkspace) -> VerifyOptions {
    VerifyOptions {
        folders: find_folders(&workspace.repository()).unwrap(),
        is_pristine: false,
    }
}

/// Asserts that each exercise has exactly the expected problems: each part is in one problem, in
/// this order.
fn assert_problems(defects: &[Defect], problems_of: impl Fn(&str) -> Vec<String>) {
    for (id, _, parts) in defects {
        let problems = problems_of(id);
        let count = problems.len();
        assert_eq!(
            count,
            parts.len(),
            "wrong number of problems of {id}: {problems:#?}"
        );
        for (problem, part) in problems.iter().zip(*parts) {
            assert!(
                problem.contains(part),
                "{id}: expected \"{part}\": {problem}"
            );
            let names_file = problem.contains("01_chapter/01_") || problem.starts_with("book/");
            assert!(names_file, "{id}: the problem names no file: {problem}");
        }
    }
}

#[test]
fn defects_in_the_files_are_found() {
    let workspace = workspace_with(FILE_DEFECTS);
    assert_problems(FILE_DEFECTS, |id| {
        let name = format!("01_{id}");
        let chapter = "01_chapter".to_owned();
        let folder = ExerciseFolder { chapter, name };
        rules::check_files(&workspace.repository(), &folder, false).problems
    });
    let ids = options(&workspace).folders;
    assert!(ids.iter().any(|folder| folder.id() == "abandoned"));
}

#[test]
fn defects_in_the_tests_are_found() {
    let workspace = workspace_with(TEST_DEFECTS);
    let rows = verify_rows(&workspace.app(), &options(&workspace), &mut Vec::new()).unwrap();
    assert_problems(TEST_DEFECTS, |id| {
        let row = rows.iter().find(|row| row.id == id).unwrap();
        row.problems().cloned().collect()
    });
}

#[test]
fn edited_exercise_fails_only_with_pristine() {
    let workspace = SampleWorkspace::new();
    let folder = ExerciseFolder {
        chapter: "01_chapter".to_owned(),
        name: "01_counter".to_owned(),
    };
    let check = |is_pristine| {
        let check = rules::check_files(&workspace.repository(), &folder, is_pristine);
        (check.problems.join("\n"), check.note.unwrap_or_default())
    };
    assert_eq!(check(true), (String::new(), String::new()));

    workspace.edit(SOLVED);

    assert!(check(false).1.contains("Is it your own work?"));
    let (problems, _) = check(true);
    let reset = "`cargo workshop reset counter` restores the stub";
    assert!(problems.contains(reset), "{problems}");
}

#[test]
fn report_lists_results_and_problems() {
    let workspace = SampleWorkspace::new();
    workspace.remove("exercises/01_chapter/02_second");
    workspace.remove("solutions/01_chapter/01_counter/wrong/none.rs");
    let options = options(&workspace);
    let mut output = Vec::new();

    let counts = verify(&workspace.app(), &options, &mut output, &mut Vec::new()).unwrap();

    assert_eq!((counts.proved, counts.failed), (0, 1));
    let output = String::from_utf8(output).unwrap();
    assert!(
        output.starts_with("counter   files ✗   stub fails ✓   solution passes ✓   wrong rejected 1/1 ✓\n\n✗ solutions/"),
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
