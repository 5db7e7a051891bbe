//! The name of a key in Memcached, which accepts at most 250 bytes without spaces or control
//! characters.
//!
//! Most keys are used unchanged, so that an operator can read them with `nc`. Other keys (too long,
//! or not printable ASCII) are replaced by their hash. Two keys can have the same hash, and FNV-1a
//! makes it easy to construct such keys. So the whole key is stored in front of the value and
//! compared at each read, as in a hash table. The value of another key counts as a miss. Two such
//! keys can therefore only evict each other.

use bytes::Bytes;
use common::hash::fnv1a;

/// Memcached's limit.
const MAX_NAME_BYTES: usize = 250;

/// The first character of a hashed name. A key that starts with it is hashed too, so no key can
/// have the name of another one.
const HASH_MARKER: char = '#';

/// The name of one key in Memcached, and the header of its value.
pub(super) struct EntryName {
    name: String,
    /// Stored in front of the value. Empty if the name is the key itself.
    header: Vec<u8>,
}

impl EntryName {
    pub(super) fn new(prefix: &str, key: &str) -> Self {
        let is_plain = !key.is_empty()
            && !key.starts_with(HASH_MARKER)
            && key.bytes().all(|byte| byte.is_ascii_graphic())
            && prefix.len() + key.len() <= MAX_NAME_BYTES;
        if is_plain {
            return EntryName {
                name: format!("{prefix}{key}"),
                header: Vec::new(),
            };
        }
        // The length comes first. Otherwise the end of one key and the start of a value could look
        // like another key.
        let length = key.len() as u64;
        EntryName {
            name: format!("{prefix}{HASH_MARKER}{:016x}", fnv1a(key.as_bytes())),
            header: [&length.to_be_bytes(), key.as_bytes()].concat(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The bytes to store for this value.
    pub(super) fn encode(&self, value: &[u8]) -> Vec<u8> {
        [&self.header, value].concat()
    }

    /// The value in the stored bytes, or `None` if they belong to another key.
    pub(super) fn decode(&self, stored: Vec<u8>) -> Option<Bytes> {
        let is_same_key = stored.starts_with(&self.header);
        is_same_key.then(|| Bytes::from(stored).slice(self.header.len()..))
    }
}
