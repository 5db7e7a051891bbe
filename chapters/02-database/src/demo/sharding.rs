//! Part 4: orders on four shards, and what a fifth shard would move.

use anyhow::Context;
use ch02_database::model::{NewOrder, PlaceOutcome};
use ch02_database::seed::generator::{DEFAULT_SEED, Generator, SAMPLE_ORDERS};
use ch02_database::sharding::bucket_of_order;
use ch02_database::{Orders, PgOrders, ShardMap};

/// The number of orders that the demonstration places.
const NEW_ORDERS: usize = 400;

/// Places every order twice, as a client does that received no response. Then compares three ways
/// to add a fifth shard.
pub(super) async fn place_orders(orders: &PgOrders, games: u32) -> anyhow::Result<()> {
    let generator = Generator::new(DEFAULT_SEED);
    let mut last_order = None;
    for (number, customer) in generator.customers().iter().take(NEW_ORDERS).enumerate() {
        let order = NewOrder {
            customer: customer.clone(),
            game_id: number as i64 % i64::from(games) + 1,
            quantity: 1,
            unit_price_cents: 1_999,
            idempotency_key: "demo".to_owned(),
            payment_reference: None,
        };
        orders.place(&order).await?;
        if let PlaceOutcome::AlreadyPlaced(order) = orders.place(&order).await? {
            last_order = Some(order);
        }
    }
    let order = last_order.context("no order was placed")?;
    println!(
        "   {SAMPLE_ORDERS} sample orders and {NEW_ORDERS} new ones, each sent twice; per shard: {:?}",
        orders.count_by_shard().await?
    );
    println!(
        "   order {} of {} → bucket {} → shard {}: the id alone leads to the shard",
        order.id,
        order.customer,
        bucket_of_order(order.id),
        orders.shard_of_order(order.id)
    );
    print_moved_orders();
    Ok(())
}

/// Prints how many sample orders a fifth shard would move.
fn print_moved_orders() {
    let (four, five) = (ShardMap::even(4), ShardMap::even(5));
    let count_moved =
        |moves: &dyn Fn(i64) -> bool| (1..=SAMPLE_ORDERS).filter(|id| moves(*id)).count();
    let by_modulo = count_moved(&|id| bucket_of_order(id) % 4 != bucket_of_order(id) % 5);
    let by_new_map =
        count_moved(&|id| four.owner(bucket_of_order(id)) != five.owner(bucket_of_order(id)));
    let minimum = SAMPLE_ORDERS / 5;
    println!("   a fifth shard would move, of {SAMPLE_ORDERS} orders:");
    println!("     {by_modulo} with `hash % shards`");
    println!("     {by_new_map} with a new even map of all buckets");
    println!("     {minimum} if only the buckets of the new shard move (`rebalance`)\n");
}
