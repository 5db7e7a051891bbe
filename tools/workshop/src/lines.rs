//! What a learner types while something runs: [`Lines`] takes it line by line, and can look ahead.
//!
//! Left out: where the lines come from, which is a thread that reads the standard input.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// What is typed.
pub struct Lines {
    receiver: Receiver<String>,
    waiting: Vec<String>,
    /// Whether more can come.
    is_open: bool,
}

impl Lines {
    /// Those that come from here.
    pub fn new(receiver: Receiver<String>) -> Self {
        Lines {
            receiver,
            waiting: Vec::new(),
            is_open: true,
        }
    }

    /// Whether more can come.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// The next line, if one comes in this time.
    pub fn next(&mut self, time: Duration) -> Option<String> {
        if !self.waiting.is_empty() {
            return Some(self.waiting.remove(0));
        }
        if !self.is_open {
            thread::sleep(time);
            return None;
        }
        match self.receiver.recv_timeout(time) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                self.is_open = false;
                None
            }
        }
    }

    /// Whether somebody has typed that they want no more. What else they typed waits.
    pub fn wants_to_quit(&mut self) -> bool {
        self.waiting.extend(self.receiver.try_iter());
        self.waiting
            .iter()
            .any(|line| matches!(line.trim(), "q" | "quit"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_closed_input_does_not_end_the_watching() {
        let (typed, receiver) = mpsc::channel::<String>();
        drop(typed);
        let mut lines = Lines::new(receiver);

        assert_eq!(lines.next(Duration::ZERO), None);
        assert!(!lines.is_open && !lines.wants_to_quit());
    }
}
