//! The index for the title search: trigrams, by the extension `pg_trgm`.
//!
//! A B-tree finds only the beginning of a title. A trigram index finds any part of at least three
//! characters (<https://www.postgresql.org/docs/17/pgtrgm.html>).

use sqlx::postgres::PgPool;
use sqlx::{Connection, Error, Executor};

use crate::postgres::dedicated_connection;

/// How the database searches titles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TitleSearch {
    /// With the trigram index.
    Trigrams,
    /// By reading all titles, because the extension is missing. Right, but slower.
    Scan {
        /// The server's message.
        reason: String,
    },
}

/// Creates the extension and the index if they are missing.
///
/// A managed server may not offer the extension, or not to this user. The search then works without
/// the index, and the log says what to do. Every start tries again.
pub async fn ensure_title_index(primary: &PgPool) -> Result<TitleSearch, Error> {
    let mut db = dedicated_connection(primary).await?;
    let created = db
        .execute(
            // The lock lets processes that start at the same time wait for each other.
            "BEGIN; SELECT pg_advisory_xact_lock(hashtext('title index')); \
             CREATE EXTENSION IF NOT EXISTS pg_trgm; \
             CREATE INDEX IF NOT EXISTS games_by_title ON games USING gin (title gin_trgm_ops); \
             COMMIT",
        )
        .await;
    // Closing the connection ends a failed transaction.
    let _ = db.close().await;
    match created {
        Ok(_) => Ok(TitleSearch::Trigrams),
        Err(Error::Database(error)) => {
            let reason = error.message().to_owned();
            tracing::warn!(
                reason,
                "the search reads all titles, because there is no trigram index; let an \
                 administrator run CREATE EXTENSION pg_trgm in this database, then start again"
            );
            Ok(TitleSearch::Scan { reason })
        }
        Err(error) => Err(error),
    }
}
