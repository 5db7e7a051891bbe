//! What a run of the tests comes to: [`Verdict`], the last words of `cargo workshop test`.
//!
//! The rule: whatever is not surely a success is a failure. Cargo's exit code alone is not enough, for a test that calls
//! `exit(0)` and a filter that matches no test both look like success; the tally alone is not either, for what does not
//! compile has no failed test. Left out: which tests failed, which cargo has just said.

use std::io::{self, Write};

use crate::runner::Outcome;
use crate::verify::Count;

/// How the run went: for people in words and counts, for programs as green or not.
#[derive(Debug)]
pub struct Verdict {
    /// What the counts do not say: what happened, and what to do about it.
    notes: Vec<String>,
    passed: u64,
    failed: u64,
    skipped: u64,
    green: bool,
}

impl Verdict {
    /// Judges a run that came to its end, whichever end.
    pub fn of(outcome: &Outcome) -> Self {
        let tally = &outcome.tally;
        let unfinished = tally.unfinished();
        let mut failed = tally.failed + unfinished;
        let mut notes = Vec::new();
        if unfinished > 0 {
            notes.push(format!(
                "Test binaries that began and never gave a result: {unfinished}. A test crashed, was killed, or called exit; each\n\
                 binary counts as one failed test. Look above for the one without a \"test result\", and run its package with\n\
                 `cargo workshop test -p PACKAGE -- --nocapture --test-threads=1` to see the last test that began."
            ));
        } else if !outcome.succeeded && failed == 0 {
            failed = 1;
            notes.push(format!(
                "cargo stopped ({}) although no test failed. Most often something does not compile, or there is no package\n\
                 of that name. Its own message stands above, begins with \"error\", and says where; mend that and run this again.",
                outcome.ending
            ));
        } else if tally.passed + failed == 0 {
            notes.push(
                "No test ran, so nothing is proved. If you gave a name after `--`, no test has it in its own name;\n\
                 `cargo workshop test` alone runs them all."
                    .to_owned(),
            );
        }
        Verdict {
            notes,
            passed: tally.passed,
            failed,
            skipped: tally.skipped,
            green: outcome.succeeded && failed == 0 && tally.passed > 0,
        }
    }

    /// Adds the exercises, each of which counts like a test.
    pub fn and_exercises(&mut self, count: Count) {
        self.passed += count.proved as u64;
        self.failed += count.failed as u64;
        self.green &= count.is_good();
        if count.failed > 0 {
            self.notes.push(format!(
                "{} not proved; it says above why, and `cargo workshop verify ID` looks at one again.",
                match count.failed {
                    1 => "One exercise is".to_owned(),
                    failed => format!("{failed} exercises are"),
                }
            ));
        }
    }

    /// Adds something else that had to be done and could not; `why` also says what to do.
    pub fn and_failure(&mut self, why: String) {
        self.notes.push(why);
        self.failed += 1;
        self.green = false;
    }

    /// Judges a run that did not even begin; `why` also says what to do.
    pub fn never_ran(why: String) -> Self {
        Verdict {
            notes: vec![why],
            passed: 0,
            failed: 1,
            skipped: 0,
            green: false,
        }
    }

    /// Whether the exit code may be 0.
    pub fn is_green(&self) -> bool {
        self.green
    }

