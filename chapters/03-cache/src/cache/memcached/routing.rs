//! Which node holds which key: rendezvous hashing, also called highest random weight.
//!
//! Every node gets a pseudo-random number for the key, and the highest number wins. The clones need
//! to agree only on the names of the nodes. Adding or removing one of `n` nodes moves one key in
//! `n`. `hash(key) % n` would move almost all keys, and a moved key is a miss. Source: Thaler and
//! Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", IEEE/ACM Transactions on
//! Networking 6(1), 1998.
//!
//! The library can route too, but it uses the standard library's `DefaultHasher`, which may change
//! with the compiler. During a deploy, old and new clones could then use two nodes for one key.

use common::hash::fnv1a;

// ANCHOR: node_of
/// The position of the node that holds `key`. It depends on the names of the nodes, not on their
/// order.
///
/// # Panics
/// If there is no node.
pub(super) fn node_of<'a>(key: &str, nodes: impl Iterator<Item = &'a str>) -> usize {
    let key = fnv1a(key.as_bytes());
    let weights = nodes
        .map(|node| mix(key ^ fnv1a(node.as_bytes())))
        .enumerate();
    let highest = weights.max_by_key(|&(_, weight)| weight);
    highest.expect("`new` rejects an empty list of nodes").0
}
// ANCHOR_END: node_of

/// Makes every bit of the result depend on every bit of `x`, which FNV-1a alone does not. This is
/// the last step of `SplitMix64`.
fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
