//! The shard map with its epochs: a shard refuses a clone with a stale map, and no order is lost.

use std::time::Duration;

use ch02_database::model::PlaceOutcome;
use ch02_database::orders::OrderFilter;
use ch02_database::postgres::migrate;
use ch02_database::seed::generator::Generator;
use ch02_database::seed::seed_store;
use ch02_database::sharding::{bucket_of_customer, bucket_of_order, close_gate, open_gate};
use ch02_database::{Naive, Orders, PgOrders};
use futures_util::future::join_all;

use crate::bucket_mover::{count_misplaced, move_bucket, move_rows, new_order, other_shard, place};
use crate::support::{GAMES, SEED_REQUEST, Store, poll_until, within_limit};

#[tokio::test]
async fn clone_with_stale_map_finds_moved_orders() {
    let store = Store::filled().await;
    let clone = store.pg_orders().await;
    let before = place(&clone, "ada", "before").await;
    let bucket = bucket_of_customer("ada");
    let to = other_shard(clone.shard_of_customer("ada"));

    move_bucket(&store, bucket, to).await;

    // Three clones with a stale map: each sends another first request.
    let (reader, other_clone) = (store.pg_orders().await, store.pg_orders().await);
    move_bucket(&store, bucket, other_shard(to)).await;
    move_bucket(&store, bucket, to).await;
    assert_eq!(
        reader.get(before.id).await.unwrap().as_ref(),
        Some(&before),
        "a clone with a stale map does not find an order by its id"
    );
    let listed = other_clone.list_by_customer("ada", None, 10).await.unwrap();
    assert_eq!(listed, std::slice::from_ref(&before), "stale list");
    let after = place(&clone, "ada", "after").await;
    assert_eq!(
        clone.shard_of_customer("ada"),
        to,
        "the map was not read again"
    );
    assert!(after.id > before.id, "the sequence did not move along");
    let again = clone.place(&new_order("ada", "before")).await.unwrap();
    assert_eq!(
        again,
        PlaceOutcome::AlreadyPlaced(before),
        "the idempotency key did not move along"
    );
    assert_eq!(count_misplaced(&store).await, 0);
}

