//! What a key is called in Memcached, which takes up to 250 bytes without spaces or control characters.
//!
//! Most keys are called what they are, so that a person can look at them with `nc`. A key that is too long or has anything else
//! in it than printable ASCII is called by its hash. Two keys can have one hash, and with FNV-1a anybody can make two
//! such keys, so the whole key is stored in front of the value and compared when it is read, as hash tables do. Who finds
//! another key's value has found nothing: the worst that two such keys can do is to push each other out.

use bytes::Bytes;
use ch02_database::sharding::fnv1a;

/// What Memcached takes.
const LONGEST_NAME: usize = 250;

/// Begins a name that is a hash. A key that begins with it is hashed too, so no key can take another's name.
const HASHED: char = '#';

/// Where one key's value lies.
pub(super) struct Slot {
    name: String,
    /// What is stored in front of the value; empty if the name is the key itself.
    header: Vec<u8>,
}

impl Slot {
    pub(super) fn new(prefix: &str, key: &str) -> Self {
        let is_plain = !key.is_empty()
            && !key.starts_with(HASHED)
            && key.bytes().all(|byte| byte.is_ascii_graphic())
            && prefix.len() + key.len() <= LONGEST_NAME;
        if is_plain {
            return Slot {
                name: format!("{prefix}{key}"),
                header: Vec::new(),
            };
        }
        // The length comes first, or the end of one key and the beginning of a value could pass for another key.
        let length = key.len() as u64;
        Slot {
            name: format!("{prefix}{HASHED}{:016x}", fnv1a(key.as_bytes())),
            header: [&length.to_be_bytes(), key.as_bytes()].concat(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What to store for this value.
    pub(super) fn seal(&self, value: &[u8]) -> Vec<u8> {
        [&self.header, value].concat()
    }

    /// The value in what was stored, if it was stored for this key.
    pub(super) fn open(&self, stored: Vec<u8>) -> Option<Bytes> {
        let is_ours = stored.starts_with(&self.header);
        is_ours.then(|| Bytes::from(stored).slice(self.header.len()..))
    }
}
