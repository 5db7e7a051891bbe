//! # Writes here, reads there
//!
//! The store reads a hundred times for each time it writes, and all of it goes to one PostgreSQL. You would notice in the evening:
//! its processor is at 100 %, pages take seconds, and a second server stands beside it, as a *replica* that follows each change
//! of the *primary*, and nobody asks it anything.
//!
//! Reads can go there, with three strings attached. A replica follows a moment later, so a shopkeeper who has changed a price may
//! be shown the old one. It takes no writes. And now there are two servers that can be away.
//!
//! ## What must always be true
//!
//! 1. Every write goes to the primary, and to it alone.
//! 2. A read goes to the replica, so that the primary has time for writes.
//! 3. A read that asks for [`Freshness::Latest`] goes to the primary, and never to the replica, whatever happens.
//! 4. A replica that is away costs nobody an error: the primary answers instead.
//! 5. A primary that is away stops writes and fresh reads, with an error that says so. All other reads go on.
//!
//! ## Predict
//!
//! A replica on the same machine, with nothing else to do. You change a price and read it from the replica at once, two hundred times.
//! How often do you see the old one: never, now and then, or nearly always? `cargo run -p ch02-database` begins by counting that.
//!
//! ## What to do
//!
//! Write the bodies of [`Prices::set_price`] and [`Prices::price`], about 20 lines together. The statements are ready, in [`READ`] and
//! [`WRITE`]. `cargo workshop check read_write_split` shows how far you are; it is red now, and that is right.
//!
//! Left out: several replicas, waiting until a replica has caught up, and a server that is silent instead of away, which takes a
//! limit for each wait. Chapter 2 has all three, from `src/postgres/catalog.rs` on.

#![warn(missing_docs)]
#![allow(
    dead_code,
    unused_variables,
    clippy::unused_async,
    reason = "delete when finished"
)]

use sqlx::PgPool;

/// The price of a game; no row if there is no such game.
pub const READ: &str = "SELECT cents FROM prices WHERE game = $1";

/// Sets the price of a game (`$1`) to so many cents (`$2`).
pub const WRITE: &str = "INSERT INTO prices (game, cents) VALUES ($1, $2) ON CONFLICT (game) DO UPDATE SET cents = excluded.cents";

/// How old an answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// A moment old is fine: a list, a product page, nearly everything.
    Any,
    /// It must contain every write that was confirmed before: the basket at the till, a form that was saved just now.
    Latest,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The primary did not confirm a change, and nobody else may make it. Reads go on.
    #[error(
        "the primary did not confirm the change, and only it can make one; try again when it is back"
    )]
    Write(#[source] sqlx::Error),
    /// None of the servers that may answer this read does.
    #[error("no server answers that has what this read asks for; try again in a moment")]
    Read(#[source] sqlx::Error),
}

/// The prices of all games, on two servers.
pub struct Prices {
    /// Takes all writes, and knows the latest.
    primary: PgPool,
    /// Follows the primary, and is a moment behind. It can only be read.
    replica: PgPool,
}

impl Prices {
    /// Connects when a call needs it, so both servers may still be away.
    pub fn new(primary: PgPool, replica: PgPool) -> Self {
        Prices { primary, replica }
    }

    /// Sets the price of a game, in cents, whether it had one or not. `Ok` means that the primary has it on its disk.
    pub async fn set_price(&self, game: i64, cents: i64) -> Result<(), StoreError> {
        todo!("run `WRITE` on the primary, and return what went wrong as `StoreError::Write`")
    }

    /// The price of a game in cents, or `None` if there is no such game, as far as the server that answers has heard.
    pub async fn price(&self, game: i64, freshness: Freshness) -> Result<Option<i64>, StoreError> {
        todo!(
            "return the row of `READ` from the server that may and can answer, or `StoreError::Read` if there is none"
        )
    }
}
