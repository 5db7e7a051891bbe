//! `cargo run -p ch02-database`: shows where customers and orders live.
//!
//! At this stage it prints the sharding rule at work on the generated store; the demonstration on real PostgreSQL servers
//! takes its place when they arrive.

use ch02_database::ShardMap;
use ch02_database::generator::{DEFAULT_SEED, Generator, SAMPLE_ORDERS};
use ch02_database::sharding::{bucket_of_customer, bucket_of_order};

fn main() {
    let generator = Generator::new(DEFAULT_SEED);
    println!("customer → bucket → shard, for three customers of the generated store (4 shards):");
    let four = ShardMap::even(4);
    for customer in &generator.customers()[..3] {
        let bucket = bucket_of_customer(customer);
        println!("  {customer:<16} → bucket {bucket:>3} → shard {}", four.owner(bucket));
    }
    println!("\nhow {SAMPLE_ORDERS} sample orders spread, and how many move when one more shard is added:");
    for shards in 1..=5 {
        let (map, larger) = (ShardMap::even(shards), ShardMap::even(shards + 1));
        let mut held = vec![0; shards];
        let mut moved = 0;
        for id in 1..=SAMPLE_ORDERS {
            let bucket = bucket_of_order(id);
            held[map.owner(bucket)] += 1;
            moved += usize::from(map.owner(bucket) != larger.owner(bucket));
        }
        // What the new shard has to get if all are to hold the same; nobody else would have to give or take.
        let least = SAMPLE_ORDERS as usize / (shards + 1);
        println!(
            "  {shards} → {} shards: {held:?}; {moved} orders change owner, and {least} would do",
            shards + 1
        );
    }
    println!(
        "\nDealing all buckets out anew moves more than it must. Moving only some of them, whole, to the new shard is this"
    );
    println!("chapter's later lesson.");
}
