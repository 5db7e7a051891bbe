//! Breaks an exercise in each of the ways in which other courses were broken, and sees that it is said.
//!
//! All broken exercises lie together and are looked at once, for most of the time goes into starting cargo; then each test looks for what
//! was said about its own. What is seen in the files alone is not built.

mod breaks;

use std::sync::LazyLock;

use breaks::{Break, Broken, IN_FILES, IN_PROGRAMS};

use super::*;
use crate::fixture::{Fixture, SOLVED};

/// What was said about each exercise: of its files, and by running it.
struct Said(Vec<(String, Vec<String>)>);

static FILES: LazyLock<Said> = LazyLock::new(|| {
    let fixture = broken(IN_FILES);
    let repository = fixture.repository();
    let of = |place: &Place| match rules::check(&repository, place, false) {
        rules::Finding::Hopeless(problems) => problems,
        rules::Finding::Exercise {
            exercise,
            mut problems,
            ..
        } => {
            problems.extend(variant::all(&repository, &exercise).1);
            problems
        }
    };
    let places = places(&repository).unwrap();
    Said(
        places
            .iter()
            .map(|place| (place.id().to_owned(), of(place)))
            .collect(),
    )
});

static PROGRAMS: LazyLock<Said> = LazyLock::new(|| {
    let rows = rows(&broken(IN_PROGRAMS));
    let problems = |row: &Row| row.problems().into_iter().map(str::to_owned).collect();
    Said(
        rows.iter()
            .map(|row| (row.id().to_owned(), problems(row)))
            .collect(),
    )
});

fn broken(breaks: &[Break]) -> Fixture {
    let fixture = Fixture::new();
    fixture.remove("exercises/01_chapter");
    fixture.remove("solutions/01_chapter");
    for (id, break_it) in breaks {
        fixture.add_counter(&format!("01_chapter/01_{id}"), id);
        break_it(&Broken {
            fixture: &fixture,
            id,
        });
    }
    fixture
}

fn rows(fixture: &Fixture) -> Vec<Row> {
    let desk = fixture.desk();
    let options = Options {
        places: places(&desk.repository).unwrap(),
        is_pristine: false,
    };
    examine(&desk, &options, &mut Vec::new()).unwrap()
}

impl Said {
    /// Sees that exactly this was said about an exercise: each piece in one problem, in this order, and nothing else.
    #[track_caller]
    fn about(&self, id: &str, pieces: &[&str]) {
        let (_, problems) = self.0.iter().find(|(name, _)| name == id).unwrap();
        assert_eq!(problems.len(), pieces.len(), "{problems:#?}");
        for (problem, piece) in problems.iter().zip(pieces) {
            assert!(problem.contains(piece), "not \"{piece}\": {problem}");
            assert!(
                problem.contains("01_chapter/01_"),
                "no file is named: {problem}"
            );
        }
    }
}

#[test]
fn a_good_exercise_is_proved_whatever_the_learner_has_made_of_it() {
    FILES.about("good", &[]);
    PROGRAMS.about("proved", &[]);
}

#[test]
fn a_learners_own_work_is_noted_and_fails_only_where_nobody_should_have_worked() {
    let fixture = Fixture::new();
    let place = Place {
        chapter: "01_chapter".to_owned(),
        folder: "01_counter".to_owned(),
    };
    let check = |is_pristine| match rules::check(&fixture.repository(), &place, is_pristine) {
        rules::Finding::Exercise { problems, note, .. } => {
            (problems.join("\n"), note.unwrap_or_default())
        }
        rules::Finding::Hopeless(problems) => panic!("{problems:?}"),
    };
    assert_eq!(check(true), (String::new(), String::new()));

    fixture.edit(SOLVED);

    assert!(check(false).1.contains("Is it your own work?"));
    assert!(
        check(true)
            .0
            .contains("`cargo workshop reset counter` puts the stub back"),
        "{:?}",
        check(true)
    );
}

#[test]
fn a_stub_that_is_already_solved_and_a_solution_that_is_red_are_caught() {
    PROGRAMS.about(
        "already_green",
        &[
            "the stub has to be red, and all its 2 tests pass",
            "the solution has to be green, and `every_number_is_the_one_before_and_one_more` fails",
            "at least two wrong answers, and there are 0",
        ],
    );
}

#[test]
fn tests_of_another_crate_are_caught() {
    PROGRAMS.about(
        "wrong_crate",
        &[
            "these tests never name the crate `wrong_crate`",
            "the stub has to be red",
            "none.rs: this wrong answer has to be rejected",
            "two.rs: this wrong answer has to be rejected",
        ],
    );
    let does_not_compile = "has to compile with the exercise's tests, and does not:\nerror[E0433]";
    PROGRAMS.about(
        "other_crate",
        &[
            does_not_compile,
            does_not_compile,
            "at least two wrong answers",
        ],
    );
}

