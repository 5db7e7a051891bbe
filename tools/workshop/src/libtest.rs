//! What a test program reported: [`Report::parse`] reads the text that libtest prints for people.
//!
//! Its other format, JSON, is not stable. So this knows that `test NAME ... ok` tells of a test, `---- NAME stdout ----` begins what a failed
//! one said, and `thread 'NAME' panicked at FILE:LINE:COLUMN:` is followed by the message. Left out: benchmarks.

use crate::tally::Tally;

/// What every `todo!` says.
pub const TODO: &str = "not yet implemented";

/// A report, as far as it came.
#[derive(Debug, Default)]
pub struct Report {
    /// How many tests passed.
    pub passed: usize,
    /// How many carry `#[ignore]`.
    pub ignored: usize,
    /// Those that failed, with what is known of it. In the order of the program, unless [`sort_by`](Self::sort_by) was called.
    pub failures: Vec<Failure>,
    /// Whether it came to its end, and that end agrees with the rest.
    pub is_whole: bool,
    /// The names of the tests that have ended.
    pub ended: Vec<String>,
}

/// One failed test.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// Its name.
    pub test: String,
    /// All panics while it ran, also those of its other threads.
    pub panics: Vec<Panic>,
    /// What else it printed.
    pub printed: String,
}

/// One panic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Panic {
    /// The thread's name, which for a test's own thread is the test's.
    pub thread: String,
    /// The file.
    pub file: String,
    /// The line in it.
    pub line: u64,
    /// What it said.
    pub message: String,
}

impl Failure {
    /// The panic that says it best: a `todo!`, wherever it was met; else the one by which the test itself failed; else the last one.
    pub fn panic(&self) -> Option<&Panic> {
        let mut panics = self.panics.iter();
        let own = || {
            self.panics
                .iter()
                .rev()
                .find(|panic| panic.thread == self.test)
        };
        panics
            .find(|panic| panic.is_todo())
            .or_else(own)
            .or(self.panics.last())
    }

    /// What it said by that panic; or, if there was none, what it printed, where a test that returns an error tells of it.
    pub fn message(&self) -> &str {
        self.panic()
            .map_or(self.printed.trim(), |panic| &panic.message)
    }

    /// Whether it failed because something is still to do.
    pub fn is_todo(&self) -> bool {
        self.panics.iter().any(Panic::is_todo)
    }
}

impl Panic {
    fn is_todo(&self) -> bool {
        self.message.starts_with(TODO)
    }
}

impl Report {
    /// Reads the standard output of a test program.
    pub fn parse(text: &str) -> Report {
        let mut report = Report::default();
        let mut tally = Tally::default();
        let mut said: Vec<(String, String)> = Vec::new();
        let mut is_listing_failures = false;
        for line in text.lines() {
            tally.read_line(line);
            if let Some(test) = line
                .strip_prefix("---- ")
                .and_then(|rest| rest.strip_suffix(" stdout ----"))
            {
                said.push((test.to_owned(), String::new()));
                is_listing_failures = false;
            } else if line == "failures:" {
                // It comes twice: before what the failed tests said, and before the list of their names.
                is_listing_failures = true;
            } else if line.starts_with("test result: ") {
                is_listing_failures = true;
            } else if let (Some((_, text)), false) = (said.last_mut(), is_listing_failures) {
                text.push_str(line);
                text.push('\n');
            } else if said.is_empty() {
                report.take(line);
            }
        }
        for failure in &mut report.failures {
            if let Some((_, text)) = said.iter().find(|(test, _)| *test == failure.test) {
                (failure.panics, failure.printed) = panics(text);
            }
        }
        let counts =
            [report.passed, report.failures.len(), report.ignored].map(|count| count as u64);
        report.is_whole = tally.unfinished() == 0
            && !report.ended.is_empty()
            && counts == [tally.passed, tally.failed, tally.skipped];
        report
    }

    /// `test NAME ... ok`, or another ending.
    fn take(&mut self, line: &str) {
        let Some((test, ending)) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.rsplit_once(" ... "))
        else {
            return;
        };
        let test = test
            .strip_suffix(" - should panic")
            .unwrap_or(test)
            .to_owned();
        if ending == "ok" {
            self.passed += 1;
        } else if ending.starts_with("ignored") {
            self.ignored += 1;
        } else if ending == "FAILED" {
            self.failures.push(Failure {
                test: test.clone(),
                ..Failure::default()
            });
        } else {
            return;
        }
        self.ended.push(test);
    }

    /// Puts the failures into the order in which the tests stand in their file: libtest's is the alphabet's, the author's teaches.
    pub fn sort_by(&mut self, source: &str) {
        let position = |failure: &Failure| {
            let name = failure.test.rsplit("::").next().unwrap_or_default();
            source.find(&format!("fn {name}(")).unwrap_or(usize::MAX)
        };
        self.failures.sort_by_key(position);
    }

    /// How many tests ended, in whichever way.
    pub fn all(&self) -> usize {
        self.ended.len()
    }

    /// Whether all is well, if the program says so too: at least one test, all of them passed, and none left out.
    pub fn is_green(&self) -> bool {
        self.is_whole && self.passed > 0 && self.failures.is_empty() && self.ignored == 0
    }
}

