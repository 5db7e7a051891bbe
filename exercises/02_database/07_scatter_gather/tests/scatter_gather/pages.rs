//! Rules 4, 5 and 6: pages over all shards.

use super::support::{Server, cluster, ids, rank};
use super::{Order, Orders};

// Rule 4.
#[tokio::test(start_paused = true)]
async fn page_may_come_from_one_shard() {
    let (servers, orders) = cluster([&[1, 2, 3], &[900, 800, 700, 600, 500], &[4, 5, 6]]);

    let page = orders.page(None, 4).await.value;

    let prices: Vec<u64> = page.orders.iter().map(|order| order.total_cents).collect();
    assert_eq!(
        prices.len(),
        4,
        "a page of 4 orders was wanted, and there are 11: how many orders has a page? Its prices \
         are {prices:?}"
    );
    assert_eq!(
        prices,
        [900, 800, 700, 600],
        "the four most expensive orders are all on shard 1: may all of them be on one shard? And \
         is the most expensive order first?"
    );
    for server in servers {
        let limit = server.0.borrow().largest_limit;
        assert!(
            limit <= 5,
            "a page of 4 orders was wanted, but a shard was asked for {limit}: how many orders can \
             a page need from one shard?"
        );
    }
}

// Rule 5.
#[tokio::test(start_paused = true)]
async fn ties_are_sorted_by_id() {
    // The ids of the shards: 1, 4, 6 and 2, 5 and 3.
    let (_, orders) = cluster([&[100, 100, 300], &[100, 100], &[100]]);

    let page = orders.page(None, 10).await.value;

    assert_eq!(
        ids(&page),
        [6, 5, 4, 3, 2, 1],
        "order 6 costs 300 cents, and the others 100: the most expensive order first. Of two orders \
         with the same price on two shards: which one is first?"
    );
}

/// 40 orders on four shards. Only five prices, so nearly every page ends between equal prices.
fn many_orders() -> ([Server; 4], Orders<Server>, Vec<u64>) {
    let prices: Vec<Vec<u64>> = (0..4)
        .map(|shard: u64| {
            (0..4 + 4 * shard)
                .map(|it| 100 + (it * it + shard) % 5)
                .collect()
        })
        .collect();
    let (servers, orders) = cluster([&prices[0], &prices[1], &prices[2], &prices[3]]);
    let states = servers.iter().map(|server| server.0.borrow());
    let mut all: Vec<Order> = states.flat_map(|state| state.orders.clone()).collect();
    all.sort_by_key(rank);
    let all = all.iter().map(|order| order.id).collect();
    (servers, orders, all)
}

/// The ids of all pages. Before the page number `changed`, `change` happens.
async fn walk(
    orders: &Orders<Server>,
    limit: usize,
    changed: usize,
    change: impl Fn(),
) -> Vec<u64> {
    let (mut seen, mut cursor) = (Vec::new(), None);
    for number in 1..=50 {
        if number == changed {
            change();
        }
        let page = orders.page(cursor, limit).await.value;
        seen.extend(ids(&page));
        assert!(
            page.next.is_some() || page.orders.len() <= limit,
            "a page has at most {limit} orders: how many orders has a page?"
        );
        cursor = page.next;
        if cursor.is_none() {
            return seen;
        }
    }
    let mut distinct = seen.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert!(
        distinct.len() == seen.len(),
        "50 pages have shown {seen:?}. Is an order there twice?"
    );
    panic!(
        "50 pages have shown {seen:?}, and each of them has a next page. When does the list end?"
    );
}

// Rule 6.
#[tokio::test(start_paused = true)]
async fn pages_have_each_order_once() {
    for limit in [1, 3, 7, 10, 100] {
        let (servers, orders, all) = many_orders();

        let seen = walk(&orders, limit, 0, || {}).await;

        assert_pages(&seen, &all, limit);
        for server in &servers {
            let asked = server.0.borrow().largest_limit;
            assert!(
                asked <= limit + 1,
                "a page of {limit} orders was wanted, but a shard was asked for {asked}: how many \
                 orders can a page need from one shard?"
            );
        }
    }
}

fn assert_pages(seen: &[u64], all: &[u64], limit: usize) {
    let missing: Vec<&u64> = all.iter().filter(|id| !seen.contains(id)).collect();
    assert!(
        missing.is_empty(),
        "all pages of {limit} orders together do not have the orders {missing:?}. Is an order \
         missing? What does the next page begin with, on each of the shards?"
    );
    let is_twice = |id: &&u64| seen.iter().filter(|it| it == id).count() > 1;
    let twice: Vec<&u64> = all.iter().filter(is_twice).collect();
    assert!(
        twice.is_empty(),
        "all pages of {limit} orders together have the orders {twice:?} more than once. Is an \
         order there twice? What does the next page begin with?"
    );
    assert_eq!(
        seen, all,
        "all pages together, and the sorted list: the most expensive order first. Of two orders \
         with the same price: which one is first?"
    );
}

// Rule 6.
#[tokio::test(start_paused = true)]
async fn new_order_shifts_no_page() {
    for limit in [3, 7] {
        let (servers, orders, all) = many_orders();

        let seen = walk(&orders, limit, 3, || servers[2].insert(900, 9999)).await;

        assert_pages(&seen, &all, limit);
    }
}

// Rule 6.
#[tokio::test(start_paused = true)]
async fn page_that_is_not_full_is_the_last() {
    let (_, orders) = cluster([&[100, 200], &[300]]);

    let first = orders.page(None, 2).await.value;
    assert!(
        first.next.is_some(),
        "there are three orders, and a page has two: where is the third?"
    );
    let second = orders.page(first.next, 2).await.value;

    assert_eq!(
        (second.orders.len(), second.next),
        (1, None),
        "the second page has one order, so it is not full. When does the list end?"
    );
}
