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

    impl TestCounts {
        /// Passed, failed, ignored, started binaries, finished binaries.
        pub fn new(numbers: [u64; 5]) -> Self {
            let [passed, failed, ignored, started_binaries, finished_binaries] = numbers;
            TestCounts {
                passed,
                failed,
                ignored,
                started_binaries,
                finished_binaries,
            }
        }
    }

    #[test]
    fn results_are_counted() {
        let rest = "0 measured; 7 filtered out";
        for (lines, numbers) in [
            (
                format!(
                    "running 13 tests\ntest result: ok. 12 passed; 0 failed; 1 ignored; {rest}\n\
                     running 5 tests\n\
                     test result: FAILED. 3 passed; 2 failed; 0 ignored; {rest}; finished in 1.20s"
                ),
                [15, 2, 1, 2, 2],
            ),
            // A benchmark, and tests that a filter excludes.
            (
                "test result: ok. 0 passed; 0 failed; 0 ignored; 4 measured; 9 filtered out".into(),
                [0, 0, 0, 0, 1],
            ),
            // Colours from ANSI and from terminfo.
            (
                format!(
                    "test result: \u{1b}[32mok\u{1b}[0m. 2 passed; 0 failed; 0 ignored; {rest}\n\
                     test result: \u{1b}[31mFAILED\u{1b}(B\u{1b}[m. 0 passed; 3 failed; 0 ignored; \
                     {rest}"
                ),
                [2, 3, 0, 0, 2],
            ),
            // Windows.
            (
                format!(
                    "running 2 tests\r\ntest result: ok. 2 passed; 0 failed; 0 ignored; {rest}\r"
                ),
                [2, 0, 0, 1, 1],
            ),
            // A binary without a result.
            (
                format!(
                    "running 1 test\nrunning 4 tests\n\
                     test result: ok. 1 passed; 0 failed; 0 ignored; {rest}"
                ),
                [1, 0, 0, 2, 1],
            ),
        ] {
            let mut counts = TestCounts::default();
            lines.split('\n').for_each(|line| counts.read_line(line));
            assert_eq!(counts, TestCounts::new(numbers), "{lines}");
        }
    }

    #[test]
    fn similar_lines_do_not_count() {
        let mut counts = TestCounts::default();
        for line in [
            "> test result: ok. 9 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
            " test result: ok. 9 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
            "test result: fine. 9 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
            "test result: ok. many passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
            "test result: ok. 9 passed; 0 failed; 0 ignored; 0 measured",
            "test result: ok. 0 failed; 9 passed; 0 ignored; 0 measured; 0 filtered out",
            "running a marathon of tests",
            "running 3 tests in my head",
            "the server is running 3 tests",
        ] {
            counts.read_line(line);
        }
        assert_eq!(counts, TestCounts::default());
    }
}
