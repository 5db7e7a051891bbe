//! Counts tests by reading along: [`Tally`] looks at each line that the test binaries print.
//!
//! Two kinds of line matter. Each test binary, and rustdoc for the examples in the documentation, begins with
//! `running 12 tests` and ends with `test result: ok. 12 passed; 0 failed; …`. A binary that began and did not end has
//! crashed, or one of its tests has called `exit`; cargo itself does not notice the latter, so the beginnings are counted too.
//!
//! Left out: the names of the tests, and output that is not for people (`--format json`). A test that prints exactly such
//! a line at the beginning of a line is counted, for nothing tells the two apart.

/// What has been counted so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// Tests that were there and did not run, because they carry `#[ignore]`.
    pub skipped: u64,
    started: u64,
    finished: u64,
}

impl Tally {
    /// Takes notice of one line, with or without its line ending and colours.
    pub fn read_line(&mut self, line: &str) {
        let line = without_escapes(line);
        let line = line.trim_end_matches(['\r', '\n']);
        if is_beginning(line) {
            self.started += 1;
        } else if let Some([passed, failed, skipped]) = parse_result(line) {
            self.passed += passed;
            self.failed += failed;
            self.skipped += skipped;
            self.finished += 1;
        }
    }

    /// How many test binaries began and never said how they ended.
    pub fn unfinished(&self) -> u64 {
        self.started.saturating_sub(self.finished)
    }
}

/// `running 1 test`, `running 12 tests`.
fn is_beginning(line: &str) -> bool {
    let Some(rest) = line.strip_prefix("running ") else {
        return false;
    };
    let number = rest
        .strip_suffix(" tests")
        .or_else(|| rest.strip_suffix(" test"));
    number.is_some_and(|number| number.parse::<u64>().is_ok())
}

/// Passed, failed and ignored from `test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; …`.
///
/// Every part must be where libtest puts it, so that a line which merely looks similar counts for nothing.
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

/// The text without terminal escape sequences (ECMA-48, 5.4 and 8.3). libtest takes its colours from terminfo, so besides
/// the usual `ESC [ 3 2 m` there are short ones such as `ESC ( B`.
pub(crate) fn without_escapes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char != '\u{1b}' {
            plain.push(char);
            continue;
        }
        let mut next = chars.next();
        let last = if next == Some('[') {
            next = chars.next();
            '@'..='~'
        } else {
            '0'..='~'
        };
        while next.is_some_and(|char| !last.contains(&char)) {
            next = chars.next();
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(lines: &[&str]) -> Tally {
        let mut tally = Tally::default();
        for line in lines {
            tally.read_line(line);
        }
        tally
    }

    fn counts(tally: &Tally) -> [u64; 3] {
        [tally.passed, tally.failed, tally.skipped]
    }

    #[test]
    fn results_of_several_binaries_add_up() {
        let tally = tally(&[
            "running 13 tests\n",
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n",
            "running 5 tests\n",
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 7 filtered out; finished in 1.20s\n",
        ]);
        assert_eq!(counts(&tally), [15, 2, 1]);
        assert_eq!(tally.unfinished(), 0);
    }

    #[test]
    fn benchmarks_and_filtered_tests_are_not_tests_that_passed() {
        let line = "test result: ok. 0 passed; 0 failed; 0 ignored; 4 measured; 9 filtered out; finished in 0.00s";
        assert_eq!(counts(&tally(&[line])), [0, 0, 0]);
    }

    #[test]
    fn colours_do_not_hide_a_result() {
        let ansi = "test result: \u{1b}[32mok\u{1b}[0m. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";
        let terminfo = "test result: \u{1b}[31mFAILED\u{1b}(B\u{1b}[m. 0 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(counts(&tally(&[ansi, terminfo])), [2, 3, 0]);
    }

    #[test]
    fn a_windows_line_ending_does_not_hide_a_result() {
        let line = "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\r\n";
        assert_eq!(counts(&tally(&["running 2 tests\r\n", line])), [2, 0, 0]);
    }

    #[test]
    fn what_merely_looks_like_a_result_counts_for_nothing() {
        let tally = tally(&[
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
        assert_eq!(tally, Tally::default());
    }

    #[test]
    fn a_binary_that_began_and_gave_no_result_is_missed() {
        let result = "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";
        let tally = tally(&["running 1 test", "running 4 tests", result]);
        assert_eq!(tally.unfinished(), 1);
    }
}
