//! A move whose mover dies, at each step and anywhere: the next one completes it or rolls it back.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use ch02_database::Orders;
use ch02_database::contract::order_journal::{OrderComparison, OrderJournal};
use ch02_database::sharding::Bucket;
use ch02_database::sharding::rebalance::{MoveError, MoveLimits, Settled};

use crate::bucket_mover::{new_order, other_shard};
use crate::rebalance::{
    LIMITS, add_orders, assert_no_remains, change_orders_during_moves, customers_of, mover, owner,
    total_quantity,
};
use crate::support::{Store, within_limit};

/// The fail points in the order of the move, with the end that the next mover gives it.
const STEPS: [(&str, Settled); 13] = [
    ("recorded", Settled::RolledBack),
    ("copying", Settled::RolledBack),
    ("copied", Settled::RolledBack),
    ("catching-up", Settled::RolledBack),
    ("caught-up", Settled::RolledBack),
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

        // Until the map names the new owner, no shard serves the bucket.
        let is_unowned = ["decided", "activated"].contains(&step);
        let placed = within_limit(orders.place(&new_order(customer, step))).await;
        assert_eq!(placed.is_err(), is_unowned, "killed at {step}: {placed:?}");
        let second = mover.move_bucket(BUCKET, to, |_| ()).await;
        assert!(second.is_err(), "a killed move is ignored: {second:?}");

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
    for step in ["copied", "copy-removed"] {
        let name = format!("move-of-bucket-{BUCKET}-{step}");
        fail::cfg(&name, "return").unwrap();
        let killed = if step == "copied" {
            mover.move_bucket(BUCKET, 1, |_| ()).await.map(drop)
        } else {
            mover.settle_all().await.map(drop)
        };
        fail::remove(&name);
        assert!(matches!(killed, Err(MoveError::Killed)), "{killed:?}");
    }
    let settled = mover.settle_all().await.unwrap();
    assert_eq!(settled[0].2, Settled::RolledBack);
    assert_no_remains(&store, BUCKET).await;
    mover.move_bucket(BUCKET, 1, |_| ()).await.unwrap();
    assert_no_remains(&store, BUCKET).await;
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
    // is complete before.
    for polls in (1..).step_by(13) {
        let to = other_shard(owner(&store, BUCKET).await);
        let ended = poll_at_most(polls, mover.move_bucket(BUCKET, to, |_| ())).await;
        if let Some(result) = ended {
            result.unwrap();
            break;
        }
        let settled = within_limit(mover.settle_all()).await.unwrap();
        outcomes.extend(settled.into_iter().map(|(.., outcome)| outcome));
    }
    within_limit(journal.stop(clients)).await;
    for outcome in [Settled::RolledBack, Settled::Completed] {
        assert!(outcomes.contains(&outcome), "{outcomes:?}");
    }
    let compared = journal.compare(&store.shards).await.unwrap();
    assert_eq!((compared.lost, compared.duplicated), (0, 0), "{compared:?}");
    assert!(compared.confirmed > outcomes.len(), "{compared:?}");
    assert_no_remains(&store, BUCKET).await;
}

/// Drops the future when it has been polled this often. `None` then.
async fn poll_at_most<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let (mut future, mut left) = (pin!(future), polls);
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}
