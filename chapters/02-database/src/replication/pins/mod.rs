//! Pins: the token that each user's next reads need, stored where every clone finds it.
//!
//! A write *pins* its user. Until all replicas have replayed the write, the user's reads carry its
//! token. After that the pin is only a cost, and [`PinStore::release_if_replayed`] deletes it.

mod memory;
mod redis;

use std::time::Duration;

use async_trait::async_trait;

pub use self::redis::{InvalidPinsUrl, RedisPins};
pub use memory::MemoryPins;

use super::consistency::ConsistencyToken;
use crate::model::StoreError;

/// A pin ends after this time, also if a replica never reports that it has replayed it. A replica
/// that is later than this must get no reads.
pub const PIN_TTL: Duration = Duration::from_mins(1);

// ANCHOR: interface
/// Stores one token for each subject. A subject is a session, a user, or whoever must read the own
/// writes. All clones share the store.
#[async_trait]
pub trait PinStore: Send + Sync + 'static {
    /// Pins the subject to this token or to the one that it has, whichever is later. Two writes of
    /// one user may run at once, and the later one may arrive first.
    async fn pin(&self, subject: &str, token: ConsistencyToken) -> Result<(), StoreError>;

    /// The token that the subject's reads need.
    async fn get(&self, subject: &str) -> Result<Option<ConsistencyToken>, StoreError>;

    /// Deletes the pin, but only if it still holds this token (compare and delete, in one step).
    /// Returns whether it did.
    async fn release(&self, subject: &str, token: ConsistencyToken) -> Result<bool, StoreError>;

    /// Releases the pin if *every* replica has replayed its token. One replica would not be enough:
    /// the next read may go to another one. `positions` has an entry for each replica; see
    /// [`Catalog::replica_positions`](crate::Catalog::replica_positions). Returns whether it did.
    async fn release_if_replayed(
        &self,
        subject: &str,
        token: ConsistencyToken,
        positions: &[ConsistencyToken],
    ) -> Result<bool, StoreError> {
        if positions.iter().any(|replayed| *replayed < token) {
            return Ok(false);
        }
        self.release(subject, token).await
    }
}
// ANCHOR_END: interface
