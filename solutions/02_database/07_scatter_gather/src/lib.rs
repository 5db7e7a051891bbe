//! # Scatter-gather
//!
//! The orders are on four shards, by customer. The office asks for the number of orders, the
//! average price, and a list of the most expensive orders with 20 on each page. No shard knows the
//! answer. So the program asks all of them (*scatter*) and combines what they say (*gather*).
//!
//! A first version is wrong in three ways. Its average is too high, because a shard with two
//! orders counts as much as one with a million. Its second page repeats an order and leaves out
//! another one. And when a shard is down, the office sees an error or, worse, a smaller number.
//!
//! ## Rules
//!
//! 1. All shards are asked at the same time. A question takes as long as its slowest shard, and at
//!    most [`DEADLINE`].
//! 2. A shard that fails, or that has not answered at the deadline, is missing. The result has the
//!    answers of all other shards, and names exactly the missing ones.
//! 3. Counts and sums are added. The average is the sum of all prices divided by the number of all
//!    orders, and not a whole number. There is none without orders.
//! 4. The first `limit` orders of all shards may be on one of them, so each shard is asked for
//!    `limit` orders. It is not asked for more than one beyond that: the answer must stay small.
//! 5. The most expensive order is first. Of two orders with the same price, the one with the
//!    greater id is first, on whatever shards they are.
//! 6. The next page begins after the last order of this page. All pages together have each order
//!    once, also if orders with the same price are on two pages, and if a new order comes in
//!    between. A page that is not full has no next page.
//!
//! ## Predict
//!
//! Four shards have 1, 1, 1 and 997 orders. Each order of the first three costs 1,000 cents, each
//! order of the fourth 100 cents. What is the average price? What is the average of the four
//! averages? And each shard answers in time in 99 of 100 cases: how many of the answers are
//! partial?
//!
//! ## What to do
//!
//! Choose the field of [`Cursor`], and write the four functions of [`Orders`]: about 35 lines
//! together. Two functions of libraries help: [`tokio::time::timeout`] and
//! [`futures_util::future::join_all`], which waits for many futures at once and keeps their order.
//! `cargo workshop check scatter_gather` runs the tests. They fail now; that is expected.
//!
//! Left out: a bucket that moves while the shards answer. Chapter 2 has it, in
//! `chapters/02-database/src/orders/scatter.rs`.

#![warn(missing_docs)]

use std::cmp::Reverse;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

/// How long all shards together may take to answer.
pub const DEADLINE: Duration = Duration::from_secs(2);

/// An order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its number, which no other order has on any shard.
    pub id: u64,
    /// Its price in cents.
    pub total_cents: u64,
}

/// Which orders a shard returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// Only orders that come after this one. It may be an order of another shard.
    pub after: Option<Order>,
    /// How many orders the shard leaves out before the first one that it returns.
    pub offset: usize,
    /// How many orders the shard returns at most.
    pub limit: usize,
}

/// The shard has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the shard is unavailable")]
pub struct Unavailable;

/// A server with the orders of some customers.
pub trait Shard {
    /// The totals of this shard's orders.
    fn totals(&self) -> impl Future<Output = Result<Totals, Unavailable>>;

    /// The first orders of this shard, in the order of rule 5.
    fn orders(&self, query: Query) -> impl Future<Output = Result<Vec<Order>, Unavailable>>;
}

/// The number of orders and the sum of their prices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// The number of orders.
    pub count: u64,
    /// The sum of their prices.
    pub sum_cents: u64,
}

/// A result over the shards that have answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathered<T> {
    /// The result.
    pub value: T,
    /// The indexes of the shards that have not answered.
    pub missing: Vec<usize>,
}

/// What must be known of a page to find the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The last order of the page. An offset would mean something else on each shard.
    last: Order,
}

/// A page of orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The orders.
    pub orders: Vec<Order>,
    /// Leads to the next page. `None` if this page is not full.
    pub next: Option<Cursor>,
}

/// The orders of all shards.
pub struct Orders<S> {
    shards: Vec<S>,
}

impl<S: Shard> Orders<S> {
    /// The orders of these shards.
    pub fn new(shards: Vec<S>) -> Self {
        Orders { shards }
    }

    /// The number of all orders and the sum of their prices.
    pub async fn totals(&self) -> Gathered<Totals> {
        let answers = self.ask(S::totals).await;
        let value = Totals {
            count: answers.value.iter().map(|part| part.count).sum(),
            sum_cents: answers.value.iter().map(|part| part.sum_cents).sum(),
        };
        let missing = answers.missing;
        Gathered { value, missing }
    }

    /// The average price of all orders, in cents. `None` without orders.
    pub async fn average_cents(&self) -> Gathered<Option<f64>> {
        let Gathered { value, missing } = self.totals().await;
        // Divided once, at the end: each order counts the same, on whatever shard it is.
        let average = value.sum_cents as f64 / value.count as f64;
        let value = (value.count > 0).then_some(average);
        Gathered { value, missing }
    }

    /// A page of at most `limit` orders: the first one, or the one that the cursor leads to.
    pub async fn page(&self, cursor: Option<Cursor>, limit: usize) -> Gathered<Page> {
        let query = Query {
            after: cursor.map(|cursor| cursor.last),
            offset: 0,
            limit,
        };
        let answers = self.ask(|shard| shard.orders(query)).await;
        let mut orders = answers.value.concat();
        orders.sort_by_key(|order| Reverse((order.total_cents, order.id)));
        // After the sorting: what does not fit comes again with the next page.
        orders.truncate(limit);
        let is_full = orders.len() == limit;
        let last = orders.last().filter(|_| is_full).copied();
        let next = last.map(|last| Cursor { last });
        let missing = answers.missing;
        let value = Page { orders, next };
        Gathered { value, missing }
    }

    /// Asks all shards the same question. The value has an answer of each shard that gave one.
    async fn ask<'a, T, F>(&'a self, question: impl Fn(&'a S) -> F) -> Gathered<Vec<T>>
    where
        F: Future<Output = Result<T, Unavailable>>,
    {
        // Each shard has its own limit, so a slow shard does not discard the answers of the others.
        let questions = self.shards.iter().map(question);
        let answers = join_all(questions.map(|answer| timeout(DEADLINE, answer))).await;
        let (mut value, mut missing) = (Vec::new(), Vec::new());
        for (shard, answer) in answers.into_iter().enumerate() {
            match answer {
                Ok(Ok(answer)) => value.push(answer),
                Ok(Err(Unavailable)) | Err(_) => missing.push(shard),
            }
        }
        Gathered { value, missing }
    }
}
