//! Moves a bucket in one step, for tests of the parts that a move relies on: the gate, the shard
//! map, the shards' refusals.
//!
//! Unlike the library's mover, it leaves the bucket's row and orders on the old shard, where a
//! clone with a stale map finds them. A test can hold the gate itself ([`move_rows`]). And a fault
//! in the library's mover does not hide one in these parts.

use ch02_database::model::{NewOrder, Order, PlaceOutcome};
use ch02_database::sharding::{
    Bucket, Owner, ShardId, bucket_of_customer, bucket_of_order, close_gate, load_map, open_gate,
    set_owner,
};
use ch02_database::{Orders, PgOrders};
use sqlx::{PgConnection, PgPool};

use crate::support::Store;

pub async fn place(orders: &PgOrders, customer: &str, key: &str) -> Order {
    match orders.place(&new_order(customer, key)).await.unwrap() {
        PlaceOutcome::Created(order) => order,
        other => panic!("expected a new order of {customer}, got {other:?}"),
    }
}

pub fn new_order(customer: &str, key: &str) -> NewOrder {
    NewOrder {
        customer: customer.to_owned(),
        game_id: 7,
        quantity: 2,
        unit_price_cents: 1_999,
        idempotency_key: key.to_owned(),
        payment_reference: None,
    }
}

pub fn other_shard(shard: ShardId) -> ShardId {
    (shard + 1) % 4
}

/// Moves a bucket while no clone writes to it.
pub async fn move_bucket(store: &Store, bucket: Bucket, to: ShardId) {
    let map = load_map(&store.primary).await.unwrap().unwrap();
    let mut mover = store.shards[map.owner(bucket)]
        .acquire()
        .await
        .unwrap()
        .detach();
    close_gate(&mut mover, bucket).await.unwrap();
    move_rows(store, bucket, to).await;
    open_gate(&mut mover, bucket).await.unwrap();
}

/// The part of a move that runs with the gate closed, without the copy in advance.
pub async fn move_rows(store: &Store, bucket: Bucket, to: ShardId) {
    let number = i32::from(bucket);
    let map = load_map(&store.primary).await.unwrap().unwrap();
    let (from, epoch) = (&store.shards[map.owner(bucket)], map.epoch() + 1);
    let next: i64 = sqlx::query_scalar(
        "UPDATE buckets SET state = 'moved', epoch = $2 WHERE bucket = $1 RETURNING next",
    )
    .bind(number)
    .bind(epoch)
    .fetch_one(from)
    .await
    .unwrap();
    let mut target = store.shards[to].acquire().await.unwrap();
    run(
        &mut target,
        "BEGIN; SET LOCAL sharding.bucket_state = 'incoming'",
    )
    .await;
    sqlx::query("DELETE FROM orders WHERE bucket = $1")
        .bind(number)
        .execute(&mut *target)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO buckets (bucket, next, state, epoch) VALUES ($1, $2, 'incoming', $3) \
         ON CONFLICT (bucket) DO UPDATE SET next = $2, state = 'incoming', epoch = $3",
    )
    .bind(number)
    .bind(next)
    .bind(epoch)
    .execute(&mut *target)
    .await
    .unwrap();
    // PostgreSQL reads and writes a whole row as one text.
    let rows: Vec<String> =
        sqlx::query_scalar("SELECT to_jsonb(orders)::text FROM orders WHERE bucket = $1")
            .bind(number)
            .fetch_all(from)
            .await
            .unwrap();
    for row in rows {
        let insert = "INSERT INTO orders (id, customer, game_id, quantity, total_cents, \
             created_at, idempotency_key, payment_reference) SELECT id, customer, game_id, quantity, total_cents, \
             created_at, idempotency_key, payment_reference FROM jsonb_populate_record(NULL::orders, $1::jsonb)";
        sqlx::query(insert)
            .bind(row)
            .execute(&mut *target)
            .await
            .unwrap();
    }
    sqlx::query("UPDATE buckets SET state = 'active' WHERE bucket = $1")
        .bind(number)
        .execute(&mut *target)
        .await
        .unwrap();
    run(&mut target, "COMMIT").await;
    let owner = Owner { shard: to, epoch };
    set_owner(&store.primary, bucket, owner).await.unwrap();
}

async fn run(connection: &mut PgConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(connection).await.unwrap();
}

/// The orders in the shards that are newer than their bucket's move to another shard.
pub async fn count_misplaced(store: &Store) -> i64 {
    let mut misplaced = 0;
    let map = load_map(&store.primary).await.unwrap().unwrap();
    for (number, shard) in store.shards.iter().enumerate() {
        let rows: Vec<(i64, String, Option<String>)> =
            sqlx::query_as("SELECT id, customer, idempotency_key FROM orders")
                .fetch_all(shard)
                .await
                .unwrap();
        for (id, customer, key) in rows {
            assert_eq!(bucket_of_order(id), bucket_of_customer(&customer));
            let owner = map.owner(bucket_of_order(id));
            if owner != number && !contains(&store.shards[owner], id, key).await {
                misplaced += 1;
            }
        }
    }
    misplaced
}

async fn contains(shard: &PgPool, id: i64, key: Option<String>) -> bool {
    let sql = "SELECT EXISTS \
         (SELECT FROM orders WHERE id = $1 AND idempotency_key IS NOT DISTINCT FROM $2)";
    sqlx::query_scalar(sql)
        .bind(id)
        .bind(key)
        .fetch_one(shard)
        .await
        .unwrap()
}
