//! Shards in memory, with a delay or an error.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::sleep;

use super::{Order, Orders, Page, Query, Shard, Totals, Unavailable};

/// A shard, which a test can change between two questions.
#[derive(Clone, Default)]
pub struct Server(pub Rc<RefCell<State>>);

#[derive(Default)]
pub struct State {
    pub orders: Vec<Order>,
    pub latency: Duration,
    pub is_dead: bool,
    /// The largest `limit` of a query.
    pub largest_limit: usize,
}

impl Server {
    pub fn insert(&self, id: u64, total_cents: u64) {
        let mut state = self.0.borrow_mut();
        state.orders.push(Order { id, total_cents });
        state.orders.sort_by_key(rank);
    }

    pub fn set_latency(&self, latency: Duration) {
        self.0.borrow_mut().latency = latency;
    }

    pub fn kill(&self) {
        self.0.borrow_mut().is_dead = true;
    }

    pub async fn answer<T>(&self, read: impl FnOnce(&mut State) -> T) -> Result<T, Unavailable> {
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
pub fn rank(order: &Order) -> Reverse<(u64, u64)> {
    Reverse((order.total_cents, order.id))
}

/// Shards with these prices. The ids are 1, 2, 3 and so on, in turn over the shards.
pub fn cluster<const N: usize>(prices: [&[u64]; N]) -> ([Server; N], Orders<Server>) {
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

pub fn ids(page: &Page) -> Vec<u64> {
    page.orders.iter().map(|order| order.id).collect()
}

pub fn sorted(mut missing: Vec<usize>) -> Vec<usize> {
    missing.sort_unstable();
    missing
}
