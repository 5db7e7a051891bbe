//! Counts tests from the output of test binaries: [`TestCounts`] reads each line.
//!
//! A test binary, and rustdoc for doctests, prints `running 12 tests` at its start. At its end it
//! prints `test result: ok. 12 passed; 0 failed; …`. A binary without a result has crashed, or a
//! test called `exit`. Cargo does not notice `exit(0)`, so the starts are counted too.
//!
//! A test that prints exactly such a line is counted as well: the output does not tell the two
//! apart.

use crate::terminal::text::strip_escapes;

/// The tests that were counted so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestCounts {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// Tests that did not run, because they carry `#[ignore]`.
    pub ignored: u64,
    started_binaries: u64,
    finished_binaries: u64,
}

impl TestCounts {
    /// Reads one line, with or without line ending and colours.
    pub fn read_line(&mut self, line: &str) {
        let line = strip_escapes(line);
        let line = line.trim_end_matches(['\r', '\n']);
        if is_start(line) {
            self.started_binaries += 1;
        } else if let Some([passed, failed, ignored]) = parse_result(line) {
            self.passed += passed;
            self.failed += failed;
            self.ignored += ignored;
            self.finished_binaries += 1;
        }
    }

    /// How many test binaries started and printed no result.
    pub fn unfinished_binaries(&self) -> u64 {
        self.started_binaries.saturating_sub(self.finished_binaries)
    }
}

/// `running 1 test`, `running 12 tests`.
fn is_start(line: &str) -> bool {
    let Some(rest) = line.strip_prefix("running ") else {
        return false;
    };
    let number = rest
        .strip_suffix(" tests")
        .or_else(|| rest.strip_suffix(" test"));
    number.is_some_and(|number| number.parse::<u64>().is_ok())
}

/// The numbers passed, failed and ignored from a line such as
/// `test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; …`.
///
/// Every part has to be at its place, so that a line that only looks similar does not count.
fn parse_result(line: &str) -> Option<[u64; 3]> {
    let rest = line.strip_prefix("test result: ")?;
    let rest = rest
        .strip_prefix("ok. ")
        .or_else(|| rest.strip_prefix("FAILED. "))?;
    let mut parts = rest.split("; ");
    let mut next = |word: &str| -> Option<u64> { parts.next()?.strip_suffix(word)?.parse().ok() };
    let counts = [next(" passed")?, next(" failed")?, next(" ignored")?];
    next(" measured")?;
    next(" filtered out")?;
    Some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(lines: &[&str]) -> TestCounts {
        let mut test_counts = TestCounts::default();
        for line in lines {
            test_counts.read_line(line);
        }
        test_counts
    }

    fn numbers(test_counts: &TestCounts) -> [u64; 3] {
        [test_counts.passed, test_counts.failed, test_counts.ignored]
    }

    #[test]
    fn results_of_several_binaries_add_up() {
        let test_counts = count(&[
            "running 13 tests\n",
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n",
            "running 5 tests\n",
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 7 filtered out; finished in 1.20s\n",
        ]);
        assert_eq!(numbers(&test_counts), [15, 2, 1]);
        assert_eq!(test_counts.unfinished_binaries(), 0);
    }

    #[test]
    fn benchmarks_and_filtered_tests_do_not_count() {
        let line = "test result: ok. 0 passed; 0 failed; 0 ignored; 4 measured; 9 filtered out; finished in 0.00s";
        assert_eq!(numbers(&count(&[line])), [0, 0, 0]);
    }

    #[test]
    fn colours_do_not_hide_results() {
        let ansi = "test result: \u{1b}[32mok\u{1b}[0m. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";
        let terminfo = "test result: \u{1b}[31mFAILED\u{1b}(B\u{1b}[m. 0 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(numbers(&count(&[ansi, terminfo])), [2, 3, 0]);
    }

    #[test]
    fn windows_line_endings_do_not_hide_results() {
        let line = "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\r\n";
        assert_eq!(numbers(&count(&["running 2 tests\r\n", line])), [2, 0, 0]);
    }

    #[test]
    fn similar_lines_do_not_count() {
        let test_counts = count(&[
            "> test result: ok. 9 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
            " test result: ok. 9 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
            "test result: fine. 9 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
            "test result: ok. many passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
            "test result: ok. 9 passed; 0 failed",
            "test result: ok. 9 passed; 0 failed; 0 ignored; 0 measured",
            "test result: ok. 0 failed; 9 passed; 0 ignored; 0 measured; 0 filtered out",
            "test result: ",
            "running a marathon of tests",
            "running 3 tests in my head",
            "the server is running 3 tests",
        ]);
        assert_eq!(test_counts, TestCounts::default());
    }

    #[test]
    fn binary_without_result_is_unfinished() {
        let result = "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";
        let test_counts = count(&["running 1 test", "running 4 tests", result]);
        assert_eq!(test_counts.unfinished_binaries(), 1);
    }
}
