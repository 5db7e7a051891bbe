//! The way of Rails: for some time after a write, a session reads from the primary.
//!
//! It is wrong when the lag is larger than the window. The chapter uses tokens; this type is here
//! for comparison.

use std::time::{Duration, Instant};

use super::consistency::Consistency;

// ANCHOR: time_window
/// The reads of one session.
#[derive(Clone, Copy, Debug)]
pub struct TimeWindow {
    window: Duration,
    last_write: Option<Instant>,
}

impl TimeWindow {
    /// A session that has not written yet.
    pub fn new(window: Duration) -> Self {
        TimeWindow {
            window,
            last_write: None,
        }
    }

    /// The session has written.
    pub fn record_write(&mut self, now: Instant) {
        self.last_write = Some(now);
    }

    /// What a read of the session demands. No position, only a guess about the lag.
    pub fn consistency(&self, now: Instant) -> Consistency {
        let is_open = |last_write| now.duration_since(last_write) < self.window;
        if self.last_write.is_some_and(is_open) {
            Consistency::Primary
        } else {
            Consistency::Eventual
        }
    }
}
// ANCHOR_END: time_window

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_opens_with_each_write() {
        let mut session = TimeWindow::new(Duration::from_secs(2));
        let mut now = Instant::now();
        assert_eq!(session.consistency(now), Consistency::Eventual);
        for _ in 0..2 {
            session.record_write(now);
            now += Duration::from_millis(1_999);
            assert_eq!(session.consistency(now), Consistency::Primary);
            now += Duration::from_millis(1);
            assert_eq!(session.consistency(now), Consistency::Eventual);
        }
    }
}
