//! The catalogue on PostgreSQL: writes go to the primary, reads to the replicas.
//!
//! The application joins a product; SQL does not. The two short queries do not share a transaction.
//! So a review that is written between them may be in the list and not yet in the rating.

use std::future::Future;
use std::sync::Arc;

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
use crate::failover::{PrimaryDirectory, Writer};
use crate::model::{Game, GameId, Product, Review, ReviewId, StoreError};
use crate::postgres::{Committed, ReadPool, connect_replica, replace_nul, transact_with_token};
use crate::replication::{
    Consistency, ConsistencyToken, PrimaryChoice, Read, ReadRouter, ReplicaStatus, RouterSettings,
    Written,
};

/// A catalogue on a primary and its replicas.
pub struct PgCatalog {
    primary: Primary,
    router: ReadRouter,
}

/// Where the writes go.
enum Primary {
    /// Always to this server.
    Fixed(PgPool),
    /// To the server that the directory names at that moment.
    Cluster(Writer),
}

impl PgCatalog {
    /// The catalogue on these servers. Without replicas the primary answers the reads too.
    ///
    /// Opening waits until the replicas have what the primary has now, because another process may
    /// have seeded the store a moment ago. A replica that is too late, or down, gets no reads until
    /// it has caught up.
    pub async fn open(primary: PgPool, replicas: Vec<ReadPool>, settings: RouterSettings) -> Self {
        let choice = PrimaryChoice::fixed(&primary);
        PgCatalog {
            router: ReadRouter::open(choice, replicas, settings).await,
            primary: Primary::Fixed(primary),
        }
    }

    // ANCHOR: open_cluster
    /// The catalogue on the servers of one cluster. It follows a fail-over.
    ///
    /// The directory names the primary. All other servers of its list are replicas. Reads and
    /// writes go only to the primary of the current epoch and to standbys that have this epoch.
    pub async fn open_cluster(
        directory: Arc<PrimaryDirectory>,
        settings: RouterSettings,
    ) -> Result<Self, StoreError> {
        let servers = directory.urls().iter();
        let servers: Result<Vec<ReadPool>, _> = servers.map(|url| connect_replica(url)).collect();
        let servers = servers.map_err(StoreError::unavailable)?;
        let choice = PrimaryChoice::Directory(Arc::clone(&directory));
        Ok(PgCatalog {
            router: ReadRouter::open(choice, servers, settings).await,
            primary: Primary::Cluster(Writer::with_server_setting(directory)),
        })
    }
    // ANCHOR_END: open_cluster

    /// What this process knows about each replica.
    pub fn replicas(&self) -> Vec<ReplicaStatus> {
        self.router.statuses()
    }

    /// Closes the connections for reads. The pool of the primary belongs to the caller.
    pub async fn close(&self) {
        self.router.close().await;
    }

    /// Sends a read to a server that may answer it.
    pub(super) async fn read<'s, T, Query>(
        &'s self,
        consistency: Consistency,
        query: impl Fn(&'s ReadPool) -> Query,
    ) -> Result<Read<T>, StoreError>
    where
        Query: Future<Output = Result<T, Error>>,
    {
        self.router.read(consistency, query).await
    }

    /// Runs a transaction on the primary. Returns its position too, so that the caller's next read
    /// can demand it.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, Error>>
        + Send
        + 'static,
    ) -> Result<Written<T>, StoreError> {
        let Committed { value, token } = match &self.primary {
            Primary::Fixed(pool) => transact_with_token(pool, work).await?,
            Primary::Cluster(writer) => writer.write_with_token(work).await?,
        };
        if let Some(token) = token {
            self.router.record_write(token);
        }
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

    fn replica_positions(&self) -> Vec<ConsistencyToken> {
        let replicas = self.router.statuses().into_iter();
        replicas.map(|replica| replica.replayed).collect()
    }
}
