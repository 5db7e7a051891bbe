//! The catalogue on PostgreSQL: writes go to the primary, reads to the replicas.
//!
//! The application joins a product; SQL does not. The two short queries do not share a transaction.
//! So a review that is written between them may be in the list and not yet in the rating.

use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use sqlx::Error;
use sqlx::postgres::{PgConnection, PgPool};

use super::product_page::{add_to_counter, refresh_document};
use super::queries::{
    add_to_rating, select_game, select_page, select_reviews, select_versions, update_game,
};
use super::rows;
use super::social::{add_review_activity, delete_activity};
use super::{Catalog, DeleteOutcome, GameChange, GamePage, GameQuery, GameVersion, NewReview};
use crate::model::{Game, GameId, Product, Review, ReviewId, StoreError};
use crate::postgres::{
    QUERY_TIMEOUT, REPLICA_QUERY_TIMEOUT, is_server_unavailable, replace_nul, transact,
    with_timeout,
};
use crate::replication::{
    Consistency, ConsistencyToken, Node, Read, Replicas, Written, current_lsn,
};

/// A catalogue on a primary and its replicas.
pub struct PgCatalog {
    primary: PgPool,
    replicas: Replicas,
    replication_timeout: Option<Duration>,
}

impl PgCatalog {
    /// How long a write waits for the replicas by default.
    pub const REPLICATION_TIMEOUT: Duration = Duration::from_secs(1);

    /// The catalogue on these servers. Without replicas the primary answers the reads too.
    ///
    /// `replication_timeout` limits how long a write waits until the replicas have replayed it.
    /// `None` is the naive version: the write does not wait, and the next read may be stale.
    /// Opening waits in the same way, because the replicas may not have the newly seeded data yet.
    pub async fn open(
        primary: PgPool,
        replicas: Vec<PgPool>,
        replication_timeout: Option<Duration>,
    ) -> Self {
        let catalog = PgCatalog {
            primary,
            replicas: Replicas::new(replicas),
            replication_timeout,
        };
        catalog.wait_for_replicas().await;
        catalog
    }

    async fn wait_for_replicas(&self) {
        if let Some(timeout) = self.replication_timeout {
            self.replicas.wait_for_replay(&self.primary, timeout).await;
        }
    }

    // ANCHOR: read
    /// Asks the replicas in turn. If none of them answers, asks the primary.
    pub(super) async fn read<'s, T, Query>(
        &'s self,
        consistency: Consistency,
        query: impl Fn(&'s PgPool) -> Query,
    ) -> Result<Read<T>, StoreError>
    where
        Query: Future<Output = Result<T, Error>>,
    {
        // A replica may answer only if the caller accepts any age.
        let replicas = (consistency == Consistency::Eventual).then(|| self.replicas.round_robin());
        for replica in replicas.into_iter().flatten() {
            match with_timeout(REPLICA_QUERY_TIMEOUT, query(&replica.pool)).await {
                Ok(value) => {
                    let node = Node::Replica(replica.number);
                    return Ok(Read {
                        value,
                        node,
                        token: None,
                    });
                }
                Err(error) if is_server_unavailable(&error) => replica.eject(&error.to_string()),
                // Only this statement failed: the replay of a change cancelled it, or the replica
                // does not have the table yet. Another server may answer.
                Err(error) => tracing::info!(
                    replica = replica.number,
                    %error,
                    "a read failed; asking the next server"
                ),
            }
        }
        let value = with_timeout(QUERY_TIMEOUT, query(&self.primary)).await?;
        Ok(Read::from_primary(value))
    }
    // ANCHOR_END: read

    /// Runs a transaction on the primary, then waits for the replicas. A caller that is dropped in
    /// between does not wait, but it has not confirmed the write to its client either.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, Error>>
        + Send
        + 'static,
    ) -> Result<Written<T>, StoreError> {
        let value = transact(&self.primary, work).await?;
        // The write is committed, so an error would be wrong. This write has no token.
        let lsn = current_lsn(QUERY_TIMEOUT, &self.primary).await.ok();
        self.wait_for_replicas().await;
        let token = lsn.map(|lsn| ConsistencyToken::new(1, lsn));
        Ok(Written { value, token })
    }
}

