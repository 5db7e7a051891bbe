//! Parses the report of a test binary: [`TestReport::parse`] reads libtest's human-readable text.
//!
//! libtest's JSON format is unstable. The text has three kinds of lines that matter:
//! `test NAME ... ok` is a result, `---- NAME stdout ----` starts the output of a failed test, and
//! `thread 'NAME' panicked at FILE:LINE:COLUMN:` stands before a panic's message.

use super::test_counts::TestCounts;

/// The message of every `todo!`.
pub const TODO_MESSAGE: &str = "not yet implemented";

/// The report of one test binary. It may be incomplete.
#[derive(Debug, Default)]
pub struct TestReport {
    /// How many tests passed.
    pub passed: usize,
    /// How many tests carry `#[ignore]`.
    pub ignored: usize,
    /// The failed tests, in the binary's order until [`sort_failures`](Self::sort_failures).
    pub failures: Vec<TestFailure>,
    /// Whether the report has its last line, and this line agrees with the results.
    pub is_complete: bool,
    /// The names of the tests that have a result.
    pub finished_tests: Vec<String>,
}

/// One failed test.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestFailure {
    /// The test's name.
    pub test: String,
    /// All panics while the test ran, also on other threads.
    pub panics: Vec<Panic>,
    /// The rest of its output.
    pub output: String,
}

/// One panic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Panic {
    /// The thread's name. A test's own thread has the test's name.
    pub thread: String,
    /// The source file.
    pub file: String,
    /// The line in the file.
    pub line: u64,
    /// The message.
    pub message: String,
}

impl TestFailure {
    /// The panic that explains the failure best: a `todo!` on any thread, else the panic on the
    /// test's own thread, else the last one.
    pub fn panic(&self) -> Option<&Panic> {
        let own = |panic: &&Panic| panic.thread == self.test;
        self.panics
            .iter()
            .find(|panic| panic.is_todo())
            .or_else(|| self.panics.iter().rev().find(own))
            .or(self.panics.last())
    }

    /// The panic's message. A test that returns an error has no panic, but prints the error.
    pub fn message(&self) -> &str {
        self.panic()
            .map_or(self.output.trim(), |panic| &panic.message)
    }

    /// Whether the test failed because of a `todo!`.
    pub fn is_todo(&self) -> bool {
        self.panics.iter().any(Panic::is_todo)
    }
}

impl Panic {
    fn is_todo(&self) -> bool {
        self.message.starts_with(TODO_MESSAGE)
    }
}

impl TestReport {
    /// Parses the standard output of a test binary.
    pub fn parse(text: &str) -> TestReport {
        let mut report = TestReport::default();
        let mut counts = TestCounts::default();
        let mut outputs: Vec<(String, String)> = Vec::new();
        let mut is_in_summary = false;
        for line in text.lines() {
            counts.read_line(line);
            if let Some(test) = line
                .strip_prefix("---- ")
                .and_then(|rest| rest.strip_suffix(" stdout ----"))
            {
                outputs.push((test.to_owned(), String::new()));
                is_in_summary = false;
            } else if line == "failures:" || line.starts_with("test result: ") {
                // `failures:` comes twice: before the outputs, and before the list of names.
                is_in_summary = true;
            } else if let (Some((_, output)), false) = (outputs.last_mut(), is_in_summary) {
                output.push_str(line);
                output.push('\n');
            } else if outputs.is_empty() {
                report.add_result(line);
            }
        }
        for failure in &mut report.failures {
            if let Some((_, output)) = outputs.iter().find(|(test, _)| *test == failure.test) {
                (failure.panics, failure.output) = parse_panics(output);
            }
        }
        let numbers =
            [report.passed, report.failures.len(), report.ignored].map(|number| number as u64);
        report.is_complete = counts.unfinished_binaries() == 0
            && !report.finished_tests.is_empty()
            && numbers == [counts.passed, counts.failed, counts.ignored];
        report
    }

    /// Reads a line such as `test NAME ... ok`.
    fn add_result(&mut self, line: &str) {
        let Some((test, result)) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.rsplit_once(" ... "))
        else {
            return;
        };
        let test = test
            .strip_suffix(" - should panic")
            .unwrap_or(test)
            .to_owned();
        if result == "ok" {
            self.passed += 1;
        } else if result.starts_with("ignored") {
            self.ignored += 1;
        } else if result == "FAILED" {
            self.failures.push(TestFailure {
                test: test.clone(),
                ..TestFailure::default()
            });
        } else {
            return;
        }
        self.finished_tests.push(test);
    }

    /// Sorts the failures by their position in this list, which is the author's teaching order.
    /// libtest sorts by name. A failed test may be in a module that the list does not name.
    pub fn sort_failures(&mut self, order: &[String]) {
        self.failures.sort_by_key(|failure| {
            let is_failed = |name: &String| {
                let module = failure.test.strip_suffix(name.as_str());
                module.is_some_and(|module| module.is_empty() || module.ends_with("::"))
            };
            order.iter().position(is_failed).unwrap_or(usize::MAX)
        });
    }

    /// How many tests have a result.
    pub fn total(&self) -> usize {
        self.finished_tests.len()
    }

    /// Whether the report is complete, has at least one test, and every test passed.
    pub fn all_passed(&self) -> bool {
        self.is_complete && self.passed > 0 && self.failures.is_empty() && self.ignored == 0
    }
}

