//! What follows the decision of a move, in its order: the new shard accepts orders, the map names
//! it, the waiting writers continue.

use std::time::Duration;

use ch02_database::Orders;
use ch02_database::sharding::Bucket;
use ch02_database::sharding::rebalance::{MoveLimits, MoveStep, open_moves};
use sqlx::{Executor, PgPool};

use crate::bucket_mover::{new_order, place};
use crate::rebalance::{LIMITS, assert_no_remains, customers_of, mover, owner};
use crate::rebalance_limits::{PausePoint, start_move};
use crate::support::{Store, poll_until, within_limit};

/// How many connections hold the gate of a bucket alone.
async fn closed_gates(shard: &PgPool, bucket: Bucket) -> i64 {
    // The first number of the advisory lock is that of `gate.rs`.
    let sql = "SELECT count(*) FROM pg_locks WHERE granted AND mode = 'ExclusiveLock' \
             AND locktype = 'advisory' AND classid = 21320 AND objid = $1 \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let query = sqlx::query_scalar(sql).bind(i32::from(bucket));
    query.fetch_one(shard).await.unwrap()
}

async fn state(shard: &PgPool, bucket: Bucket) -> Option<String> {
    let sql = "SELECT state FROM buckets WHERE bucket = $1";
    let query = sqlx::query_scalar(sql).bind(i32::from(bucket));
    query.fetch_optional(shard).await.unwrap()
}

#[tokio::test]
async fn moved_bucket_continues_its_sequence() {
    const BUCKET: Bucket = 55;
    // The old shard has given numbers that its clock reaches in some years.
    const NEXT: i64 = 2_000_000_000_000;
    let store = Store::filled().await;
    let ahead = "UPDATE buckets SET next = $2 WHERE bucket = $1";
    let ahead = sqlx::query(ahead).bind(i32::from(BUCKET)).bind(NEXT);
    ahead.execute(&store.shards[0]).await.unwrap();
    let mover = mover(&store, LIMITS);
    mover.move_bucket(BUCKET, 1, |_| ()).await.unwrap();
    let orders = store.pg_orders().await;
    let order = place(&orders, &customers_of(BUCKET)[0], "key").await;
    assert!(
        order.id / 256 >= NEXT,
        "the number may be given twice: {order:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_block_is_tried_again() {
    const BUCKET: Bucket = 59;
    let store = Store::filled().await;
    let orders = store.pg_orders().await;
    let (source, target) = (&store.shards[0], &store.shards[1]);
    let mut pause = PausePoint::set(BUCKET, "blocked");
    let limits = MoveLimits {
        block: Duration::from_millis(500),
        ..LIMITS
    };
    let moving = start_move(mover(&store, limits), BUCKET);
    pause.reached().await;
    // The new shard does not answer the mover.
    let mut slow = target.acquire().await.unwrap().detach();
    let lock = format!("BEGIN; SELECT FROM buckets WHERE bucket = {BUCKET} FOR UPDATE");
    slow.execute(sqlx::AssertSqlSafe(lock)).await.unwrap();
    pause.proceed();
    poll_until("the writers continue", async || {
        (closed_gates(source, BUCKET).await == 0).then_some(())
    })
    .await;
    let order = new_order(&customers_of(BUCKET)[0], "between");
    within_limit(orders.place(&order)).await.unwrap();
    slow.execute("ROLLBACK").await.unwrap();
    let report = within_limit(moving).await.unwrap().unwrap();
    assert!(report.failed_blocks > 0, "no block failed: {report:?}");
    assert_eq!(owner(&store, BUCKET).await, 1);
    assert_no_remains(&store, BUCKET).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bucket_that_was_just_activated_is_kept() {
    const BUCKET: Bucket = 56;
    let store = Store::filled().await;
    let orders = store.pg_orders().await;
    let order = place(&orders, &customers_of(BUCKET)[0], "key").await;
    let mut pause = PausePoint::set(BUCKET, "decided");
    let moving = start_move(mover(&store, LIMITS), BUCKET);
    pause.reached().await;
    // Another process looks for remains: first for the record's mover, then for that of the copy.
    let other = mover(&store, LIMITS);
    let settling = tokio::spawn(async move { other.settle_all().await });
    let mut waiting = Vec::new();
    poll_until("it waits for the mover of the copy", async || {
        let sql = "SELECT pid FROM pg_locks WHERE NOT granted AND locktype = 'advisory' \
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        let pids: Vec<i32> = sqlx::query_scalar(sql)
            .fetch_all(&store.shards[0])
            .await
            .unwrap();
        waiting.extend(pids);
        waiting.dedup();
        (waiting.len() == 2).then_some(())
    })
    .await;
    // The move ends meanwhile.
    pause.proceed();
    within_limit(moving).await.unwrap().unwrap();
    let settled = within_limit(settling).await.unwrap().unwrap();
    assert_eq!(settled, [], "a complete move was rolled back");
    let kept = orders.get(order.id).await.unwrap();
    assert_eq!(kept, Some(order), "the orders of an active bucket are gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn new_owner_is_ready_before_writers_continue() {
    const BUCKET: Bucket = 54;
    let store = Store::filled().await;
    let stale_clone = store.pg_orders().await;
    let customer = &customers_of(BUCKET)[0];
    let (source, target) = (&store.shards[0], &store.shards[1]);
    let steps = ["decided", "activated", "map-changed", "released"];
    let pauses = steps.map(|step| PausePoint::set(BUCKET, step));
    let moving = start_move(mover(&store, LIMITS), BUCKET);
    for (step, mut pause) in steps.into_iter().zip(pauses) {
        pause.reached().await;
        assert_eq!(
            state(source, BUCKET).await.as_deref(),
            Some("moved"),
            "{step}"
        );
        let expected = if step == "decided" {
            "incoming"
        } else {
            "active"
        };
        assert_eq!(
            state(target, BUCKET).await.as_deref(),
            Some(expected),
            "{step}"
        );
        // What `inspect` shows.
        let record = open_moves(source).await.unwrap()[0];
        let expected = if step == "released" {
            MoveStep::CleaningUp
        } else {
            MoveStep::CutOver
        };
        assert_eq!(record.step, expected, "{step}");
        // The map never names a shard that refuses the bucket's orders.
        let is_in_map = ["map-changed", "released"].contains(&step);
        assert_eq!(
            owner(&store, BUCKET).await,
            usize::from(is_in_map),
            "{step}"
        );
        // Writers continue only when the map names the new shard.
        let is_closed = closed_gates(source, BUCKET).await == 1;
        assert_eq!(is_closed, step != "released", "the gate at {step}");
        if is_in_map {
            // A clone that has just read the map does not wait for the mover.
            let fresh_clone = store.pg_orders().await;
            let order = new_order(customer, step);
            within_limit(fresh_clone.place(&order)).await.unwrap();
        }
        pause.proceed();
    }
    within_limit(moving).await.unwrap().unwrap();
    within_limit(stale_clone.place(&new_order(customer, "stale")))
        .await
        .unwrap();
    assert_no_remains(&store, BUCKET).await;
}
