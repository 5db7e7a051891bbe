//! A move whose mover dies, at each step and anywhere: the next one completes it or rolls it back.

use std::fmt::Debug;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use ch02_database::Orders;
use ch02_database::contract::order_journal::{OrderComparison, OrderJournal};
use ch02_database::sharding::Bucket;
use ch02_database::sharding::rebalance::{MoveError, MoveLimits, Settled};

use crate::bucket_mover::{new_order, other_shard};
use crate::rebalance::{
    LIMITS, add_orders, assert_no_remains, change_orders_during_moves, customers_of, mover, owner,
    total_quantity, wait_for_dead_mover,
};
use crate::support::{Store, poll_until, within_limit};

/// The fail points in the order of the move, with the end that the next mover gives it.
const STEPS: [(&str, Settled); 15] = [
    ("recorded", Settled::RolledBack),
    ("read", Settled::RolledBack),
    ("copying", Settled::RolledBack),
    ("copied", Settled::RolledBack),
    ("catching-up", Settled::RolledBack),
    ("caught-up", Settled::RolledBack),
    ("comparing", Settled::RolledBack),
    ("blocked", Settled::RolledBack),
    ("applied", Settled::RolledBack),
    ("compared", Settled::RolledBack),
    ("decided", Settled::Completed),
    ("activated", Settled::Completed),
    ("map-changed", Settled::Completed),
    ("released", Settled::Completed),
    ("cleaning-up", Settled::Completed),
];

#[tokio::test]
async fn killed_move_is_settled_at_each_step() {
    const BUCKET: Bucket = 40;
    let store = Store::filled().await;
    add_orders(&store, BUCKET, 60).await;
    change_orders_during_moves(&store).await;
    let limits = MoveLimits {
        changes_in_block: 0,
        ..LIMITS
    };
    let mover = mover(&store, limits);
    let (journal, customer) = (OrderJournal::new(), &customers_of(BUCKET)[0]);
    for (step, expected) in STEPS {
        let orders = store.pg_orders().await;
        journal.place(&orders, customer).await;
        let from = owner(&store, BUCKET).await;
        let to = other_shard(from);
        let before = total_quantity(&store, BUCKET).await;

        let name = format!("move-of-bucket-{BUCKET}-{step}");
        fail::cfg(&name, "return").unwrap();
        let killed = mover.move_bucket(BUCKET, to, |_| ()).await;
        fail::remove(&name);
        let is_killed = matches!(killed, Err(MoveError::Killed));
        assert!(is_killed, "{step} was not reached: {killed:?}");
        wait_for_dead_mover(&store, BUCKET).await;

        // Until the map names the new owner, no shard serves the bucket.
        let is_unowned = ["decided", "activated"].contains(&step);
        let placed = within_limit(orders.place(&new_order(customer, step))).await;
        assert_eq!(placed.is_err(), is_unowned, "killed at {step}: {placed:?}");
        // To the same shard, it would be continued.
        let is_moved = owner(&store, BUCKET).await == to;
        let elsewhere = if is_moved { to } else { other_shard(to) };
        let second = mover.move_bucket(BUCKET, elsewhere, |_| ()).await;
        assert!(second.is_err(), "a killed move is ignored: {second:?}");

        if is_unowned {
            let again = mover.move_bucket(BUCKET, to, |_| ()).await;
            assert!(
                matches!(again, Err(MoveError::Unsettled(BUCKET))),
                "a move is continued after its decision: {again:?}"
            );
        }

        let settled = mover.settle_all().await.unwrap();
        let outcomes: Vec<Settled> = settled.iter().map(|(.., outcome)| *outcome).collect();
        assert_eq!(outcomes, [expected], "killed at {step}");
        let expected_owner = if expected == Settled::Completed {
            to
        } else {
            from
        };
        assert_eq!(
            owner(&store, BUCKET).await,
            expected_owner,
            "killed at {step}"
        );
        assert_no_remains(&store, BUCKET).await;
        let orders = store.pg_orders().await;
        orders.place(&new_order(customer, step)).await.unwrap();
        let after = total_quantity(&store, BUCKET).await;
        assert!(
            after.0 == before.0 + 1 && after.1 >= before.1,
            "killed at {step}: {after:?} orders and copies after {before:?}"
        );
    }
    let compared = journal.compare(&store.shards).await.unwrap();
    let expected = OrderComparison {
        confirmed: STEPS.len(),
        lost: 0,
        duplicated: 0,
    };
    assert_eq!(compared, expected);
}

#[tokio::test]
async fn killed_roll_back_is_repeated() {
    const BUCKET: Bucket = 41;
    let store = Store::filled().await;
    let mover = mover(&store, LIMITS);
    kill_at(
        &store,
        BUCKET,
        "copied",
        "return",
        mover.move_bucket(BUCKET, 1, |_| ()),
    )
    .await;
    kill_at(&store, BUCKET, "copy-removed", "return", mover.settle_all()).await;
    let settled = mover.settle_all().await.unwrap();
    assert_eq!(settled[0].2, Settled::RolledBack);
    assert_no_remains(&store, BUCKET).await;
    mover.move_bucket(BUCKET, 1, |_| ()).await.unwrap();
    assert_no_remains(&store, BUCKET).await;
}

