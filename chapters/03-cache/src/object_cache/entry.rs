//! The value that the cache holds for a product: the product and its age.

use bytes::Bytes;
use ch02_database::model::Product;
use ch02_database::{ConsistencyToken, Read};
use serde::{Deserialize, Serialize};

// ANCHOR: entry
/// The value under a product's key.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    /// `None`: a write has changed the product, and no reader has fetched it since.
    product: Option<Product>,
    /// The product shows everything up to this position. `None`: its age is unknown.
    complete: Option<ConsistencyToken>,
    /// The product shows nothing after this position.
    newest: Option<ConsistencyToken>,
}
// ANCHOR_END: entry

impl Entry {
    /// A product that was read at least at `floor`.
    ///
    /// The floor was known *before* the read, and the read's own token comes from after it. A write
    /// may lie between the two, so only the floor tells which readers the product may answer. A
    /// floor above the read's token is no position of this database: a client made it up.
    pub(super) fn filled(floor: Option<ConsistencyToken>, read: &Read<Option<Product>>) -> Self {
        Entry {
            product: read.value.clone(),
            complete: floor.filter(|_| floor <= read.token),
            newest: read.token,
        }
    }

    /// The mark of a write. The product that replaces it must be read at least at its position.
    pub(super) fn changed(token: ConsistencyToken) -> Self {
        Entry {
            product: None,
            complete: Some(token),
            newest: None,
        }
    }

    /// The product, if it is new enough for a reader with this token, and the token of the reader's
    /// next read. A reader without a token gets none, as from the database.
    pub(super) fn answer(
        &self,
        asked: Option<ConsistencyToken>,
    ) -> Option<(&Product, Option<ConsistencyToken>)> {
        // A reader with a token also needs one for the next read (monotonic reads).
        let is_new_enough = asked.is_none() || (self.complete >= asked && self.newest.is_some());
        let product = self.product.as_ref().filter(|_| is_new_enough)?;
        Some((product, asked.and(self.newest)))
    }

    /// A product that replaces this entry must not be older than it.
    pub(super) fn complete(&self) -> Option<ConsistencyToken> {
        self.complete
    }

    pub(super) fn to_bytes(&self) -> Bytes {
        serde_json::to_vec(self)
            .expect("a product has only string keys and finite numbers")
            .into()
    }

    /// `None` if another version of the store has written the value.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}