#[test]
fn a_wrong_answer_has_to_be_rejected_with_its_own_message() {
    PROGRAMS.about(
        "wrong_answers",
        &[
            "accepted.rs: this wrong answer has to be rejected, and all 2 tests pass",
            "does_not_compile.rs: it has to compile with the exercise's tests, and does not:\nerror[E0277]",
            "ends_the_program.rs: its tests ended before they had a result",
            "hangs.rs: a_number_grows did not end within 2 s",
            "only_prints_it.rs: it is rejected, but with another message than \"printed and not asserted\"",
            "says_something_else.rs: it is rejected, but with another message than \"the sum is odd\"",
        ],
    );
}

#[test]
fn what_the_compiler_says_about_stub_and_solution_is_passed_on() {
    PROGRAMS.about(
        "warning",
        &[
            "stub/lib.rs: it has to compile without a warning",
            "warning: unused variable: `more`",
            "at least two",
        ],
    );
    PROGRAMS.about(
        "not_compiling",
        &[
            "stub/lib.rs: it has to compile with",
            "src/lib.rs: it has to compile with",
            "at least two",
        ],
    );
}

#[test]
fn a_stub_that_is_red_by_something_else_and_an_ignored_test_are_caught() {
    PROGRAMS.about(
        "otherwise",
        &[
            "fails otherwise:\nnot implemented: return the next number",
            "no test may be ignored, and 1 are",
            "at least two",
        ],
    );
}

#[test]
fn a_stub_has_to_say_what_to_do_and_to_hide_nothing() {
    FILES.about("silent_todo", &["line 8: this `todo!` says nothing"]);
    FILES.about("underscore", &["line 6: `_last` has to be called `last`"]);
}

#[test]
fn a_solution_is_finished_and_judged_by_the_exercises_tests_alone() {
    FILES.about(
        "other_tests",
        &["tests/exercise.rs: a solution is judged by the exercise's own tests"],
    );
    FILES.about("own_tests", &["here is a test (`#[cfg(test)]`)"]);
    FILES.about("solution_silences", &["a solution has no `#[allow`"]);
    FILES.about(
        "solution_is_unfinished",
        &["a solution has no `todo!`; it has to be finished"],
    );
}

#[test]
fn an_exercise_has_one_file_of_tests_that_can_be_included() {
    FILES.about(
        "more_tests",
        &["only more_tests.rs belongs here, and here is also more.rs"],
    );
    FILES.about(
        "inner_docs",
        &["it has to begin with a comment of two slashes"],
    );
}

#[test]
fn there_are_two_wrong_answers_that_say_what_is_wrong() {
    FILES.about(
        "one_wrong",
        &["at least two wrong answers, and there are 1"],
    );
    FILES.about(
        "nameless_wrong",
        &["its first two lines have to be `// Wrong: `"],
    );
}

#[test]
fn hints_have_to_be_three_and_to_keep_the_secret() {
    FILES.about(
        "telling_hint",
        &["a hint gives the code away: `last.wrapping_add(1)`"],
    );
    FILES.about("two_hints", &["hint 2 is empty"]);
}

#[test]
fn a_description_has_to_be_true() {
    FILES.about(
        "no_page",
        &["`page` leads to book/src/missing.md, which is not there"],
    );
    FILES.about("unknown_key", &["there is no key `hours`"]);
    FILES.about(
        "twice",
        &["the id `twice` is exercises/02_chapter/07_twice's too"],
    );
}

#[test]
fn manifests_have_to_be_alike() {
    FILES.about(
        "other_manifest",
        &["it may differ from exercises/01_chapter/01_other_manifest/Cargo.toml in the name alone"],
    );
    FILES.about(
        "knows_the_solution",
        &["the exercise depends on the solution `sol_good`; remove that"],
    );
}

#[test]
fn an_exercise_and_a_solution_belong_together() {
    FILES.about(
        "unsolved",
        &["the exercise `unsolved` needs a solution here"],
    );
    FILES.about("abandoned", &["there is no exercise for it"]);
}

#[test]
fn the_matrix_shows_what_is_proved_and_tells_what_is_not() {
    let fixture = Fixture::new();
    fixture.remove("exercises/01_chapter/02_second");
    fixture.remove("solutions/01_chapter/01_counter/wrong/none.rs");
    let options = Options {
        places: places(&fixture.repository()).unwrap(),
        is_pristine: false,
    };
    let mut output = Vec::new();

    let count = verify(&fixture.desk(), &options, &mut output, &mut Vec::new()).unwrap();

    assert_eq!(
        count,
        Count {
            proved: 0,
            failed: 1
        }
    );
    let output = String::from_utf8(output).unwrap();
    assert!(
        output.starts_with("counter   files ✓   stub red ✓   solution green ✓   wrong rejected 1/1 ✗\n\n✗ solutions/"),
        "{output}"
    );

    // Again, and nothing is written anew, for cargo would build it.
    let manifest = fixture
        .repository()
        .root()
        .join("target/workshop-verify/stub_of_counter/Cargo.toml");
    let written = manifest.metadata().unwrap().modified().unwrap();
    verify(&fixture.desk(), &options, &mut Vec::new(), &mut Vec::new()).unwrap();
    assert_eq!(manifest.metadata().unwrap().modified().unwrap(), written);
}
