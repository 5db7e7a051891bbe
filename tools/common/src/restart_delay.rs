//! The pause before something that has failed is started again.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// The pause before the first restart in a row. Each further pause is twice as long.
const MIN_DELAY: Duration = Duration::from_millis(100);

/// The longest pause. A start or a run that took longer than this begins a new row.
const MAX_DELAY: Duration = Duration::from_secs(3);

/// Pauses that grow, so that a program that cannot run does not occupy a processor.
#[derive(Debug)]
pub struct RestartDelay {
    next: Duration,
    last_start: Instant,
}

impl Default for RestartDelay {
    /// The first start is now.
    fn default() -> Self {
        RestartDelay {
            next: MIN_DELAY,
            last_start: Instant::now(),
        }
    }
}

impl RestartDelay {
    /// Waits until the next start may begin. Safe to cancel.
    pub async fn wait(&mut self) {
        if self.last_start.elapsed() > MAX_DELAY {
            self.next = MIN_DELAY;
        }
        sleep(self.next).await;
        self.next = MAX_DELAY.min(self.next * 2);
        self.last_start = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pause(delay: &mut RestartDelay) -> Duration {
        let begin = Instant::now();
        delay.wait().await;
        begin.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_to_the_longest() {
        let mut delay = RestartDelay::default();
        let first = pause(&mut delay).await;
        let second = pause(&mut delay).await;
        assert!(second >= first * 2, "{first:?}, then {second:?}");
        for _ in 0..10 {
            pause(&mut delay).await;
        }
        let last = pause(&mut delay).await;
        assert!(
            last >= MAX_DELAY && last < MAX_DELAY * 2,
            "the pause must stop growing: {last:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn long_run_begins_with_short_pause() {
        let mut delay = RestartDelay::default();
        let first = pause(&mut delay).await;
        pause(&mut delay).await;
        tokio::time::advance(MAX_DELAY * 2).await;
        assert_eq!(pause(&mut delay).await, first);
    }
}
