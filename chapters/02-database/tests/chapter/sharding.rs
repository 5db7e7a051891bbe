//! The sharding rule: buckets never change, and the shard map distributes them evenly.

use ch02_database::ShardMap;
use ch02_database::seed::generator::Generator;
use ch02_database::sharding::{BUCKETS, bucket_of_customer, bucket_of_order, order_id};
use proptest::prelude::*;

#[test]
fn hash_matches_the_published_fnv_1a_vectors() {
    // The published 64-bit vectors end with these bytes: "" → …22325, "a" → …1ec8c,
    // "foobar" → …967e8.
    assert_eq!(bucket_of_customer(""), 0x25);
    assert_eq!(bucket_of_customer("a"), 0x8c);
    assert_eq!(bucket_of_customer("foobar"), 0xe8);
}

#[test]
fn customers_are_evenly_distributed_over_four_shards() {
    let map = ShardMap::even(4);
    let mut customers = [0_u32; 4];
    for name in Generator::new(42).customers() {
        customers[map.owner(bucket_of_customer(name))] += 1;
    }
    for (shard, count) in customers.iter().enumerate() {
        assert!(
            (400..=600).contains(count),
            "shard {shard} has {count} of 2,000 customers: does the hash distribute evenly?"
        );
    }
}

proptest! {
    #[test]
    fn customer_has_one_bucket_and_one_shard(name in ".*", shards in 1_usize..=256) {
        let map = ShardMap::even(shards);
        let bucket = bucket_of_customer(&name);
        prop_assert!(bucket < BUCKETS);
        prop_assert_eq!(bucket, bucket_of_customer(&name));
        prop_assert!(map.owner(bucket) < shards);
    }

    #[test]
    fn order_id_contains_bucket_and_sequence(
        sequence in 0_i64..1 << 40,
        bucket in 0..BUCKETS,
    ) {
        prop_assert_eq!(bucket_of_order(order_id(sequence, bucket)), bucket);
        prop_assert!(order_id(sequence, bucket) < order_id(sequence + 1, bucket));
    }

    #[test]
    fn even_map_gives_every_shard_equal_buckets(shards in 1_usize..=256) {
        let map = ShardMap::even(shards);
        let owned: Vec<usize> = (0..shards).map(|shard| map.buckets_of(shard).count()).collect();
        prop_assert_eq!(owned.iter().sum::<usize>(), usize::from(BUCKETS));
        let (least, most) = (owned.iter().min().unwrap(), owned.iter().max().unwrap());
        prop_assert!(most - least <= 1, "{:?}", owned);
        prop_assert!(*least >= 1);
    }
}
