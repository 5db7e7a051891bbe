//! Five ways to choose a shard for a key, to compare: how many keys move when a shard is added, how
//! even the shards are, and what a lookup costs.
//!
//! The store uses [`Method::Buckets`]: only a table lets an operator choose *which* keys move, and
//! when. The others are formulas. All of them start from the same hash of the key (XXH3).

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::bucket::BUCKETS;

/// The points of each shard on the ring. With one point per shard, the arcs would differ greatly;
/// with 150, a fifth shard still takes 23 % of the keys instead of 20 %.
const POINTS_PER_SHARD: u64 = 150;

/// A way to choose a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `hash % shards`. Almost all keys move when `shards` changes.
    Modulo,
    /// Consistent hashing (Karger and others, STOC 1997): a key belongs to the next point on a
    /// ring of hashes. Memcached clients use it (`ketama`).
    Ring,
    /// Rendezvous hashing (Thaler and Ravishankar, 1996): every shard draws a number for the key,
    /// and the highest number wins.
    Rendezvous,
    /// Jump consistent hash (Lamping and Veach, 2014, <https://arxiv.org/abs/1406.2294>). Shards
    /// can only be added and removed at the end of the list.
    Jump,
    /// A table from 256 buckets to shards. The next shard takes buckets from the fullest shards.
    Buckets,
}

impl Method {
    /// All methods.
    pub const ALL: [Method; 5] = [
        Method::Modulo,
        Method::Ring,
        Method::Rendezvous,
        Method::Jump,
        Method::Buckets,
    ];

    /// The name in tables and plots.
    pub fn name(self) -> &'static str {
        match self {
            Method::Modulo => "modulo",
            Method::Ring => "ring",
            Method::Rendezvous => "rendezvous",
            Method::Jump => "jump",
            Method::Buckets => "buckets",
        }
    }

    /// A placement on shards 0 to `shards - 1`.
    ///
    /// # Panics
    /// If `shards` is 0 or more than 256.
    pub fn place(self, shards: usize) -> Placement {
        assert!(
            (1..=256).contains(&shards),
            "expected 1 to 256 shards, got {shards}"
        );
        match self {
            Method::Modulo => Placement::Modulo(shards as u64),
            Method::Ring => Placement::Ring(ring(shards)),
            Method::Rendezvous => Placement::Rendezvous(shards),
            Method::Jump => Placement::Jump(shards),
            Method::Buckets => Placement::Buckets(buckets(shards)),
        }
    }
}

/// Where every key is, with a given number of shards.
pub enum Placement {
    /// The number of shards.
    Modulo(u64),
    /// The points in ascending order, each with its shard.
    Ring(Vec<(u64, usize)>),
    /// The number of shards.
    Rendezvous(usize),
    /// The number of shards.
    Jump(usize),
    /// The shard of each bucket.
    Buckets(Vec<usize>),
}

impl Placement {
    // ANCHOR: hashing
    /// The shard of a key.
    pub fn shard(&self, key: &str) -> usize {
        let hash = xxh3_64(key.as_bytes());
        match self {
            Placement::Modulo(shards) => (hash % shards) as usize,
            Placement::Ring(points) => {
                let next = points.partition_point(|(point, _)| *point < hash);
                points[next % points.len()].1
            }
            Placement::Rendezvous(shards) => {
                let draw = |shard: &usize| xxh3_64_with_seed(&hash.to_le_bytes(), *shard as u64);
                (0..*shards).max_by_key(draw).unwrap_or(0)
            }
            Placement::Jump(shards) => jump(hash, *shards),
            Placement::Buckets(owners) => owners[(hash % u64::from(BUCKETS)) as usize],
        }
    }
    // ANCHOR_END: hashing
}

fn ring(shards: usize) -> Vec<(u64, usize)> {
    let points_of = |shard: usize| {
        let point = move |n: u64| xxh3_64_with_seed(&n.to_le_bytes(), shard as u64);
        (0..POINTS_PER_SHARD).map(move |n| (point(n), shard))
    };
    let mut points: Vec<_> = (0..shards).flat_map(points_of).collect();
    points.sort_unstable();
    points
}

/// The paper's function, word for word: the key jumps from shard to shard until the next jump would
/// leave the list.
fn jump(mut key: u64, shards: usize) -> usize {
    let (mut shard, mut next) = (0, 0_i64);
    while next < shards as i64 {
        shard = next;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        let scale = (1_u64 << 31) as f64 / ((key >> 33) + 1) as f64;
        next = ((shard + 1) as f64 * scale) as i64;
    }
    shard as usize
}

/// All buckets on the first shard; each further shard takes its part from the fullest ones.
fn buckets(shards: usize) -> Vec<usize> {
    let mut owners = vec![0; usize::from(BUCKETS)];
    for new in 1..shards {
        for _ in 0..owners.len() / (new + 1) {
            let count = |shard: usize| owners.iter().filter(|owner| **owner == shard).count();
            let fullest = (0..new).max_by_key(|shard| count(*shard)).unwrap_or(0);
            let moved = owners.iter_mut().find(|owner| **owner == fullest);
            *moved.expect("the fullest shard has a bucket") = new;
        }
    }
    owners
}