#[async_trait]
impl Catalog for PgCatalog {
    async fn game(
        &self,
        id: GameId,
        consistency: Consistency,
    ) -> Result<Read<Option<Game>>, StoreError> {
        self.read(consistency, |server| select_game(server, id))
            .await
    }

    // ANCHOR: product
    async fn product(
        &self,
        id: GameId,
        consistency: Consistency,
    ) -> Result<Read<Option<Product>>, StoreError> {
        self.read(consistency, async |server| {
            let Some(game) = select_game(server, id).await? else {
                return Ok(None);
            };
            let reviews = select_reviews(server, id).await?;
            Ok(Some(Product { game, reviews }))
        })
        .await
    }
    // ANCHOR_END: product

    async fn list(
        &self,
        query: &GameQuery,
        consistency: Consistency,
    ) -> Result<Read<GamePage>, StoreError> {
        self.read(consistency, |server| select_page(server, query))
            .await
    }

    async fn versions(
        &self,
        consistency: Consistency,
    ) -> Result<Read<Vec<GameVersion>>, StoreError> {
        self.read(consistency, select_versions).await
    }

    async fn change(
        &self,
        id: GameId,
        change: &GameChange,
    ) -> Result<Written<Option<Game>>, StoreError> {
        let price_cents = change.price_cents;
        let description = change.description.as_deref();
        let description = description.map(|text| replace_nul(text).into_owned());
        self.write(move |db| {
            Box::pin(async move {
                let game = update_game(db, id, price_cents, description).await?;
                refresh_document(db, id).await?;
                Ok(game)
            })
        })
        .await
    }

    async fn add_review(
        &self,
        id: GameId,
        review: &NewReview,
    ) -> Result<Written<Option<Review>>, StoreError> {
        let customer = replace_nul(&review.customer).into_owned();
        let text = replace_nul(&review.text).into_owned();
        let stars = i16::from(review.stars);
        self.write(move |db| {
            Box::pin(async move {
                // The game's row comes first, here and in `delete_review`. Its lock puts the
                // changes of a game's reviews in a queue.
                if add_to_rating(db, id, 1, i64::from(stars)).await? == 0 {
                    return Ok(None);
                }
                let row = sqlx::query(
                    "INSERT INTO reviews (game_id, customer, stars, text, created_at) \
                     VALUES ($1, $2, $3, $4, clock_timestamp()) \
                     RETURNING id, customer, stars, text, created_at",
                )
                .bind(id)
                .bind(customer)
                .bind(stars)
                .bind(text)
                .fetch_one(&mut *db)
                .await?;
                let review = rows::review(&row)?;
                add_review_activity(db, id, &review).await?;
                add_to_counter(db, &review.customer, 1).await?;
                refresh_document(db, id).await?;
                Ok(Some(review))
            })
        })
        .await
    }

    async fn delete_review(
        &self,
        id: GameId,
        review: ReviewId,
        customer: &str,
    ) -> Result<Written<DeleteOutcome>, StoreError> {
        let customer = replace_nul(customer).into_owned();
        self.write(move |db| {
            Box::pin(async move {
                sqlx::query("SELECT 1 FROM games WHERE id = $1 FOR UPDATE")
                    .bind(id)
                    .execute(&mut *db)
                    .await?;
                let author: Option<String> = sqlx::query_scalar(
                    "SELECT customer FROM reviews WHERE id = $1 AND game_id = $2",
                )
                .bind(review)
                .bind(id)
                .fetch_optional(&mut *db)
                .await?;
                match author {
                    None => return Ok(DeleteOutcome::NotFound),
                    Some(author) if author != customer => return Ok(DeleteOutcome::NotAuthor),
                    Some(_) => {}
                }
                let stars: i16 =
                    sqlx::query_scalar("DELETE FROM reviews WHERE id = $1 RETURNING stars")
                        .bind(review)
                        .fetch_one(&mut *db)
                        .await?;
                add_to_rating(db, id, -1, -i64::from(stars)).await?;
                delete_activity(db, review).await?;
                add_to_counter(db, &customer, -1).await?;
                refresh_document(db, id).await?;
                Ok(DeleteOutcome::Deleted)
            })
        })
        .await
    }
}
