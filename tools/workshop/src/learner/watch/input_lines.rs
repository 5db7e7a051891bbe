//! The lines that the learner types: [`InputLines`] can look ahead for `q` while a check runs.

use std::io::{self, BufRead};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// A queue of typed lines.
pub struct InputLines {
    receiver: Receiver<String>,
    pending: Vec<String>,
    is_open: bool,
}

impl InputLines {
    /// The lines of the standard input, which a thread of its own reads.
    pub fn from_stdin() -> Self {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            for line in io::stdin().lock().lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self::new(receiver)
    }

    /// The lines of a channel.
    pub fn new(receiver: Receiver<String>) -> Self {
        InputLines {
            receiver,
            pending: Vec::new(),
            is_open: true,
        }
    }

    /// Whether more lines may come.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// The next line, if there is one before the timeout.
    pub fn next(&mut self, timeout: Duration) -> Option<String> {
        if !self.pending.is_empty() {
            return Some(self.pending.remove(0));
        }
        if !self.is_open {
            thread::sleep(timeout);
            return None;
        }
        match self.receiver.recv_timeout(timeout) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                self.is_open = false;
                None
            }
        }
    }

    /// Whether the learner has typed `q`. Other lines stay in the queue.
    pub fn wants_to_quit(&mut self) -> bool {
        self.pending.extend(self.receiver.try_iter());
        self.pending
            .iter()
            .any(|line| matches!(line.trim(), "q" | "quit"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_input_does_not_quit() {
        let (typed, receiver) = mpsc::channel::<String>();
        drop(typed);
        let mut lines = InputLines::new(receiver);

        assert_eq!(lines.next(Duration::ZERO), None);
        assert!(!lines.is_open && !lines.wants_to_quit());
    }
}
