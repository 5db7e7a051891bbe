// Wrong: the pages ask the shards themselves, and wait for each of them.
// Says: when does the waiting end?
// Breaks: rule 1
#![allow(missing_docs, reason = "documented in the exercise")]

use std::cmp::Reverse;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

pub const DEADLINE: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    pub id: u64,
    pub total_cents: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    pub after: Option<Order>,
    pub offset: usize,
    pub limit: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the shard is unavailable")]
pub struct Unavailable;

pub trait Shard {
    fn totals(&self) -> impl Future<Output = Result<Totals, Unavailable>>;

    fn orders(&self, query: Query) -> impl Future<Output = Result<Vec<Order>, Unavailable>>;
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub count: u64,
    pub sum_cents: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathered<T> {
    pub value: T,
    pub missing: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    last: Order,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub orders: Vec<Order>,
    pub next: Option<Cursor>,
}

pub struct Orders<S> {
    shards: Vec<S>,
}

impl<S: Shard> Orders<S> {
    pub fn new(shards: Vec<S>) -> Self {
        Orders { shards }
    }

    pub async fn totals(&self) -> Gathered<Totals> {
        let answers = self.ask(S::totals).await;
        let value = Totals {
            count: answers.value.iter().map(|part| part.count).sum(),
            sum_cents: answers.value.iter().map(|part| part.sum_cents).sum(),
        };
        let missing = answers.missing;
        Gathered { value, missing }
    }

    pub async fn average_cents(&self) -> Gathered<Option<f64>> {
        let Gathered { value, missing } = self.totals().await;
        let average = value.sum_cents as f64 / value.count as f64;
        let value = (value.count > 0).then_some(average);
        Gathered { value, missing }
    }

    pub async fn page(&self, cursor: Option<Cursor>, limit: usize) -> Gathered<Page> {
        let query = Query {
            after: cursor.map(|cursor| cursor.last),
            offset: 0,
            limit,
        };
        let asked = self.shards.iter().map(|shard| shard.orders(query));
        let (mut value, mut missing) = (Vec::new(), Vec::new());
        for (shard, answer) in join_all(asked).await.into_iter().enumerate() {
            match answer {
                Ok(answer) => value.push(answer),
                Err(Unavailable) => missing.push(shard),
            }
        }
        let answers = Gathered { value, missing };
        let mut orders = answers.value.concat();
        orders.sort_by_key(|order| Reverse((order.total_cents, order.id)));
        orders.truncate(limit);
        let is_full = orders.len() == limit;
        let last = orders.last().filter(|_| is_full).copied();
        let next = last.map(|last| Cursor { last });
        let missing = answers.missing;
        let value = Page { orders, next };
        Gathered { value, missing }
    }

    async fn ask<'a, T, F>(&'a self, question: impl Fn(&'a S) -> F) -> Gathered<Vec<T>>
    where
        F: Future<Output = Result<T, Unavailable>>,
    {
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