/// The panics in what a test said, and the rest of it.
fn panics(text: &str) -> (Vec<Panic>, String) {
    let mut panics: Vec<Panic> = Vec::new();
    let mut printed = String::new();
    let mut is_message = false;
    for line in text.lines() {
        if let Some(panic) = beginning(line) {
            panics.push(panic);
            is_message = true;
        } else if line.starts_with("note: run with `RUST_BACKTRACE") || line == "stack backtrace:" {
            is_message = false;
        } else if let (true, Some(panic)) = (is_message, panics.last_mut()) {
            panic.message.push_str(line);
            panic.message.push('\n');
        } else {
            printed.push_str(line);
            printed.push('\n');
        }
    }
    for panic in &mut panics {
        panic.message.truncate(panic.message.trim_end().len());
    }
    (panics, printed.trim().to_owned())
}

/// `thread 'NAME' (4711) panicked at FILE:LINE:COLUMN:`; the number is not there before Rust 1.91.
fn beginning(line: &str) -> Option<Panic> {
    let (thread, rest) = line.strip_prefix("thread '")?.split_once('\'')?;
    let (_, place) = rest.split_once(" panicked at ")?;
    let mut parts = place.strip_suffix(':')?.rsplitn(3, ':');
    let _column: u64 = parts.next()?.parse().ok()?;
    let line = parts.next()?.parse().ok()?;
    Some(Panic {
        thread: thread.to_owned(),
        file: parts.next()?.to_owned(),
        line,
        message: String::new(),
    })
}

/// A test's name as a person would say it: `a_killed_clone_loses_no_session`, `rules::a_rule`.
pub fn sentence(test: &str) -> String {
    test.replace("::", ": ").replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As recorded from Rust 1.95.
    const RED: &str = "
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
    fn every_test_is_counted_and_a_failure_told_whole() {
        let text = RED.replace("\n\nfailures:\n  left", "\n  left");
        let report = Report::parse(&text);

        assert_eq!(
            (report.passed, report.failures.len(), report.ignored),
            (1, 2, 1)
        );
        assert!(report.is_whole && !report.is_green());
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
    fn a_todo_on_another_thread_is_what_the_test_failed_by() {
        let report = Report::parse(RED);
        let first = &report.failures[0];
        assert!(first.is_todo());
        assert_eq!(first.message(), "not yet implemented: take the next job");
        assert_eq!(first.printed, "connecting");
        assert_eq!(first.panics.len(), 2);
    }

    #[test]
    fn failures_stand_in_the_order_of_the_file() {
        let mut report = Report::parse(RED);
        report.sort_by(
            "fn it_counts() {}\nfn it_counts_to_two() {}\nasync fn a_queue_is_fair() {}\n",
        );
        assert_eq!(report.failures[0].test, "it_counts_to_two");
    }

    #[test]
    fn a_test_that_returns_an_error_is_told_by_it() {
        let text = "running 1 test\ntest x ... FAILED\n\nfailures:\n\n---- x stdout ----\nError: \"no server\"\n\n\nfailures:\n    x\n\n\
                    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out\n";
        let report = Report::parse(text);
        assert_eq!(report.failures[0].message(), "Error: \"no server\"");
        assert!(report.is_whole);
    }

    #[test]
    fn what_breaks_off_is_not_whole() {
        for text in [
            "",
            "running 2 tests\ntest a ... ok\n",
            "running 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n",
        ] {
            assert!(!Report::parse(text).is_green(), "{text}");
        }
        let report = Report::parse("running 2 tests\ntest a ... ok\n");
        assert_eq!(report.ended, ["a"]);
    }

    #[test]
    fn only_all_of_at_least_one_is_green() {
        let good = "running 1 test\ntest a ... ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n";
        assert!(Report::parse(good).is_green());
        let ignoring = good
            .replace(
                "test a ... ok\n",
                "test a ... ok\ntest b ... ignored, too slow\n",
            )
            .replace("0 ignored", "1 ignored");
        let report = Report::parse(&ignoring);
        assert!(report.is_whole && report.ended == ["a", "b"]);
        assert!(!report.is_green(), "an ignored test proves nothing");
    }

    #[test]
    fn a_name_is_a_sentence() {
        assert_eq!(
            sentence("a_killed_clone_loses_no_session"),
            "a killed clone loses no session"
        );
        assert_eq!(sentence("redis::it_is_away"), "redis: it is away");
    }
}
