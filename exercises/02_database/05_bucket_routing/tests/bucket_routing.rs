// The tests of `bucket_routing`: where a customer and an order are, before and after a new shard.

use bucket_routing::{
    BUCKETS, Bucket, ShardMap, bucket_of_customer, bucket_of_order, fnv1a, order_id,
};

/// The greatest sequence number of the rules.
const LAST_SEQUENCE: i64 = (1 << 45) - 1;

/// Some sequence numbers, in ascending order.
const SEQUENCES: [i64; 11] = [
    0,
    1,
    2,
    255,
    256,
    65_536,
    4_294_967_295,
    4_294_967_296,
    5_000_000_000,
    LAST_SEQUENCE - 1,
    LAST_SEQUENCE,
];

fn customers() -> impl Iterator<Item = String> {
    (0..1_000).map(|number| format!("customer-{number}"))
}

/// How many buckets each shard owns.
fn counts(map: &ShardMap) -> Vec<usize> {
    let mut counts = vec![0; map.shards()];
    for bucket in 0..BUCKETS {
        let owner = map.owner(bucket);
        assert!(
            owner < map.shards(),
            "bucket {bucket} belongs to shard {owner}, but there are {} shards, counted from 0",
            map.shards()
        );
        counts[owner] += 1;
    }
    counts
}

// Rule 1. The numbers are FNV-1a of the names, modulo 256, computed by another program.
#[test]
fn bucket_is_the_published_hash() {
    for (customer, bucket) in [
        ("", 37),
        ("a", 140),
        ("foobar", 232),
        ("ada", 59),
        ("Ada", 155),
    ] {
        assert_eq!(
            bucket_of_customer(customer),
            bucket,
            "the bucket of {customer:?} must be the FNV-1a hash of its bytes modulo 256. Do you \
             use `fnv1a`, and all bytes of the name as they are?"
        );
    }
    for customer in customers().chain(["Zoë".to_owned(), "李".to_owned()]) {
        let expected = fnv1a(customer.as_bytes()) % 256;
        assert_eq!(
            u64::from(bucket_of_customer(&customer)),
            expected,
            "the bucket of {customer:?} must be its FNV-1a hash modulo 256"
        );
    }
}

// Rule 2.
#[test]
fn id_leads_back_to_the_bucket() {
    for bucket in 0..BUCKETS {
        for sequence in SEQUENCES {
            let id = order_id(sequence, bucket);
            assert_eq!(
                bucket_of_order(id),
                bucket,
                "order {sequence} of bucket {bucket} has the id {id}, which leads to another \
                 bucket. Do the two numbers overlap in the id?"
            );
        }
    }
}

// Rule 2.
#[test]
fn id_is_exact_in_javascript() {
    for bucket in [0, 1, BUCKETS - 1] {
        let id = order_id(LAST_SEQUENCE, bucket);
        assert!(
            (0..1 << 53).contains(&id),
            "the id of order {LAST_SEQUENCE} in bucket {bucket} is {id}, but it must be less than \
             2⁵³. How many bits do 256 buckets need?"
        );
    }
}

// Rule 3.
#[test]
fn ids_sort_by_sequence_number() {
    for pair in SEQUENCES.windows(2) {
        for (older, newer) in [(0, 0), (0, 255), (255, 0), (7, 200), (200, 7)] {
            let (first, second) = (order_id(pair[0], older), order_id(pair[1], newer));
            assert!(
                first < second,
                "order {} of bucket {older} has the id {first}, and the newer order {} of bucket \
                 {newer} has {second}, which is not greater. Which of the two numbers is in the \
                 high part of the id?",
                pair[0],
                pair[1]
            );
        }
    }
}

// Rule 4.
#[test]
fn owner_of_the_bucket_decides() {
    let mut map = ShardMap::even(4);
    // An operator has moved some buckets.
    for bucket in (0..BUCKETS).step_by(3) {
        map.set_owner(bucket, (usize::from(bucket) / 3) % 4);
    }
    for customer in customers() {
        let bucket = bucket_of_customer(&customer);
        assert_eq!(
            map.shard_of_customer(&customer),
            map.owner(bucket),
            "{customer} is in bucket {bucket}, which shard {} owns. Do you ask the map?",
            map.owner(bucket)
        );
    }
    for bucket in 0..BUCKETS {
        for sequence in SEQUENCES {
            let id = order_id(sequence, bucket);
            assert_eq!(
                map.shard_of_order(id),
                map.owner(bucket),
                "order {id} is in bucket {bucket}, which shard {} owns, so the order is there. Do \
                 you ask the map for the bucket in the id?",
                map.owner(bucket)
            );
        }
    }
}

// Rule 5.
#[test]
fn new_shard_gets_its_share() {
    for shards in 1..=12 {
        let mut map = ShardMap::even(shards);

        map.add_shard();

        assert_eq!(
            map.shards(),
            shards + 1,
            "there were {shards} shards and one was added"
        );
        let new = counts(&map)[shards];
        assert_eq!(
            new,
            256 / (shards + 1),
            "the new shard owns {new} of 256 buckets, and there are {} shards now: by which number \
             do you divide, and how do you round?",
            shards + 1
        );
    }
}

// Rule 5.
#[test]
fn buckets_come_from_the_fullest_shards() {
    let mut map = ShardMap::even(1);
    for _ in 0..11 {
        map.add_shard();
        let counts = counts(&map);
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(
            most - least <= 1,
            "the shards own {counts:?} buckets now, so one of them owns at least two more than \
             another one. Do you look for the fullest shard before each bucket?"
        );
    }
    // An operator has emptied most of shard 0.
    let mut map = ShardMap::even(4);
    for bucket in 0..40 {
        map.set_owner(bucket, 1);
    }
    map.add_shard();
    let mut counts = counts(&map);
    counts.sort_unstable();
    assert_eq!(
        counts,
        [24, 51, 60, 60, 61],
        "the four shards owned 24, 104, 64 and 64 buckets, and the fullest ones should have given \
         some to the fifth. Do you look for the fullest shard before each bucket?"
    );
}

// Rule 6.
#[test]
fn only_the_reported_buckets_move() {
    for shards in 1..=12 {
        let before = ShardMap::even(shards);
        let mut map = before.clone();

        let mut reported = map.add_shard();

        reported.sort_unstable();
        let changed = |bucket: &Bucket| before.owner(*bucket) != map.owner(*bucket);
        let moved: Vec<Bucket> = (0..BUCKETS).filter(changed).collect();
        for bucket in &moved {
            assert_eq!(
                map.owner(*bucket),
                shards,
                "bucket {bucket} moved to an old shard, which helps nobody: the new shard is \
                 {shards}. Do you distribute all buckets anew?"
            );
        }
        assert_eq!(
            reported, moved,
            "`add_shard` must return exactly the buckets that changed their owner (the right side)"
        );
    }
}
