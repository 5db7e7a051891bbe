//! An order: the row that must never be lost and never be written twice.
//!
//! The order's id carries the bucket that it lies in (see [`sharding`](crate::sharding)), so whoever holds an id can go
//! straight to one shard. Left out: payment, cancelling, baskets of several games.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::game::GameId;

/// An order's number: `sequence * BUCKETS + bucket`.
pub type OrderId = i64;

/// The most copies that one order may ask for.
pub const MAX_QUANTITY: u32 = 100;

/// The longest idempotency key, in bytes.
pub const MAX_IDEMPOTENCY_KEY_BYTES: usize = 255;

/// One order, as it was placed. The total is a copy of the price at that moment: denormalised on purpose, since a later change of
/// price must not change what somebody paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Order {
    /// Tells the bucket too: `id % 256`.
    pub id: OrderId,
    /// Who ordered.
    pub customer: String,
    /// What was ordered.
    pub game_id: GameId,
    /// How many copies, 1 to 100.
    pub quantity: u32,
    /// What the customer pays, in cents.
    pub total_cents: i64,
    /// When the order was placed.
    pub created_at: DateTime<Utc>,
}

/// An order before the store has given it a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// Who orders.
    pub customer: String,
    /// What is ordered.
    pub game_id: GameId,
    /// How many copies.
    pub quantity: u32,
    /// The price of one copy now, in cents.
    pub unit_price_cents: i64,
    /// The client's own name for this attempt, at most [`MAX_IDEMPOTENCY_KEY_BYTES`]. Whoever did not hear the answer sends
    /// the same key again and gets the same order.
    pub idempotency_key: String,
}

/// What became of an order that was to be placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placed {
    /// A new order was written.
    Created(Order),
    /// This customer has used the key for the same order before: here it is again, and nothing was written.
    Repeated(Order),
    /// This customer has used the key for another order: nothing was written.
    KeyReused,
}
