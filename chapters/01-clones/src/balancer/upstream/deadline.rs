//! The deadline of a whole request, all attempts together.

use std::time::Duration;

use tokio::time::Instant;

/// The moment at which the balancer gives a request up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    pub(crate) fn after(total: Duration) -> Self {
        Deadline(Instant::now() + total)
    }

    pub(crate) fn has_passed(self) -> bool {
        Instant::now() >= self.0
    }

    /// The end of a step that may take `limit`, but not longer than until this deadline.
    pub(crate) fn end_of_step(self, limit: Duration) -> Instant {
        self.0.min(Instant::now() + limit)
    }
}
