//! The result of `cargo workshop test`: [`TestSummary`] prints the notes and the total.
//!
//! Every run that is not certainly a success is a failure. Cargo's exit code is not enough: a test
//! that calls `exit(0)` and a filter that matches no test look like success. The counts are not
//! enough either: code that does not compile has no failed test.

use std::io::{self, Write};

use crate::run::cargo_test::CargoTestResult;
use crate::verify::VerifyCounts;

/// The total of a run.
#[derive(Debug, Default)]
pub struct TestSummary {
    /// What happened besides failed tests, and what to do.
    notes: Vec<String>,
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl TestSummary {
    /// The summary of a run of `cargo test`.
    pub fn new(result: &CargoTestResult) -> Self {
        let counts = &result.counts;
        let unfinished = counts.unfinished_binaries();
        let mut summary = TestSummary {
            notes: Vec::new(),
            passed: counts.passed,
            failed: counts.failed + unfinished,
            ignored: counts.ignored,
        };
        if unfinished > 0 {
            summary.notes.push(format!(
                "Test binaries without a result: {unfinished}. A test crashed, was killed, or \
                 called exit; each binary\n\
                 counts as one failed test. Look above for the binary without a \"test result\", \
                 and run its package with\n\
                 `cargo workshop test -p PACKAGE -- --nocapture --test-threads=1` to see its last \
                 test."
            ));
        } else if !result.success && summary.failed == 0 {
            summary.add_failure(format!(
                "cargo stopped ({}) although no test failed. Most often, something does not \
                 compile, or there is\n\
                 no package of that name. Look above for cargo's message, which begins with \
                 \"error\".",
                result.status
            ));
        } else if counts.passed + summary.failed == 0 {
            let note = "No test ran, so nothing is proved. If you gave a name after `--`, no test \
                        has it in its own name;\n`cargo workshop test` alone runs them all.";
            summary.notes.push(note.to_owned());
        }
        summary
    }

    /// Adds the exercises, each of which counts like a test.
    pub fn add_exercises(&mut self, counts: VerifyCounts) {
        self.passed += counts.proved as u64;
        self.failed += counts.failed as u64;
        if counts.failed > 0 {
            self.notes.push(format!(
                "Exercises that are not proved: {}. The reason is above; `cargo workshop verify ID` \
                 repeats one.",
                counts.failed
            ));
        }
    }

    /// Adds a failure that is no failed test. `reason` also says what to do.
    pub fn add_failure(&mut self, reason: String) {
        self.notes.push(reason);
        self.failed += 1;
    }

    /// Whether the exit code is 0.
    pub fn is_success(&self) -> bool {
        self.failed == 0 && self.passed > 0
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

    #[test]
    fn only_certain_success_is_success() {
        let passed = [3, 0, 0, 1, 1];
        // passed, failed, ignored, started and finished binaries; success of cargo; note; total
        for (counts, success, note, total) in [
            (passed, true, "", "3 passed, 0 failed"),
            ([1, 0, 2, 1, 1], true, "", "1 passed, 0 failed, 2 skipped"),
            ([6, 1, 0, 2, 2], false, "", "6 passed, 1 failed"),
            ([0; 5], false, "does not compile", "0 passed, 1 failed"),
            (
                [3, 0, 0, 2, 1],
                false,
                "without a result",
                "3 passed, 1 failed",
            ),
            // A test that calls `exit(0)` hides the other tests.
            (
                [3, 0, 0, 2, 1],
                true,
                "without a result",
                "3 passed, 1 failed",
            ),
            ([0; 5], true, "No test ran", "0 passed, 0 failed"),
            ([0, 0, 0, 1, 1], true, "No test ran", "0 passed, 0 failed"),
        ] {
            let status = "exit status: 101".to_owned();
            let summary = TestSummary::new(&CargoTestResult {
                counts: TestCounts::new(counts),
                success,
                status,
            });
            let mut printed = Vec::new();
            summary.print(&mut printed).unwrap();
            let printed = String::from_utf8(printed).unwrap();

            let is_expected = printed.contains(note) && printed.ends_with(&format!("\n{total}\n"));
            assert!(is_expected, "{counts:?}: {printed}");
            assert_eq!(printed.lines().count() == 2, note.is_empty(), "{printed}");
            let is_good = success && note.is_empty();
            assert_eq!(summary.is_success(), is_good, "{printed}");
        }
    }

    #[test]
    fn exercises_count_like_tests() {
        for (proved, failed, is_success) in [(5, 0, true), (4, 1, false)] {
            let mut summary = TestSummary::default();
            summary.add_exercises(VerifyCounts { proved, failed });
            assert_eq!(summary.passed, proved as u64);
            assert_eq!(summary.is_success(), is_success, "{:?}", summary.notes);
        }
    }
}
