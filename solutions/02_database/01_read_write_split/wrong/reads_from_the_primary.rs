// Wrong: every read goes to the primary, so the replica takes no load.
// Says: did the read go to the primary?
// Breaks: rule 2
#![allow(missing_docs, reason = "documented in the exercise")]

use sqlx::PgPool;

pub const SELECT_PRICE: &str = "SELECT cents FROM prices WHERE game = $1";

pub const UPSERT_PRICE: &str = "INSERT INTO prices (game, cents) VALUES ($1, $2) \
                                ON CONFLICT (game) DO UPDATE SET cents = excluded.cents";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    Any,
    Latest,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the primary did not confirm the write")]
    Write(#[source] sqlx::Error),
    #[error("no server responds")]
    Read(#[source] sqlx::Error),
}

pub struct Prices {
    primary: PgPool,
    replica: PgPool,
}

impl Prices {
    pub fn new(primary: PgPool, replica: PgPool) -> Self {
        Prices { primary, replica }
    }

    pub async fn set_price(&self, game: i64, cents: i64) -> Result<(), StoreError> {
        let write = sqlx::query(UPSERT_PRICE).bind(game).bind(cents);
        write
            .execute(&self.primary)
            .await
            .map_err(StoreError::Write)?;
        Ok(())
    }

    pub async fn price(&self, game: i64, freshness: Freshness) -> Result<Option<i64>, StoreError> {
        match (read_price(&self.primary, game).await, freshness) {
            (Err(_), Freshness::Any) => read_price(&self.replica, game)
                .await
                .map_err(StoreError::Read),
            (result, _) => result.map_err(StoreError::Read),
        }
    }
}

async fn read_price(server: &PgPool, game: i64) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar(SELECT_PRICE)
        .bind(game)
        .fetch_optional(server)
        .await
}
