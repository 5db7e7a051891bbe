//! The result of `cargo workshop test`: [`TestSummary`] prints the notes and the total.
//!
//! Every run that is not certainly a success is a failure. Cargo's exit code is not enough: a test
//! that calls `exit(0)` and a filter that matches no test look like success. The counts are not
//! enough either: code that does not compile has no failed test.

use std::io::{self, Write};

use crate::run::cargo_test::CargoTestResult;
use crate::verify::VerifyCounts;

/// The total of a run.
#[derive(Debug)]
pub struct TestSummary {
    /// What happened besides failed tests, and what to do.
    notes: Vec<String>,
    passed: u64,
    failed: u64,
    ignored: u64,
    is_success: bool,
}

impl TestSummary {
    /// The summary of a run of `cargo test`.
    pub fn new(result: &CargoTestResult) -> Self {
        let counts = &result.counts;
        let unfinished = counts.unfinished_binaries();
        let mut failed = counts.failed + unfinished;
        let mut notes = Vec::new();
        if unfinished > 0 {
            notes.push(format!(
                "Test binaries without a result: {unfinished}. A test crashed, was killed, or \
                 called exit; each binary\n\
                 counts as one failed test. Look above for the binary without a \"test result\", \
                 and run its package with\n\
                 `cargo workshop test -p PACKAGE -- --nocapture --test-threads=1` to see its last \
                 test."
            ));
        } else if !result.success && failed == 0 {
            failed = 1;
            notes.push(format!(
                "cargo stopped ({}) although no test failed. Most often, something does not \
                 compile, or there is\n\
                 no package of that name. Look above for cargo's message, which begins with \
                 \"error\".",
                result.status
            ));
        } else if counts.passed + failed == 0 {
            notes.push(
                "No test ran, so nothing is proved. If you gave a name after `--`, no test has it \
                 in its own name;\n\
                 `cargo workshop test` alone runs them all."
                    .to_owned(),
            );
        }
        TestSummary {
            notes,
            passed: counts.passed,
            failed,
            ignored: counts.ignored,
            is_success: result.success && failed == 0 && counts.passed > 0,
        }
    }

    /// The summary of a run that could not start. `reason` also says what to do.
    pub fn not_started(reason: String) -> Self {
        TestSummary {
            notes: vec![reason],
            passed: 0,
            failed: 1,
            ignored: 0,
            is_success: false,
        }
    }

    /// Adds the exercises, each of which counts like a test.
    pub fn add_exercises(&mut self, counts: VerifyCounts) {
        self.passed += counts.proved as u64;
        self.failed += counts.failed as u64;
        self.is_success &= counts.is_success();
        if counts.failed > 0 {
            let subject = match counts.failed {
                1 => "One exercise is".to_owned(),
                failed => format!("{failed} exercises are"),
            };
            self.notes.push(format!(
                "{subject} not proved. The reason is above; `cargo workshop verify ID` repeats one."
            ));
        }
    }

    /// Adds a failure that is no failed test. `reason` also says what to do.
    pub fn add_failure(&mut self, reason: String) {
        self.notes.push(reason);
        self.failed += 1;
        self.is_success = false;
    }

    /// Whether the exit code is 0.
    pub fn is_success(&self) -> bool {
        self.is_success
    }

