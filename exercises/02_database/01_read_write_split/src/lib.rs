//! # Read/write split
//!
//! The store reads a hundred times for each write, and every query goes to one PostgreSQL server.
//! In the evening that server uses 100 % of its CPU, and pages take seconds. A second server is
//! running too: a *replica*, which copies each change of the *primary*. No query goes to it.
//!
//! Reads can go to the replica, but there are three difficulties. A replica gets each change a
//! moment later, so a reader may see an old price right after a change. A replica accepts no
//! writes. And now there are two servers that can fail.
//!
//! ## Rules
//!
//! 1. Every write goes to the primary, and only to the primary.
//! 2. A read with [`Freshness::Any`] goes to the replica. It does not ask the primary, because the
//!    replica is there to take load off the primary. The replica's answer counts, also if it is
//!    "no such game".
//! 3. A read with [`Freshness::Latest`] goes to the primary, and never to the replica.
//! 4. If the replica fails, the primary answers its reads, and the caller sees no error. Every
//!    error of sqlx is such a failure: the connection breaks (`Io`), the pool gets no connection in
//!    time (`PoolTimedOut`), or the replica answers with an error (`Database`). A replica does the
//!    last if a query stands in the way of a change that it has to copy.
//! 5. A failure ends. When the replica answers again, reads go to it again.
//! 6. If the primary is down, writes and reads with [`Freshness::Latest`] return an error. All
//!    other reads still work.
//!
//! ## Predict
//!
//! A replica runs on the same machine and has no other work. You change a price and read it from
//! the replica at once, two hundred times. How often do you see the old price: never, sometimes, or
//! nearly always? `cargo run -p ch02-database` starts with this measurement.
//!
//! ## What to do
//!
//! Write the bodies of [`Prices::set_price`] and [`Prices::price`]: about 20 lines together. The
//! SQL statements are given: [`SELECT_PRICE`] and [`UPSERT_PRICE`]. From sqlx you need:
//!
//! * `sqlx::query(SQL).bind(first).bind(second).execute(&pool)` runs a statement. `bind` takes the
//!   parameters `$1`, `$2` and so on, in this order.
//! * `sqlx::query_scalar(SQL).bind(first).fetch_optional(&pool)` reads one value, the first column
//!   of the first row. Its result is a `Result<Option<T>, sqlx::Error>`: `None` if there is no row.
//!
//! Both are futures. `cargo workshop check read_write_split` runs the tests. They fail now; that is
//! expected.
//!
//! Left out: several replicas, waiting until a replica has caught up, and a server that accepts
//! connections but does not respond, which needs a time-out for each step. Chapter 2 has all three,
//! in `chapters/02-database/src/replication/`.

#![warn(missing_docs)]
#![allow(
    dead_code,
    unused_variables,
    clippy::unused_async,
    reason = "delete when finished"
)]

use sqlx::PgPool;

/// Selects the price of a game (`$1`). Returns no row if there is no such game.
pub const SELECT_PRICE: &str = "SELECT cents FROM prices WHERE game = $1";

/// Sets the price of a game (`$1`) to `$2` cents, whether the game had a price or not.
pub const UPSERT_PRICE: &str = "INSERT INTO prices (game, cents) VALUES ($1, $2) \
                                ON CONFLICT (game) DO UPDATE SET cents = excluded.cents";

/// How old the result of a read may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// The result may be a moment old. This is enough for a list or a product page.
    Any,
    /// The result must contain every write that was confirmed before. A checkout needs this, and
    /// so does the page after a change.
    Latest,
}

/// Why a read or write failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The primary did not confirm the write. Reads still work.
    #[error("the primary did not confirm the write; try again when the primary is back")]
    Write(#[source] sqlx::Error),
    /// No server that may answer this read did so.
    #[error("no server with a fresh enough price responds; try again in a moment")]
    Read(#[source] sqlx::Error),
}

/// The prices of all games, on two servers.
pub struct Prices {
    /// Accepts all writes, and has the latest prices.
    primary: PgPool,
    /// Copies the primary, and is a moment behind. It accepts only reads.
    replica: PgPool,
}

impl Prices {
    /// Connects at the first query, so both servers may still be down.
    pub fn new(primary: PgPool, replica: PgPool) -> Self {
        Prices { primary, replica }
    }

    /// Sets the price of a game, in cents. `Ok` means that the primary has the price on its disk.
    pub async fn set_price(&self, game: i64, cents: i64) -> Result<(), StoreError> {
        todo!("run `UPSERT_PRICE` on the primary, and return any error as `StoreError::Write`")
    }

    /// The price of a game in cents, or `None` if the server that answers has no such game.
    pub async fn price(&self, game: i64, freshness: Freshness) -> Result<Option<i64>, StoreError> {
        todo!(
            "return the result of `SELECT_PRICE` from a server that may answer and does, or \
             `StoreError::Read` if there is none"
        )
    }
}