#[tokio::test]
async fn naive_clone_without_epoch_misplaces_orders() {
    let store = Store::filled().await;
    let open = async |naive: &[Naive]| {
        let orders = PgOrders::open_naive(&store.primary, store.shards.clone(), naive).await;
        orders.unwrap()
    };
    for (naive, is_wrong) in [(&[Naive::MapEpoch][..], true), (&[], false)] {
        let customer = if is_wrong { "ada" } else { "grace" };
        let (clone, other_clone) = (open(naive).await, open(&[]).await);
        let to = other_shard(clone.shard_of_customer(customer));
        move_bucket(&store, bucket_of_customer(customer), to).await;
        let order = place(&other_clone, customer, "key").await;
        let read = clone.get(order.id).await.unwrap();
        assert_eq!(read != Some(order), is_wrong, "{naive:?}: {read:?}");
        let order = place(&clone, customer, "second key").await;
        let read = other_clone.get(order.id).await.unwrap();
        assert_eq!(read != Some(order), is_wrong, "{naive:?}: {read:?}");
        assert_eq!(
            count_misplaced(&store).await,
            i64::from(is_wrong),
            "{naive:?}: orders that their customer does not find"
        );
        sqlx::query("DELETE FROM orders WHERE customer = 'ada'")
            .execute(&store.shards[clone.shard_of_customer("ada")])
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn one_more_shard_loses_no_order() {
    let store = Store::filled().await;
    let fifth = testbed::postgres().await.unwrap();
    let mut five = store.shards.clone();
    five.push(ch02_database::postgres::connect(&fifth.url()).unwrap());
    migrate(&store.primary, &five).await.unwrap();
    seed_store(&store.primary, &five, SEED_REQUEST, |_, _| ())
        .await
        .expect("the fifth database must become a shard without buckets");
    for (naive, is_wrong) in [(&[][..], false), (&[Naive::ModuloSharding], true)] {
        // The naive store of four shards has its orders where `bucket % 4` says.
        if is_wrong {
            place_by_modulo(&store).await;
        }
        let orders = PgOrders::open_naive(&store.primary, five.clone(), naive).await;
        let found = join_all((1..=200).map(|id| orders.as_ref().unwrap().get(id))).await;
        let lost = found
            .into_iter()
            .filter(|order| order.as_ref().unwrap().is_none());
        let lost = lost.count();
        assert_eq!(
            (120..=190).contains(&lost),
            is_wrong,
            "{naive:?}: {lost} of 200 orders are not found after a fifth shard"
        );
        assert!(is_wrong || lost == 0, "{lost} orders are not found");
    }
}

#[tokio::test]
async fn closed_gate_holds_back_one_bucket_only() {
    let store = Store::filled().await;
    let orders = store.pg_orders().await;
    let bucket = bucket_of_customer("ada");
    let from = orders.shard_of_customer("ada");
    let neighbour = neighbour_of("ada", &orders);
    let mut mover = store.shards[from].acquire().await.unwrap().detach();
    close_gate(&mut mover, bucket).await.unwrap();

    let keys: Vec<String> = (0..30).map(|n| n.to_string()).collect();
    let blocked = join_all(keys.iter().map(|key| place(&orders, "ada", key)));
    let moving = async {
        // More writers wait than the pool has connections, and another bucket is not disturbed.
        poll_until("a writer waits at the gate", async || {
            let waiting: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            )
            .fetch_one(&mut mover)
            .await
            .unwrap();
            assert!(waiting <= 1, "{waiting} connections wait for one bucket");
            (waiting == 1).then_some(())
        })
        .await;
        for key in &keys {
            let placed =
                tokio::time::timeout(Duration::from_secs(2), place(&orders, &neighbour, key));
            placed.await.expect("the gate of one bucket stops another");
        }
        let listed = orders.list_by_customer("ada", None, 100).await.unwrap();
        assert_eq!(listed, [], "a write has passed the closed gate");
        move_rows(&store, bucket, other_shard(from)).await;
        open_gate(&mut mover, bucket).await.unwrap();
    };
    let (placed, ()) = within_limit(async { tokio::join!(blocked, moving) }).await;

    let listed = orders.list_by_customer("ada", None, 100).await.unwrap();
    assert_eq!(listed.len(), placed.len(), "an order is lost or duplicated");
    assert_eq!(count_misplaced(&store).await, 0);
}

#[tokio::test]
async fn totals_are_exact_while_buckets_move() {
    let store = Store::filled().await;
    let orders = store.pg_orders().await;
    let moves = async {
        for bucket in 0..10 {
            move_bucket(&store, bucket, usize::from(bucket) % 3 + 1).await;
        }
    };
    tokio::pin!(moves);
    let (all, mut counted) = (OrderFilter::default(), 0);
    loop {
        tokio::select! {
            () = &mut moves => break,
            totals = orders.totals(&all) => {
                let totals = totals.unwrap();
                // Between two steps of a move, no shard owns the bucket.
                assert!(totals.is_partial() || totals.value.count == 1_000, "{totals:?}");
                counted += 1;
            }
        }
    }
    assert!(counted > 0, "no count ran during the moves");
    let totals = orders.totals(&all).await.unwrap();
    assert_eq!((totals.value.count, totals.is_partial()), (1_000, false));
}

/// A customer of another bucket on the same shard.
fn neighbour_of(customer: &str, orders: &PgOrders) -> String {
    let is_neighbour = |name: &&String| {
        orders.shard_of_customer(name) == orders.shard_of_customer(customer)
            && bucket_of_customer(name) != bucket_of_customer(customer)
    };
    Generator::new(42)
        .customers()
        .iter()
        .find(is_neighbour)
        .unwrap()
        .clone()
}

/// Writes the first sample orders to four shards by `bucket % 4`, as a store without a map does.
async fn place_by_modulo(store: &Store) {
    let generator = Generator::new(42);
    for id in 1..=200 {
        let order = generator.order(id, GAMES);
        let bucket = bucket_of_order(id);
        let shard = &store.shards[usize::from(bucket) % 4];
        let sql = "INSERT INTO buckets (bucket, next) VALUES ($1, 0) ON CONFLICT DO NOTHING";
        sqlx::query(sql)
            .bind(i32::from(bucket))
            .execute(shard)
            .await
            .unwrap();
        let sql = "INSERT INTO orders VALUES ($1, DEFAULT, $2, 7, 1, 1, now(), NULL) \
             ON CONFLICT DO NOTHING";
        sqlx::query(sql)
            .bind(id)
            .bind(order.customer)
            .execute(shard)
            .await
            .unwrap();
    }
    // The orders of the map's places must not hide the loss.
    for (number, shard) in store.shards.iter().enumerate() {
        sqlx::query("DELETE FROM orders WHERE bucket % 4 <> $1")
            .bind(number as i32)
            .execute(shard)
            .await
            .unwrap();
    }
}
