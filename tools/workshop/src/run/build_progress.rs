//! Shows the progress of a build: [`BuildProgress`] reads what cargo writes to its standard error.

use std::io::{self, BufReader, Read, Write};
use std::iter;
use std::time::{Duration, Instant};

use super::status_line::StatusLine;
use crate::terminal::text;
use crate::terminal::text::strip_escapes;

/// How long the estimate waits: at first, cargo counts what is built already.
const SKIPPED: Duration = Duration::from_secs(2);

/// The status line of one build. It appears when cargo builds a package that takes long.
pub struct BuildProgress<'a, F> {
    /// What happens, such as `building the testbed (once)`.
    name: &'a str,
    is_quick: F,
    line: StatusLine<'a>,
    began: Instant,
    /// When the estimate begins, and the number of steps that were done by then.
    start: Option<(Instant, usize)>,
    is_long: bool,
}

impl<'a, F: Fn(&str) -> bool> BuildProgress<'a, F> {
    /// A build with its name. `is_quick` names the packages that build in a moment.
    pub fn new(name: &'a str, is_quick: F, messages: &'a mut dyn Write, is_terminal: bool) -> Self {
        BuildProgress {
            name,
            is_quick,
            line: StatusLine::new(messages, is_terminal),
            began: Instant::now(),
            start: None,
            is_long: false,
        }
    }

    /// Reads one line of cargo. Returns false if it is about something else than progress.
    pub fn read(&mut self, line: &str) -> io::Result<bool> {
        let plain = strip_escapes(line);
        let text = plain.trim_start();
        let mut words = text.split_whitespace();
        let first_word = words.next().unwrap_or_default();
        // Cargo indents its status messages.
        if text.len() == plain.len() {
            return Ok(first_word.is_empty() && !line.is_empty());
        }
        match first_word {
            "Compiling" | "Downloading" | "Downloaded" | "Updating" => {
                let is_long = !words.next().is_some_and(&self.is_quick);
                if is_long && !self.is_long {
                    self.is_long = true;
                    self.line.show(format!("{}…", self.name))?;
                }
            }
            "Building" => {
                if let Some((done, total)) = parse_steps(text) {
                    self.show_steps(done, total)?;
                }
            }
            "Blocking" => self.line.print(line)?,
            "Finished" | "Executable" | "Locking" | "Adding" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn show_steps(&mut self, done: usize, total: usize) -> io::Result<()> {
        if self.began.elapsed() < SKIPPED {
            self.start = Some((Instant::now(), done));
        }
        let (start, done_before) = *self.start.get_or_insert((Instant::now(), done));
        if !self.is_long {
            return Ok(());
        }
        let left = seconds_left(
            start.elapsed().as_secs(),
            done - done_before.min(done),
            total - done,
        );
        let estimate = left.map_or_else(String::new, |left| format!(", about {left} left"));
        let name = self.name;
        let text = format!("{name}: {done} of {total}{estimate}");
        self.line.show(text)
    }
}

/// The numbers in `Building [==>   ] 12/250: libc, serde`.
fn parse_steps(text: &str) -> Option<(usize, usize)> {
    let (_, rest) = text.split_once("] ")?;
    let (done, total) = rest
        .split_once(':')
        .unwrap_or((rest, ""))
        .0
        .split_once('/')?;
    let (done, total): (usize, usize) = (done.parse().ok()?, total.trim().parse().ok()?);
    (done <= total).then_some((done, total))
}

/// How long the rest of a build takes if all steps take the same time. None for a bad estimate.
fn seconds_left(seconds: u64, done: usize, left: usize) -> Option<String> {
    if seconds < 3 || done == 0 {
        return None;
    }
    let left = seconds * left as u64 / done as u64;
    Some(match left {
        0..=90 => format!("{} s", left / 10 * 10 + 10),
        _ => text::minutes((left as i64 + 30) / 60),
    })
}

/// The lines of a pipe. Cargo ends a progress bar with `\r`.
pub fn lines(pipe: impl Read) -> impl Iterator<Item = io::Result<String>> {
    let mut bytes = BufReader::new(pipe).bytes();
    iter::from_fn(move || {
        let mut line = Vec::new();
        loop {
            match bytes.next() {
                None if line.is_empty() => return None,
                None | Some(Ok(b'\n' | b'\r')) => break,
                Some(Ok(byte)) => line.push(byte),
                Some(Err(error)) => return Some(Err(error)),
            }
        }
        Some(Ok(String::from_utf8_lossy(&line).into_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is shown, and the lines that are no progress.
    fn read(text: &str, is_terminal: bool) -> (String, Vec<String>) {
        let mut messages = Vec::new();
        let is_quick = |name: &str| name == "round_robin";
        let mut progress =
            BuildProgress::new("building (once)", is_quick, &mut messages, is_terminal);
        let mut lines: Vec<String> = lines(text.as_bytes()).map(Result::unwrap).collect();
        lines.retain(|line| !progress.read(line).unwrap());
        drop(progress);
        (strip_escapes(&String::from_utf8(messages).unwrap()), lines)
    }

    #[test]
    fn quick_builds_print_nothing() {
        let text = "   Compiling round_robin v0.1.0 (/w/exercises/x)\n\
                    \u{1b}[1m\u{1b}[96m    Building\u{1b}[0m [==>  ] 1/2: round_robin \r\u{1b}[K\
                    \u{1b}[1m    Finished\u{1b}[0m `test` profile\n  \
                    Executable tests/x.rs (target/x)\n";
        assert_eq!(read(text, true), (String::new(), vec![]));
    }

    // Recorded from Rust 1.95.
    const LONG_BUILD: &str = "\u{1b}[1m\u{1b}[92m   Compiling\u{1b}[0m winnow v1.0.5\n\
        \u{1b}[1m\u{1b}[96m    Building\u{1b}[0m [>     ] 1/16: serde_core(build), winnow   \r\u{1b}[K\
        \u{1b}[1m\u{1b}[92m   Compiling\u{1b}[0m anyhow v1.0.104\n\
        \u{1b}[1m\u{1b}[96m    Building\u{1b}[0m [====> ] 13/16: a(test)   \r\u{1b}[K    \
        Blocking waiting for file lock\n";

    #[test]
    fn long_build_has_one_line() {
        let (messages, others) = read(LONG_BUILD, true);
        assert_eq!(
            messages,
            "\rbuilding (once)…\rbuilding (once): 1 of 16\
             \rbuilding (once): 13 of 16\r    Blocking waiting for file lock\n"
        );
        assert!(others.is_empty(), "{others:?}");

        let (messages, _) = read(LONG_BUILD, false);
        assert_eq!(
            messages,
            "building (once)…\n    Blocking waiting for file lock\n"
        );
    }

    #[test]
    fn errors_are_no_progress() {
        let text = "error: failed to parse manifest at `/w/Cargo.toml`\n\nCaused by:\n  something";
        let (messages, others) = read(text, false);
        assert_eq!((messages.as_str(), others.join("\n").as_str()), ("", text));
    }

    #[test]
    fn estimates_are_rounded_up() {
        assert_eq!(seconds_left(2, 5, 100), None);
        assert_eq!(seconds_left(10, 0, 100), None);
        assert_eq!(seconds_left(10, 50, 100).unwrap(), "30 s");
        assert_eq!(seconds_left(60, 50, 100).unwrap(), "2 minutes");
    }
}