#[tokio::test]
async fn killed_copy_is_continued() {
    const BUCKET: Bucket = 42;
    let store = Store::filled().await;
    add_orders(&store, BUCKET, 60).await;
    let mover = mover(&store, LIMITS);
    let (orders, customer) = (store.pg_orders().await, &customers_of(BUCKET)[0]);
    kill_at(
        &store,
        BUCKET,
        "copying",
        "1*off->return",
        mover.move_bucket(BUCKET, 1, |_| ()),
    )
    .await;
    // Changed while no mover lives: an order that was copied, and a new one.
    let change = "UPDATE orders SET quantity = 5 WHERE id = 11 * 256 + $1";
    let change = sqlx::query(change).bind(i32::from(BUCKET));
    change.execute(&store.shards[0]).await.unwrap();
    orders.place(&new_order(customer, "between")).await.unwrap();
    let before = total_quantity(&store, BUCKET).await;
    // The second mover copies the rest, and is killed too.
    kill_at(
        &store,
        BUCKET,
        "caught-up",
        "return",
        mover.move_bucket(BUCKET, 1, |_| ()),
    )
    .await;
    kill_at(
        &store,
        BUCKET,
        "removing-copy",
        "return",
        mover.settle_all(),
    )
    .await;

    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM orders WHERE bucket = $1")
        .bind(i32::from(BUCKET))
        .fetch_one(&store.shards[1])
        .await
        .unwrap();
    let report = mover.move_bucket(BUCKET, 1, |_| ()).await.unwrap();
    assert_eq!(report.kept, kept as u64, "{report:?}");
    assert!(
        report.kept >= 40 && report.copied > 0 && report.copied <= 20,
        "the copy was not continued: {report:?}"
    );
    assert_no_remains(&store, BUCKET).await;
    let after = total_quantity(&store, BUCKET).await;
    assert_eq!(after.0 + 40, before.0, "orders and copies");
    let changed = orders.get(11 * 256 + i64::from(BUCKET)).await.unwrap();
    assert_eq!(changed.unwrap().quantity, 5);
}

/// Runs until a fail point ends it.
async fn kill_at<T: Debug>(
    store: &Store,
    bucket: Bucket,
    step: &str,
    actions: &str,
    run: impl Future<Output = Result<T, MoveError>>,
) {
    let name = format!("move-of-bucket-{bucket}-{step}");
    fail::cfg(&name, actions).unwrap();
    let killed = run.await;
    fail::remove(&name);
    assert!(
        matches!(killed, Err(MoveError::Killed)),
        "{step}: {killed:?}"
    );
    wait_for_dead_mover(store, bucket).await;
}

#[tokio::test]
async fn move_killed_anywhere_loses_no_order() {
    const BUCKET: Bucket = 50;
    let store = Store::filled().await;
    // One batch for all orders, so the number of waits does not grow with the orders.
    let limits = MoveLimits {
        batch: 10_000,
        ..LIMITS
    };
    let mover = mover(&store, limits);
    let orders = Arc::new(store.pg_orders().await);
    let journal = OrderJournal::new();
    let clients = journal.start_clients(1, &orders, &customers_of(BUCKET), Duration::ZERO);
    let mut outcomes = Vec::new();
    // The move waits for a server many times. Each round it is killed during a later wait, until it
    // is complete before. Then it is killed during the waits after its decision.
    let decisions = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&decisions);
    let decided = format!("move-of-bucket-{BUCKET}-decided");
    fail::cfg_callback(&decided, move || {
        counter.fetch_add(1, Ordering::Relaxed);
    })
    .unwrap();
    let (mut waits, mut is_after_decision) = (1, false);
    loop {
        wait_for_dead_mover(&store, BUCKET).await;
        let to = other_shard(owner(&store, BUCKET).await);
        let (decided_before, mut left) = (decisions.load(Ordering::Relaxed), waits);
        let is_dead = || {
            let counts = !is_after_decision || decisions.load(Ordering::Relaxed) > decided_before;
            left -= usize::from(counts);
            left == 0
        };
        let ended = poll_while_alive(is_dead, mover.move_bucket(BUCKET, to, |_| ())).await;
        let is_complete = ended.map(Result::unwrap).is_some();
        wait_for_dead_mover(&store, BUCKET).await;
        let settled = within_limit(mover.settle_all()).await.unwrap();
        outcomes.extend(settled.into_iter().map(|(.., outcome)| outcome));
        let confirmed = journal.count(BUCKET);
        poll_until("customers order again", async || {
            (journal.count(BUCKET) > confirmed).then_some(())
        })
        .await;
        match (is_complete, is_after_decision) {
            (true, true) => break,
            (true, false) => (waits, is_after_decision) = (1, true),
            (false, true) => waits += 1,
            (false, false) => waits += 13,
        }
    }
    within_limit(journal.stop(clients)).await;
    for outcome in [Settled::RolledBack, Settled::Completed] {
        assert!(outcomes.contains(&outcome), "{outcomes:?}");
    }
    let compared = journal.compare(&store.shards).await.unwrap();
    assert_eq!((compared.lost, compared.duplicated), (0, 0), "{compared:?}");
    assert!(compared.confirmed >= outcomes.len(), "{compared:?}");
    assert_no_remains(&store, BUCKET).await;
}

/// Drops the future when `is_dead`, which it asks after each poll. `None` then.
async fn poll_while_alive<F: Future>(
    mut is_dead: impl FnMut() -> bool,
    future: F,
) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        let polled = future.as_mut().poll(context).map(Some);
        if polled.is_pending() && is_dead() {
            return Poll::Ready(None);
        }
        polled
    })
    .await
}
