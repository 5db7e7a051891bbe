//! The limits of a move.

use std::time::Duration;

/// How much a move may cost the store before it gives up.
#[derive(Clone, Copy, Debug)]
pub struct MoveLimits {
    /// The orders or changes in one batch.
    pub batch: u32,
    /// With at most this many changes left, the move blocks the bucket and applies the last ones.
    pub changes_in_block: i64,
    /// How often the move may apply all recorded changes. If too many are left then, customers
    /// order faster than the move can follow.
    pub passes: u32,
    /// How long the move waits for the transactions that write to the bucket. All later writers of
    /// the bucket wait behind it.
    pub lock_timeout: Duration,
    /// How often the move tries again after a transaction was longer than that.
    pub lock_attempts: u32,
    /// The pause between two attempts, in which the writers continue.
    pub lock_pause: Duration,
    /// How long the writers may be held back until the decision.
    pub block: Duration,
}

impl Default for MoveLimits {
    fn default() -> Self {
        MoveLimits {
            batch: 1_000,
            changes_in_block: 200,
            passes: 10,
            lock_timeout: Duration::from_millis(300),
            lock_attempts: 10,
            lock_pause: Duration::from_secs(1),
            block: Duration::from_millis(500),
        }
    }
}
