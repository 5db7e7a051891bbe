// Wrong: it counts once, so all buckets come from one shard.
// Says: Do you look for the fullest shard before each bucket?
// Breaks: rule 5
#![allow(missing_docs, reason = "documented in the exercise")]

pub const BUCKETS: u16 = 256;

pub type Bucket = u16;

pub type ShardId = usize;

pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

pub fn bucket_of_customer(customer: &str) -> Bucket {
    let bucket = fnv1a(customer.as_bytes()) % u64::from(BUCKETS);
    Bucket::try_from(bucket).expect("a remainder is less than 256")
}

pub fn order_id(sequence: i64, bucket: Bucket) -> i64 {
    sequence * i64::from(BUCKETS) + i64::from(bucket)
}

pub fn bucket_of_order(id: i64) -> Bucket {
    Bucket::try_from(id % i64::from(BUCKETS)).expect("a remainder is less than 256")
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardMap {
    owners: Vec<ShardId>,
    shards: usize,
}

impl ShardMap {
    pub fn even(shards: usize) -> Self {
        let buckets = usize::from(BUCKETS);
        let owners = (0..buckets).map(|bucket| bucket * shards / buckets);
        ShardMap {
            owners: owners.collect(),
            shards,
        }
    }

    pub fn shards(&self) -> usize {
        self.shards
    }

    pub fn owner(&self, bucket: Bucket) -> ShardId {
        self.owners[usize::from(bucket)]
    }

    pub fn set_owner(&mut self, bucket: Bucket, shard: ShardId) {
        self.owners[usize::from(bucket)] = shard;
    }

    pub fn shard_of_customer(&self, customer: &str) -> ShardId {
        self.owner(bucket_of_customer(customer))
    }

    pub fn shard_of_order(&self, id: i64) -> ShardId {
        self.owner(bucket_of_order(id))
    }

    pub fn add_shard(&mut self) -> Vec<Bucket> {
        let new = self.shards;
        self.shards += 1;
        let share = BUCKETS / u16::try_from(self.shards).expect("at most 256 shards");
        let owned = |shard: &ShardId| self.owners.iter().filter(|it| *it == shard).count();
        let fullest = (0..new).max_by_key(owned);

        let mut moved = Vec::new();
        for _ in 0..share {
            let bucket = (0..BUCKETS).find(|bucket| Some(self.owner(*bucket)) == fullest);
            let bucket = bucket.expect("the fullest shard owns a bucket");
            self.set_owner(bucket, new);
            moved.push(bucket);
        }
        moved
    }
}
