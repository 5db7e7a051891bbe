//! When a run ends. Every run has an end, because a forgotten load generator would attack its own
//! machine.
//!
//! Left out: ending early because something was measured (a breached threshold, a mean that has
//! settled).

use std::time::Duration;

/// The longest time for which a run sends. A longer one is cut to this.
pub const MAX_RUN: Duration = Duration::from_mins(1);

/// How long a request may take, from its first byte to the last byte of the answer, with a new
/// connection if it needs one. After that it counts as an error.
/// [`Target::with_response_timeout`](crate::Target::with_response_timeout) changes it.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// When a closed loop stops sending: after so many requests, after so much time, whichever comes
/// first.
///
/// ```
/// use std::time::Duration;
/// use loadgen::{Limit, MAX_RUN};
///
/// let limit = Limit::requests(500).within(Duration::from_secs(5));
/// assert_eq!(limit.max_requests(), Some(500));
/// assert_eq!(limit.max_duration(), Duration::from_secs(5));
/// assert_eq!(Limit::duration(Duration::from_hours(1)).max_duration(), MAX_RUN);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    count: Option<u64>,
    time: Duration,
}

impl Limit {
    /// Exactly `count` requests over all connections together, if [`MAX_RUN`] is enough for them.
    pub fn requests(count: u64) -> Self {
        Limit {
            count: Some(count),
            time: MAX_RUN,
        }
    }

    /// As many requests as fit into `time`.
    pub fn duration(time: Duration) -> Self {
        Limit {
            count: None,
            time: time.min(MAX_RUN),
        }
    }

    /// The same limit, and `time` at most.
    #[must_use]
    pub fn within(self, time: Duration) -> Self {
        Limit {
            time: self.time.min(time),
            ..self
        }
    }

    /// The most requests that are sent; `None` if only time counts.
    pub fn max_requests(self) -> Option<u64> {
        self.count
    }

    /// How long requests are sent. Answers may come in for a [`RESPONSE_TIMEOUT`] longer.
    pub fn max_duration(self) -> Duration {
        self.time
    }
}
