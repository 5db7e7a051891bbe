//! What every kind of database gets of the generator's orders.

use super::copy::Rows;
use super::generator::SAMPLE_ORDERS;
use crate::model::Order;
use crate::sharding::BUCKETS;

/// The first sequence number of real orders in every bucket. Smaller ones belong to the sample
/// orders, whose ids end at [`SAMPLE_ORDERS`].
pub(super) const FIRST_SEQUENCE: i64 = SAMPLE_ORDERS / BUCKETS as i64 + 1;

/// Adds a row with the columns id, customer, game, quantity, total and time.
pub(super) fn add_order(order: &Order, rows: &mut Rows) {
    rows.column(order.id)
        .column(&order.customer)
        .column(order.game_id)
        .column(order.quantity)
        .column(order.total_cents)
        .column(order.created_at.to_rfc3339());
    rows.end_row();
}
