// The tests of `scatter_gather`. Their clock is paused: it jumps to the next timer when all shards
// wait, so an hour takes no time.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::rc::Rc;
use std::time::Duration;

use scatter_gather::{DEADLINE, Order, Orders, Page, Query, Shard, Totals, Unavailable};
use tokio::time::{Instant, sleep};

/// A shard, which a test can change between two questions.
#[derive(Clone, Default)]
struct Server(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    orders: Vec<Order>,
    latency: Duration,
    is_dead: bool,
    /// The largest `limit` of a query.
    largest_limit: usize,
}

impl Server {
    fn insert(&self, id: u64, total_cents: u64) {
        let mut state = self.0.borrow_mut();
        state.orders.push(Order { id, total_cents });
        state.orders.sort_by_key(rank);
    }

    fn set_latency(&self, latency: Duration) {
        self.0.borrow_mut().latency = latency;
    }

    fn kill(&self) {
        self.0.borrow_mut().is_dead = true;
    }

    async fn answer<T>(&self, read: impl FnOnce(&mut State) -> T) -> Result<T, Unavailable> {
        let latency = self.0.borrow().latency;
        sleep(latency).await;
        let mut state = self.0.borrow_mut();
        if state.is_dead {
            return Err(Unavailable);
        }
        Ok(read(&mut state))
    }
}

impl Shard for Server {
    async fn totals(&self) -> Result<Totals, Unavailable> {
        self.answer(|state| Totals {
            count: state.orders.len() as u64,
            sum_cents: state.orders.iter().map(|order| order.total_cents).sum(),
        })
        .await
    }

    async fn orders(&self, query: Query) -> Result<Vec<Order>, Unavailable> {
        self.answer(|state| {
            state.largest_limit = state.largest_limit.max(query.limit);
            let is_after = |order: &&Order| query.after.is_none_or(|it| rank(order) > rank(&it));
            let orders = state.orders.iter().filter(is_after);
            orders
                .skip(query.offset)
                .take(query.limit)
                .copied()
                .collect()
        })
        .await
    }
}

/// The place of an order in a list: the most expensive first, and then the greater id.
fn rank(order: &Order) -> Reverse<(u64, u64)> {
    Reverse((order.total_cents, order.id))
}

/// Shards with these prices. The ids are 1, 2, 3 and so on, in turn over the shards.
fn cluster<const N: usize>(prices: [&[u64]; N]) -> ([Server; N], Orders<Server>) {
    let servers = [(); N].map(|()| Server::default());
    let mut id = 0;
    for place in 0..prices.iter().map(|it| it.len()).max().unwrap_or(0) {
        for (server, prices) in servers.iter().zip(prices) {
            if let Some(price) = prices.get(place) {
                id += 1;
                server.insert(id, *price);
            }
        }
    }
    let orders = Orders::new(servers.to_vec());
    (servers, orders)
}

fn ids(page: &Page) -> Vec<u64> {
    page.orders.iter().map(|order| order.id).collect()
}

fn sorted(mut missing: Vec<usize>) -> Vec<usize> {
    missing.sort_unstable();
    missing
}

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
