//! Rule 3: sums, counts and averages.

use super::Totals;
use super::support::cluster;

// Rule 3.
#[tokio::test(start_paused = true)]
async fn totals_are_added() {
    let (_, orders) = cluster([&[100, 200], &[], &[300]]);

    let totals = orders.totals().await;

    assert_eq!(
        totals.value,
        Totals {
            count: 3,
            sum_cents: 600
        },
        "three shards have two, no and one order: are the numbers of the shards added?"
    );
}

// Rule 3.
#[tokio::test(start_paused = true)]
async fn average_counts_each_order_once() {
    let (_, orders) = cluster([&[1000], &[100; 9], &[]]);

    let average = orders.average_cents().await.value;

    assert_eq!(
        average,
        Some(190.0),
        "one shard has an order of 1000 cents, another one nine orders of 100 cents: 1900 cents for \
         10 orders. Does a small shard count as much as a large one? What do you divide by?"
    );
}

// Rule 3.
#[tokio::test(start_paused = true)]
async fn average_has_a_fraction() {
    let (_, orders) = cluster([&[100], &[101]]);
    assert_eq!(
        orders.average_cents().await.value,
        Some(100.5),
        "two orders cost 100 and 101 cents: do you divide whole numbers?"
    );
}

// Rule 3.
#[tokio::test(start_paused = true)]
async fn no_orders_have_no_average() {
    let (_, orders) = cluster([&[], &[]]);
    assert_eq!(
        orders.average_cents().await.value,
        None,
        "there are no orders. What is the average of no orders?"
    );
}
