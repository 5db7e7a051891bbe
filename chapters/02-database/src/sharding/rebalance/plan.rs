//! The moves that give every shard equally many buckets.

use super::super::bucket::Bucket;
use super::super::shard_map::{ShardId, ShardMap};

/// One move of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedMove {
    /// The bucket.
    pub bucket: Bucket,
    /// The shard that owns it.
    pub from: ShardId,
    /// The shard that gets it.
    pub to: ShardId,
}

// ANCHOR: plan
/// The fewest moves after which the numbers of buckets of two shards differ by at most one. A new
/// shard is one that the map does not name yet.
///
/// # Panics
/// If `shards` is smaller than the number of shards in the map.
pub fn plan(map: &ShardMap, shards: usize) -> Vec<PlannedMove> {
    assert!(
        shards >= map.shards(),
        "the map names {} shards, and there are addresses for {shards}",
        map.shards()
    );
    let mut owned: Vec<Vec<Bucket>> = (0..shards)
        .map(|shard| map.buckets_of(shard).collect())
        .collect();
    let mut moves = Vec::new();
    loop {
        let count = |shard: &ShardId| owned[*shard].len();
        let fullest = (0..shards).max_by_key(count).expect("a store has shards");
        let emptiest = (0..shards).min_by_key(count).expect("a store has shards");
        if count(&fullest) <= count(&emptiest) + 1 {
            return moves;
        }
        let bucket = owned[fullest].pop().expect("the fullest shard has buckets");
        owned[emptiest].push(bucket);
        moves.push(PlannedMove {
            bucket,
            from: fullest,
            to: emptiest,
        });
    }
}
// ANCHOR_END: plan
