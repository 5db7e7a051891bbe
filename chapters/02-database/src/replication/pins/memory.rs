//! Pins in the memory of one process.

use std::collections::HashMap;
use std::time::Instant;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{PIN_TTL, PinStore};
use crate::model::StoreError;
use crate::replication::ConsistencyToken;

/// A [`PinStore`] for clones in one process.
#[derive(Debug, Default)]
pub struct MemoryPins {
    pins: Mutex<HashMap<String, Pin>>,
}

#[derive(Debug)]
struct Pin {
    token: ConsistencyToken,
    expires_at: Instant,
}

impl MemoryPins {
    /// A store without pins.
    pub fn new() -> Self {
        MemoryPins::default()
    }
}

#[async_trait]
impl PinStore for MemoryPins {
    async fn pin(&self, subject: &str, token: ConsistencyToken) -> Result<(), StoreError> {
        let now = Instant::now();
        let mut pins = self.pins.lock();
        // Users who never come back would stay in the map.
        pins.retain(|_, pin| pin.expires_at > now);
        let earlier = pins.get(subject).map(|pin| pin.token);
        let pin = Pin {
            token: earlier.map_or(token, |earlier| earlier.max(token)),
            expires_at: now + PIN_TTL,
        };
        pins.insert(subject.to_owned(), pin);
        Ok(())
    }

    async fn get(&self, subject: &str) -> Result<Option<ConsistencyToken>, StoreError> {
        let pins = self.pins.lock();
        let pin = pins.get(subject);
        Ok(pin
            .filter(|pin| pin.expires_at > Instant::now())
            .map(|pin| pin.token))
    }

    async fn release(&self, subject: &str, token: ConsistencyToken) -> Result<bool, StoreError> {
        let mut pins = self.pins.lock();
        let is_same = pins.get(subject).is_some_and(|pin| pin.token == token);
        if is_same {
            pins.remove(subject);
        }
        Ok(is_same)
    }
}
