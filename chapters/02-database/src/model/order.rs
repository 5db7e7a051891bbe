//! An order: a row that the store must never lose and never write twice.
//!
//! An order's id contains its time and the bucket of its customer (see the module `sharding`). A
//! clone that has the id can therefore ask one shard directly.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::game::GameId;

/// An order's number: `sequence * BUCKETS + bucket`, with the time in the sequence. It is below
/// 2⁵³, so it is exact in JavaScript.
pub type OrderId = i64;

/// The maximum number of copies in one order.
pub const MAX_QUANTITY: u32 = 100;

/// The longest idempotency key, in bytes.
pub const MAX_IDEMPOTENCY_KEY_BYTES: usize = 255;

/// One placed order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Order {
    /// Contains the time and the bucket (`id % 256`), and sorts by time. Below 2⁵³.
    #[schema(maximum = 9_007_199_254_740_991_i64)]
    pub id: OrderId,
    /// The customer who ordered.
    pub customer: String,
    /// The ordered game.
    pub game_id: GameId,
    /// The number of copies, 1 to 100.
    pub quantity: u32,
    /// The total price in cents. Denormalised: a later price change does not change this value.
    pub total_cents: i64,
    /// When the customer placed the order.
    pub created_at: DateTime<Utc>,
}

/// An order that does not have a number yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// The customer who orders.
    pub customer: String,
    /// The ordered game.
    pub game_id: GameId,
    /// The number of copies.
    pub quantity: u32,
    /// The current price of one copy, in cents.
    pub unit_price_cents: i64,
    /// Chosen by the client, at most [`MAX_IDEMPOTENCY_KEY_BYTES`]. A client that received no
    /// response retries with the same key and gets the same order.
    pub idempotency_key: String,
    /// The payment that pays for the order, at most [`MAX_IDEMPOTENCY_KEY_BYTES`]. It pays for one
    /// order of all customers.
    pub payment_reference: Option<String>,
}

/// The result of placing an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlaceOutcome {
    /// The store wrote a new order.
    Created(Order),
    /// The customer placed the same order with this key before. The store wrote nothing.
    AlreadyPlaced(Order),
    /// The customer used this key for a different order. The store wrote nothing.
    KeyReused,
    /// The payment pays for another order. The store wrote nothing.
    ReferenceUsed,
    /// The payment may pay for an order that is being placed. A later try gets another answer.
    ReferenceInProgress,
}