    /// Prints the notes and then the counts. The last line stands alone and is always there, so that a person and a script
    /// find it in the same place.
    pub fn print(&self, output: &mut impl Write) -> io::Result<()> {
        writeln!(output)?;
        for note in &self.notes {
            writeln!(output, "{note}\n")?;
        }
        write!(output, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(output, ", {} skipped", self.skipped)?;
        }
        writeln!(output)?;
        output.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::Tally;

    fn verdict(lines: &[&str], succeeded: bool) -> (Verdict, String) {
        let mut tally = Tally::default();
        for line in lines {
            tally.read_line(line);
        }
        let ending = if succeeded {
            "exit status: 0"
        } else {
            "exit status: 101"
        };
        let verdict = Verdict::of(&Outcome {
            tally,
            succeeded,
            ending: ending.to_owned(),
        });
        let mut printed = Vec::new();
        verdict.print(&mut printed).unwrap();
        let printed = String::from_utf8(printed).unwrap();
        (verdict, printed)
    }

    fn last_line(printed: &str) -> &str {
        printed.lines().last().unwrap()
    }

    const GOOD: &str = "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";
    const IGNORING: &str =
        "test result: ok. 1 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out";
    const BAD: &str =
        "test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out";
    const EMPTY: &str =
        "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out";

    #[test]
    fn all_passed_is_green_and_one_line() {
        let (verdict, printed) =
            verdict(&["running 3 tests", GOOD, "running 0 tests", EMPTY], true);
        assert!(verdict.green);
        assert_eq!(printed, "\n3 passed, 0 failed\n");
    }

    #[test]
    fn skipped_tests_are_named_only_if_there_are_any() {
        let (verdict, printed) = verdict(&["running 3 tests", IGNORING], true);
        assert!(verdict.green);
        assert_eq!(last_line(&printed), "1 passed, 0 failed, 2 skipped");
    }

    #[test]
    fn a_failed_test_is_red() {
        let (verdict, printed) = verdict(&["running 3 tests", GOOD, "running 4 tests", BAD], false);
        assert!(!verdict.green);
        assert_eq!(
            printed, "\n6 passed, 1 failed\n",
            "the tests' own messages need no note"
        );
    }

    #[test]
    fn code_that_does_not_compile_is_red_and_said_so() {
        let (verdict, printed) = verdict(&[], false);
        assert!(!verdict.green);
        assert!(printed.contains("does not compile"), "{printed}");
        assert!(printed.contains("exit status: 101"), "{printed}");
        assert_eq!(last_line(&printed), "0 passed, 1 failed");
    }

    #[test]
    fn a_crash_after_other_tests_passed_is_red() {
        let (verdict, printed) = verdict(&["running 3 tests", GOOD, "running 4 tests"], false);
        assert!(!verdict.green);
        assert!(printed.contains("never gave a result"), "{printed}");
        assert_eq!(last_line(&printed), "3 passed, 1 failed");
    }

    #[test]
    fn a_binary_that_vanished_with_exit_code_0_is_red() {
        let (verdict, printed) = verdict(&["running 3 tests", GOOD, "running 4 tests"], true);
        assert!(
            !verdict.green,
            "a test that calls exit(0) hides all the others"
        );
        assert_eq!(last_line(&printed), "3 passed, 1 failed");
    }

    #[test]
    fn no_test_at_all_is_red() {
        for lines in [&[][..], &["running 0 tests", EMPTY]] {
            let (verdict, printed) = verdict(lines, true);
            assert!(!verdict.green, "nothing was tested");
            assert!(printed.contains("No test ran"), "{printed}");
            assert_eq!(last_line(&printed), "0 passed, 0 failed");
        }
    }

    #[test]
    fn proved_exercises_count_like_tests() {
        let (mut good, _) = verdict(&["running 3 tests", GOOD], true);
        good.and_exercises(Count {
            proved: 5,
            failed: 0,
        });
        assert_eq!((good.passed, good.failed, good.green), (8, 0, true));

        let (mut bad, _) = verdict(&["running 3 tests", GOOD], true);
        bad.and_exercises(Count {
            proved: 4,
            failed: 1,
        });
        assert_eq!((bad.passed, bad.failed, bad.green), (7, 1, false));
        assert!(
            bad.notes[0].starts_with("One exercise is not proved"),
            "{:?}",
            bad.notes
        );

        let (mut unknown, _) = verdict(&["running 3 tests", GOOD], true);
        unknown.and_failure("they could not be built".to_owned());
        assert_eq!(
            (unknown.passed, unknown.failed, unknown.green),
            (3, 1, false)
        );
    }

    #[test]
    fn a_run_that_did_not_begin_is_red() {
        let verdict = Verdict::never_ran("Docker is not installed here".to_owned());
        assert!(!verdict.green);
        assert_eq!((verdict.passed, verdict.failed), (0, 1));
    }
}