    /// Prints the notes, and the total as the last line, where scripts can find it.
    pub fn print(&self, output: &mut impl Write) -> io::Result<()> {
        writeln!(output)?;
        for note in &self.notes {
            writeln!(output, "{note}\n")?;
        }
        write!(output, "{} passed, {} failed", self.passed, self.failed)?;
        if self.ignored > 0 {
            write!(output, ", {} skipped", self.ignored)?;
        }
        writeln!(output)?;
        output.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::test_counts::TestCounts;

    fn summarise(lines: &[&str], success: bool) -> (TestSummary, String) {
        let mut counts = TestCounts::default();
        for line in lines {
            counts.read_line(line);
        }
        let status = if success {
            "exit status: 0"
        } else {
            "exit status: 101"
        };
        let summary = TestSummary::new(&CargoTestResult {
            counts,
            success,
            status: status.to_owned(),
        });
        let mut printed = Vec::new();
        summary.print(&mut printed).unwrap();
        let printed = String::from_utf8(printed).unwrap();
        (summary, printed)
    }

    fn last_line(printed: &str) -> &str {
        printed.lines().last().unwrap()
    }

    const PASSED: &str =
        "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";
    const IGNORED: &str =
        "test result: ok. 1 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out";
    const FAILED: &str =
        "test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out";
    const EMPTY: &str =
        "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out";

    #[test]
    fn passed_run_prints_one_line() {
        let (summary, printed) =
            summarise(&["running 3 tests", PASSED, "running 0 tests", EMPTY], true);
        assert!(summary.is_success);
        assert_eq!(printed, "\n3 passed, 0 failed\n");
    }

    #[test]
    fn ignored_tests_are_counted_separately() {
        let (summary, printed) = summarise(&["running 3 tests", IGNORED], true);
        assert!(summary.is_success);
        assert_eq!(last_line(&printed), "1 passed, 0 failed, 2 skipped");
    }

    #[test]
    fn failed_test_is_a_failure() {
        let (summary, printed) = summarise(
            &["running 3 tests", PASSED, "running 4 tests", FAILED],
            false,
        );
        assert!(!summary.is_success);
        assert_eq!(
            printed, "\n6 passed, 1 failed\n",
            "failed tests need no additional note"
        );
    }

    #[test]
    fn compile_error_is_a_failure() {
        let (summary, printed) = summarise(&[], false);
        assert!(!summary.is_success);
        assert!(printed.contains("does not compile"), "{printed}");
        assert!(printed.contains("exit status: 101"), "{printed}");
        assert_eq!(last_line(&printed), "0 passed, 1 failed");
    }

    #[test]
    fn crash_after_passed_tests_is_a_failure() {
        let (summary, printed) = summarise(&["running 3 tests", PASSED, "running 4 tests"], false);
        assert!(!summary.is_success);
        assert!(printed.contains("without a result"), "{printed}");
        assert_eq!(last_line(&printed), "3 passed, 1 failed");
    }

    #[test]
    fn unfinished_binary_with_exit_code_zero_fails() {
        let (summary, printed) = summarise(&["running 3 tests", PASSED, "running 4 tests"], true);
        assert!(
            !summary.is_success,
            "a test that calls exit(0) hides the other tests"
        );
        assert_eq!(last_line(&printed), "3 passed, 1 failed");
    }

    #[test]
    fn run_without_tests_is_a_failure() {
        for lines in [&[][..], &["running 0 tests", EMPTY]] {
            let (summary, printed) = summarise(lines, true);
            assert!(!summary.is_success, "nothing was tested");
            assert!(printed.contains("No test ran"), "{printed}");
            assert_eq!(last_line(&printed), "0 passed, 0 failed");
        }
    }

    #[test]
    fn exercises_count_like_tests() {
        let (mut good, _) = summarise(&["running 3 tests", PASSED], true);
        good.add_exercises(VerifyCounts {
            proved: 5,
            failed: 0,
        });
        assert_eq!((good.passed, good.failed, good.is_success), (8, 0, true));

        let (mut bad, _) = summarise(&["running 3 tests", PASSED], true);
        bad.add_exercises(VerifyCounts {
            proved: 4,
            failed: 1,
        });
        assert_eq!((bad.passed, bad.failed, bad.is_success), (7, 1, false));
        assert!(
            bad.notes[0].starts_with("One exercise is not proved"),
            "{:?}",
            bad.notes
        );

        let (mut unknown, _) = summarise(&["running 3 tests", PASSED], true);
        unknown.add_failure("they could not be built".to_owned());
        assert_eq!(
            (unknown.passed, unknown.failed, unknown.is_success),
            (3, 1, false)
        );
    }

    #[test]
    fn run_that_did_not_start_is_a_failure() {
        let summary = TestSummary::not_started("Docker is not installed".to_owned());
        assert!(!summary.is_success);
        assert_eq!((summary.passed, summary.failed), (0, 1));
    }
}
