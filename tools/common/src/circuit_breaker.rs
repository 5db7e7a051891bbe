//! A small circuit breaker: after a failure, callers do not ask a server for a moment.
//!
//! A server that hangs costs every caller a whole time-out. A caller that can do without the answer
//! should not wait: a reader without the cache asks the database, and a public page without the
//! session store greets a visitor. So the first failure opens the circuit for all such callers.
//! Each server has its own [`CircuitBreaker`].
//!
//! A command that must be carried out ignores the open circuit. For example, an invalidation that
//! is skipped leaves an old value in the cache.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// How long the circuit stays open after a failure. Long enough that a hanging server slows only
/// few readers; short enough that one lost packet costs only few extra database queries.
const OPEN_DURATION: Duration = Duration::from_secs(1);

/// Remembers whether the last command to a server failed.
#[derive(Debug, Default)]
pub struct CircuitBreaker {
    /// `Some` from a failure until the next success: the time of the next trial.
    open_until: Mutex<Option<Instant>>,
}

/// The server failed a moment ago, so the caller must not ask it.
#[derive(Debug, thiserror::Error)]
#[error("the server failed less than {OPEN_DURATION:?} ago; the circuit breaker is open")]
pub struct CircuitOpen;

impl CircuitBreaker {
    /// Whether the last command failed. A caller that must not wait for a trial asks this first.
    pub fn is_open(&self) -> bool {
        self.open_until.lock().is_some()
    }

    /// Whether the caller may ask the server now. When the open time ends, one caller may try. The
    /// others must wait for the result of that trial, or for another open time.
    pub fn allow(&self) -> Result<(), CircuitOpen> {
        let (mut open_until, now) = (self.open_until.lock(), Instant::now());
        match *open_until {
            None => Ok(()),
            Some(until) if now < until => Err(CircuitOpen),
            Some(_) => {
                *open_until = Some(now + OPEN_DURATION);
                Ok(())
            }
        }
    }

    /// Records whether the server answered a command. An answer closes the circuit.
    pub fn record(&self, is_answered: bool) {
        *self.open_until.lock() = (!is_answered).then(|| Instant::now() + OPEN_DURATION);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_caller_tries_after_the_open_time() {
        let breaker = CircuitBreaker::default();
        assert!(
            breaker.allow().is_ok(),
            "the circuit must be closed before the first failure"
        );

        breaker.record(false);
        assert!(
            breaker.allow().is_err(),
            "the server has just failed, but the callers still ask it"
        );

        tokio::time::advance(OPEN_DURATION).await;
        let allowed = (0..100).filter(|_| breaker.allow().is_ok()).count();
        assert_eq!(allowed, 1, "exactly one caller must try the server");

        // The caller of the trial gave up and recorded nothing.
        tokio::time::advance(OPEN_DURATION).await;
        assert!(
            breaker.allow().is_ok(),
            "after a lost trial the server is never tried again"
        );
        breaker.record(true);
        assert!(
            breaker.allow().is_ok() && breaker.allow().is_ok(),
            "the server has answered, but the circuit is still open"
        );
    }
}
