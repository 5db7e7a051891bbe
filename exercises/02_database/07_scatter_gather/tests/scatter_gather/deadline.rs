//! Rules 1 and 2: all shards at once, and no longer than the deadline.

use std::time::Duration;

use tokio::time::Instant;

use super::support::{Server, cluster, ids, sorted};
use super::{DEADLINE, Totals};

// Rule 1.
#[tokio::test(start_paused = true)]
async fn shards_are_asked_at_the_same_time() {
    let (servers, orders) = cluster([&[100], &[200], &[300], &[400]]);
    for server in &servers {
        server.set_latency(Duration::from_millis(100));
    }
    let start = Instant::now();

    let totals = orders.totals().await;

    let elapsed = start.elapsed();
    assert_eq!(totals.missing, [0; 0], "all shards have answered in time");
    assert!(
        elapsed < Duration::from_millis(200),
        "each of four shards answers in 100 ms, but the question took {elapsed:?}. Do you ask them \
         one after the other?"
    );
}

// Rules 1 and 2.
#[tokio::test(start_paused = true)]
async fn slow_shard_is_missing_at_the_deadline() {
    let (servers, orders) = cluster([&[100], &[200], &[300]]);
    servers[1].set_latency(Duration::from_hours(1));
    let start = Instant::now();

    let totals = orders.totals().await;

    let elapsed = start.elapsed();
    assert!(
        elapsed < DEADLINE + Duration::from_millis(100),
        "a shard answers only after an hour, and the question took {elapsed:?}, but a question \
         takes {DEADLINE:?} at most: when does the waiting end?"
    );
    assert_eq!(
        totals.value.count, 2,
        "two of three shards answered at once: are the answers of the other shards lost?"
    );
    assert_eq!(
        totals.missing,
        [1],
        "shard 1 has not answered in time: does the result say what is missing?"
    );
}

// Rule 2.
#[tokio::test(start_paused = true)]
async fn answer_just_before_the_deadline_counts() {
    let (servers, orders) = cluster([&[100], &[200]]);
    servers[1].set_latency(DEADLINE * 9 / 10);

    let totals = orders.totals().await;

    assert_eq!(
        (totals.value.count, totals.missing),
        (2, vec![]),
        "both shards have answered before {DEADLINE:?}"
    );
}

// Rule 2.
#[tokio::test(start_paused = true)]
async fn dead_shards_are_named() {
    let (servers, orders) = cluster([&[100], &[200], &[300], &[400], &[500]]);
    servers[1].kill();
    servers[3].kill();

    let totals = orders.totals().await;

    assert_ne!(
        totals.missing, [0; 0],
        "two of five shards are dead, and the result looks complete: does the result say what is \
         missing?"
    );
    assert_eq!(
        totals.value,
        Totals {
            count: 3,
            sum_cents: 900
        },
        "the shards 1 and 3 are dead, and the others have the orders of 100, 300 and 500 cents: \
         are the answers of the other shards lost?"
    );
    assert_eq!(
        sorted(totals.missing),
        [1, 3],
        "the shards 1 and 3 are dead. Which shards are missing?"
    );
}

// Rules 1 and 2.
#[tokio::test(start_paused = true)]
async fn every_result_has_the_flag() {
    for is_dead in [true, false] {
        let (servers, orders) = cluster([&[100, 110], &[200], &[300]]);
        if is_dead {
            servers[1].kill();
        } else {
            servers[1].set_latency(Duration::from_hours(1));
        }
        let start = Instant::now();

        let average = orders.average_cents().await;
        let page = orders.page(None, 10).await;

        assert!(
            start.elapsed() < 2 * DEADLINE + Duration::from_millis(100),
            "the two questions took {:?}, but each of them takes {DEADLINE:?} at most: when does \
             the waiting end?",
            start.elapsed()
        );
        assert_eq!(
            (average.value, average.missing),
            (Some(170.0), vec![1]),
            "shard 1 is dead or too slow, and the others have orders of 100, 110 and 300 cents. \
             Does the average say what is missing?"
        );
        assert_eq!(
            (ids(&page.value), page.missing),
            (vec![3, 4, 1], vec![1]),
            "shard 1 is dead or too slow, and the others have the orders 3, 4 and 1, from the most \
             expensive one to the cheapest. Does the page say what is missing?"
        );
    }
}

// Rule 2.
#[tokio::test(start_paused = true)]
async fn all_shards_can_be_missing() {
    let (servers, orders) = cluster([&[100], &[200]]);
    servers.iter().for_each(Server::kill);

    let totals = orders.totals().await;
    let average = orders.average_cents().await;

    assert_eq!(
        (totals.value.count, sorted(totals.missing)),
        (0, vec![0, 1]),
        "both shards are dead: does the result say what is missing?"
    );
    assert_eq!(
        average.value, None,
        "no shard has answered, so there are no orders. What is the average of no orders?"
    );
}
