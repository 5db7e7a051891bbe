//! What a client knows about its write.

use crate::model::StoreError;

// ANCHOR: outcome
/// The outcome of a write. Unknown is neither success nor failure: a client that counts it as a
/// success loses data, and a client that repeats it writes twice.
#[derive(Debug)]
pub enum WriteOutcome<T> {
    /// The commit is confirmed as the [`CommitMode`](super::CommitMode) demands.
    Committed(T),
    /// Nothing was written. A retry is safe.
    Failed(StoreError),
    /// `COMMIT` was sent, and its confirmation is missing: the connection was lost, the time was
    /// over, or the wait for the standby was cancelled. A retry needs an idempotency key.
    Unknown(StoreError),
}
// ANCHOR_END: outcome

impl<T> WriteOutcome<T> {
    /// Whether the write is confirmed.
    pub fn is_committed(&self) -> bool {
        matches!(self, WriteOutcome::Committed(_))
    }

    /// Whether the write may or may not be there.
    pub fn is_unknown(&self) -> bool {
        matches!(self, WriteOutcome::Unknown(_))
    }

    /// For a caller that reports both kinds of error in the same way.
    pub fn into_result(self) -> Result<T, StoreError> {
        match self {
            WriteOutcome::Committed(value) => Ok(value),
            WriteOutcome::Failed(error) | WriteOutcome::Unknown(error) => Err(error),
        }
    }
}
