//! `order-export`: all orders of a customer as CSV.
//!
//! The CSV is part of the job's result. A real store would put it into an object store and link to
//! it.

use std::fmt::Write as _;
use std::sync::Arc;

use async_trait::async_trait;
use ch02_database::Orders;
use ch04_async::{JobHandler, JobMessage, Progress};
use chrono::SecondsFormat;
use serde_json::{Value, json};

/// How many orders one query reads.
const ORDERS_PER_QUERY: usize = 500;

pub(super) struct OrderExport {
    orders: Arc<dyn Orders>,
}

impl OrderExport {
    pub(super) fn new(orders: Arc<dyn Orders>) -> Self {
        OrderExport { orders }
    }
}

#[async_trait]
impl JobHandler for OrderExport {
    async fn run(&self, message: &JobMessage, progress: &Progress) -> Result<Value, String> {
        let mut csv = "id,game_id,quantity,total_cents,created_at\n".to_owned();
        let (mut count, mut total_cents) = (0_u64, 0_i64);
        let mut before = None;
        progress.set(10).await;
        loop {
            let orders = self
                .orders
                .list_by_customer(&message.customer, before, ORDERS_PER_QUERY)
                .await
                .map_err(|error| error.to_string())?;
            for order in &orders {
                writeln!(
                    csv,
                    "{},{},{},{},{}",
                    order.id,
                    order.game_id,
                    order.quantity,
                    order.total_cents,
                    order
                        .created_at
                        .to_rfc3339_opts(SecondsFormat::AutoSi, true)
                )
                .expect("writing to a String cannot fail");
                count += 1;
                total_cents += order.total_cents;
            }
            if orders.len() < ORDERS_PER_QUERY {
                break;
            }
            before = orders.last().map(|order| order.id);
        }
        progress.set(90).await;
        Ok(json!({ "orders": count, "total_cents": total_cents, "csv": csv }))
    }
}
