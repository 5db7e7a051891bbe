//! Queries over the orders of all customers: *scatter-gather*.
//!
//! The query goes to all shards at the same time, and the partial answers are merged. A shard's
//! answer contains the buckets that it owns, read from the same snapshot as its orders. Together
//! the answers must contain every bucket exactly once. If a bucket moves in between, it is missing
//! or there twice, and the query is repeated. A shard that does not answer makes the result
//! partial.

use std::cmp::Reverse;
use std::time::Duration;

use crate::model::{GameId, Order};
use crate::sharding::{BUCKETS, Bucket};

/// How long all shards together may take to answer. A slower shard counts as missing.
pub(super) const DEADLINE: Duration = Duration::from_secs(2);

/// Which orders a query takes into account. The default is all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrderFilter {
    /// Only orders of this game.
    pub game_id: Option<GameId>,
    /// Only orders of at least this total price, in cents.
    pub min_total_cents: Option<i64>,
}

impl OrderFilter {
    /// Whether the filter accepts an order.
    pub fn accepts(&self, order: &Order) -> bool {
        self.game_id.is_none_or(|game| game == order.game_id)
            && self
                .min_total_cents
                .is_none_or(|least| order.total_cents >= least)
    }
}

/// A result that may lack the orders of some customers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathered<T> {
    /// The result over the buckets that have answered.
    pub value: T,
    /// The buckets whose shards have not answered, in ascending order.
    pub missing: Vec<Bucket>,
}

impl<T> Gathered<T> {
    /// A result over all buckets.
    pub fn complete(value: T) -> Self {
        Gathered {
            value,
            missing: Vec::new(),
        }
    }

    /// Whether the result lacks some orders.
    pub fn is_partial(&self) -> bool {
        !self.missing.is_empty()
    }
}

/// The number of orders and the sum of their prices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrderTotals {
    /// The number of orders.
    pub count: u64,
    /// The sum of their total prices, in cents.
    pub sum_cents: i64,
}

impl OrderTotals {
    /// The average price in cents. `None` without orders. The average of the shards' averages would
    /// be wrong, because the shards have different numbers of orders.
    pub fn average_cents(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum_cents as f64 / self.count as f64)
    }

    /// The totals of several shards.
    pub fn merge(parts: impl IntoIterator<Item = OrderTotals>) -> OrderTotals {
        let add = |sum: OrderTotals, part: OrderTotals| OrderTotals {
            count: sum.count + part.count,
            sum_cents: sum.sum_cents + part.sum_cents,
        };
        parts.into_iter().fold(OrderTotals::default(), add)
    }
}

/// The order in which a query returns its orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderSort {
    /// The highest id first.
    Newest,
    /// The highest price first; the newer one of two with the same price.
    MostExpensive,
}

impl OrderSort {
    /// The columns in SQL.
    pub(super) fn columns(self) -> &'static str {
        match self {
            OrderSort::Newest => "id DESC",
            OrderSort::MostExpensive => "total_cents DESC, id DESC",
        }
    }
}

// ANCHOR: merge
/// The first `limit` orders of several shards. Each shard must have sent its own first `limit`
/// orders, because all of them may be on one shard.
pub fn merge_first(
    parts: impl IntoIterator<Item = Vec<Order>>,
    sort: OrderSort,
    limit: usize,
) -> Vec<Order> {
    let mut orders: Vec<Order> = parts.into_iter().flatten().collect();
    orders.sort_by_key(|order| match sort {
        OrderSort::Newest => Reverse((0, order.id)),
        OrderSort::MostExpensive => Reverse((order.total_cents, order.id)),
    });
    orders.truncate(limit);
    orders
}
// ANCHOR_END: merge

/// Which buckets the shards' answers contain.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Coverage {
    /// Every bucket at most once. These are missing.
    Once { missing: Vec<Bucket> },
    /// A bucket has moved from one shard to another between their answers.
    Moved,
}

/// Compares the buckets of all answers with all buckets.
pub(super) fn coverage(answered: impl IntoIterator<Item = Bucket>) -> Coverage {
    let mut times = vec![0; usize::from(BUCKETS)];
    for bucket in answered {
        times[usize::from(bucket)] += 1;
    }
    if times.iter().any(|times| *times > 1) {
        return Coverage::Moved;
    }
    let missing = (0..BUCKETS).filter(|bucket| times[usize::from(*bucket)] == 0);
    Coverage::Once {
        missing: missing.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_in_two_answers_is_noticed() {
        assert_eq!(coverage(0..BUCKETS), Coverage::Once { missing: vec![] });
        assert_eq!(
            coverage(2..BUCKETS),
            Coverage::Once {
                missing: vec![0, 1]
            }
        );
        assert_eq!(coverage((0..BUCKETS).chain([7])), Coverage::Moved);
    }

    #[test]
    fn average_is_not_the_average_of_averages() {
        let part = |count, sum_cents| OrderTotals { count, sum_cents };
        let all = OrderTotals::merge([part(1, 100), part(3, 900)]);
        assert_eq!(all.average_cents(), Some(250.0));
        assert_eq!(OrderTotals::merge([]).average_cents(), None);
    }
}
