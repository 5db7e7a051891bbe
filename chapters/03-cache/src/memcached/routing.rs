//! Which node holds which key: rendezvous hashing, also called highest random weight.
//!
//! Every node draws a number for the key, and the highest wins. Nobody has to agree on anything but the nodes' names, and when
//! a node is added or removed, only the keys it wins or held change places: one in n. `hash(key) % n` would move nearly all of
//! them, and a cache whose keys have moved is an empty cache. (Thaler and Ravishankar, "Using Name-Based Mappings to Increase
//! Hit Rates", IEEE/ACM Transactions on Networking 6(1), 1998.)
//!
//! The library could do this by itself, but it hashes with the standard library's `DefaultHasher`, which may change with the
//! compiler: during a deploy, old and new clones could look for one key on two nodes. Left out: nodes of unequal size.

use ch02_database::sharding::fnv1a;

// ANCHOR: node_of
/// The position of the node that holds `key`. The order of the nodes does not matter, their names do.
///
/// # Panics
/// If there is no node.
pub(super) fn node_of<'a>(key: &str, nodes: impl Iterator<Item = &'a str>) -> usize {
    let key = fnv1a(key.as_bytes());
    let draws = nodes
        .map(|node| scatter(key ^ fnv1a(node.as_bytes())))
        .enumerate();
    let winner = draws.max_by_key(|&(_, number)| number);
    winner.expect("a cache is not made without a node").0
}
// ANCHOR_END: node_of

/// Makes every bit of the result depend on every bit of `x`, which FNV-1a alone does not (`SplitMix64`'s last step).
fn scatter(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