/// The panics in a test's output, and the rest of the output.
fn parse_panics(text: &str) -> (Vec<Panic>, String) {
    let mut panics: Vec<Panic> = Vec::new();
    let mut output = String::new();
    let mut is_message = false;
    for line in text.lines() {
        if let Some(panic) = parse_panic_location(line) {
            panics.push(panic);
            is_message = true;
        } else if line.starts_with("note: run with `RUST_BACKTRACE") || line == "stack backtrace:" {
            is_message = false;
        } else if let (true, Some(panic)) = (is_message, panics.last_mut()) {
            panic.message.push_str(line);
            panic.message.push('\n');
        } else {
            output.push_str(line);
            output.push('\n');
        }
    }
    for panic in &mut panics {
        panic.message.truncate(panic.message.trim_end().len());
    }
    (panics, output.trim().to_owned())
}

/// Parses `thread 'NAME' (4711) panicked at FILE:LINE:COLUMN:`. Rust prints the number since 1.91.
fn parse_panic_location(line: &str) -> Option<Panic> {
    let (thread, rest) = line.strip_prefix("thread '")?.split_once('\'')?;
    let (_, location) = rest.split_once(" panicked at ")?;
    let mut parts = location.strip_suffix(':')?.rsplitn(3, ':');
    let _column: u64 = parts.next()?.parse().ok()?;
    let line = parts.next()?.parse().ok()?;
    Some(Panic {
        thread: thread.to_owned(),
        file: parts.next()?.to_owned(),
        line,
        message: String::new(),
    })
}

/// A test's name as words: `killed_clone_loses_no_session` becomes `killed clone loses no session`.
pub fn test_name_as_words(test: &str) -> String {
    test.replace("::", ": ").replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded from Rust 1.95.
    const FAILED_RUN: &str = "
running 4 tests
test a_queue_is_fair ... FAILED
test it_counts - should panic ... ok
test waits_too_long ... ignored
test it_counts_to_two ... FAILED

failures:

---- a_queue_is_fair stdout ----
connecting
thread 'tokio-rt-worker' (812) panicked at src/lib.rs:3:5:
not yet implemented: take the next job
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace

thread 'a_queue_is_fair' (811) panicked at tests/x.rs:9:10:
called `Result::unwrap()` on an `Err` value: Closed

---- it_counts_to_two stdout ----

thread 'it_counts_to_two' (813) panicked at C:\\w\\tests\\x.rs:17:5:
assertion `left == right` failed: one was counted twice

failures:
  left: 3
 right: 2
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace


failures:
    a_queue_is_fair
    it_counts_to_two

test result: FAILED. 1 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s

";

    #[test]
    fn tests_and_failure_messages_are_parsed() {
        let text = FAILED_RUN.replace("\n\nfailures:\n  left", "\n  left");
        let report = TestReport::parse(&text);

        assert_eq!(
            (report.passed, report.failures.len(), report.ignored),
            (1, 2, 1)
        );
        assert!(report.is_complete && !report.all_passed());
        let second = &report.failures[1];
        assert_eq!(
            second.message(),
            "assertion `left == right` failed: one was counted twice\n  left: 3\n right: 2"
        );
        let panic = second.panic().unwrap();
        assert_eq!(
            (panic.file.as_str(), panic.line),
            ("C:\\w\\tests\\x.rs", 17)
        );
    }

    #[test]
    fn todo_on_another_thread_explains_the_failure() {
        let report = TestReport::parse(FAILED_RUN);
        let first = &report.failures[0];
        assert!(first.is_todo());
        assert_eq!(first.message(), "not yet implemented: take the next job");
        assert_eq!(first.output, "connecting");
        assert_eq!(first.panics.len(), 2);
    }

    #[test]
    fn failures_have_the_order_of_the_list() {
        let order = ["counts_to_two", "it_counts_to_two", "a_queue_is_fair"].map(str::to_owned);
        let sorted = |text: &str| {
            let mut report = TestReport::parse(text);
            report.sort_failures(&order);
            report.failures.remove(0).test
        };
        assert_eq!(sorted(FAILED_RUN), "it_counts_to_two");
        let in_module = FAILED_RUN.replace("it_counts_to_two", "wrong::it_counts_to_two");
        assert_eq!(sorted(&in_module), "wrong::it_counts_to_two");
    }

    #[test]
    fn returned_error_is_the_message() {
        let text = "running 1 test\ntest x ... FAILED\n\nfailures:\n\n---- x stdout ----\n\
                    Error: \"no server\"\n\n\nfailures:\n    x\n\n\
                    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out";
        let report = TestReport::parse(text);
        assert_eq!(report.failures[0].message(), "Error: \"no server\"");
        assert!(report.is_complete);
    }

    #[test]
    fn only_complete_reports_without_ignored_tests_pass() {
        let end = "failed; 0 ignored; 0 measured; 0 filtered out\n";
        let good = format!("running 1 test\ntest a ... ok\n\ntest result: ok. 1 passed; 0 {end}");
        let ignoring = good
            .replace("... ok\n", "... ok\ntest b ... ignored, too slow\n")
            .replace("0 ignored", "1 ignored");
        for (text, is_complete, finished, all_passed) in [
            (good.as_str(), true, &["a"][..], true),
            (&ignoring, true, &["a", "b"], false),
            ("", false, &[], false),
            ("running 2 tests\ntest a ... ok\n", false, &["a"], false),
            (
                &format!("running 0 tests\n\ntest result: ok. 0 passed; 0 {end}"),
                false,
                &[],
                false,
            ),
        ] {
            let report = TestReport::parse(text);
            assert_eq!(report.is_complete, is_complete, "{text}");
            assert_eq!(report.finished_tests, finished, "{text}");
            assert_eq!(report.all_passed(), all_passed, "{text}");
        }
    }

    #[test]
    fn test_name_becomes_words() {
        assert_eq!(
            test_name_as_words("killed_clone_loses_no_session"),
            "killed clone loses no session"
        );
        assert_eq!(
            test_name_as_words("redis::server_is_down"),
            "redis: server is down"
        );
    }
}
