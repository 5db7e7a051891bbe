//! A cache server that has just failed is left out for a moment: a circuit breaker in its smallest form.
//!
//! A cache must not cost more than the database that it spares. A server that hangs costs every reader a whole time-out, and
//! then the reader asks the database anyway. So the first failure makes the others stop asking. Chapter 1's
//! balancer does the same with a clone that is down. Each Redis, and each Memcached node, has an [`Outage`] of its own.
//!
//! Invalidations do not stop asking, see [`Cache::delete`](crate::Cache::delete): a reader who is turned away loses a hit, but a
//! writer who is turned away leaves an old value behind. Left out: servers that are merely slow.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::cache::CacheError;

/// How long a server is left out after a failure: long enough that readers hardly feel a server that hangs, short enough that one
/// lost packet does not send everybody to the database for long.
const LEFT_OUT: Duration = Duration::from_secs(1);

/// Whether a server failed when it was asked last.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    /// Set from a failure until the next success: when the server may be tried again.
    until: Mutex<Option<Instant>>,
}

/// The server failed a moment ago, so it was not asked.
#[derive(Debug, thiserror::Error)]
#[error(
    "it failed to answer less than {LEFT_OUT:?} ago; until it is tried again, nobody waits for it"
)]
struct LeftOut;

impl Outage {
    /// Whether to ask the server now. When its time has run out, this lets one caller through to find out; the others are
    /// turned away for as long again, or until that one has had an answer.
    pub(crate) fn admits(&self) -> Result<(), CacheError> {
        let (mut until, now) = (self.until(), Instant::now());
        match *until {
            None => Ok(()),
            Some(then) if now < then => Err(CacheError::unavailable(LeftOut)),
            Some(_) => {
                *until = Some(now + LEFT_OUT);
                Ok(())
            }
        }
    }

    /// Remembers how asking the server went. That it refused is an answer: it is there.
    pub(crate) fn learn<T>(&self, answer: &Result<T, CacheError>) {
        let failed = matches!(answer, Err(CacheError::Unavailable(_)));
        *self.until() = failed.then(|| Instant::now() + LEFT_OUT);
    }

    fn until(&self) -> MutexGuard<'_, Option<Instant>> {
        // Every change is one assignment, so there is nothing half done in a poisoned lock.
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure() -> Result<(), CacheError> {
        Err(CacheError::unavailable("no answer"))
    }

    #[tokio::test(start_paused = true)]
    async fn when_the_time_is_over_one_caller_finds_out_and_the_others_do_not_wait() {
        let outage = Outage::default();
        assert!(
            outage.admits().is_ok(),
            "a server is innocent until it fails"
        );

        outage.learn(&failure());
        assert!(
            outage.admits().is_err(),
            "everybody goes on asking a server that has just failed"
        );

        tokio::time::advance(LEFT_OUT).await;
        let admitted = (0..100).filter(|_| outage.admits().is_ok()).count();
        assert_eq!(
            admitted, 1,
            "one is enough to find out, and nobody is too few"
        );

        // That one was never heard of again: its caller gave up.
        tokio::time::advance(LEFT_OUT).await;
        assert!(outage.admits().is_ok(), "nobody ever asks the server again");
        outage.learn(&Ok(()));
        assert!(
            outage.admits().is_ok() && outage.admits().is_ok(),
            "it is back, and still left out"
        );
    }

    #[test]
    fn a_server_that_refuses_is_there() {
        let outage = Outage::default();
        outage.learn::<()>(&Err(CacheError::refused("the value is too large")));
        assert!(
            outage.admits().is_ok(),
            "nothing is wrong with a server that says no"
        );
    }
}
