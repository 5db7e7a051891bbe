//! A catalogue that counts the queries that reach the database. The demonstration and the tests use
//! it.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use ch02_database::catalog::{
    DeleteOutcome, GameChange, GamePage, GameQuery, GameVersion, NewReview,
};
use ch02_database::model::{Game, Product, Review, ReviewId};
use ch02_database::{Catalog, Consistency, ConsistencyToken, GameId, Read, StoreError, Written};

/// One query for the game, one for its reviews.
pub const QUERIES_PER_PRODUCT: usize = 2;

/// Wraps a catalogue and counts the queries for products. Other calls are not counted.
pub struct CountingCatalog<C> {
    catalog: C,
    queries: AtomicUsize,
}

impl<C: Catalog> CountingCatalog<C> {
    pub fn new(catalog: C) -> Self {
        CountingCatalog {
            catalog,
            queries: AtomicUsize::new(0),
        }
    }

    /// Returns the number of queries since the last call.
    pub fn take_queries(&self) -> usize {
        self.queries.swap(0, Ordering::Relaxed)
    }
}

#[async_trait]
impl<C: Catalog> Catalog for CountingCatalog<C> {
    async fn product(
        &self,
        id: GameId,
        consistency: Consistency,
    ) -> Result<Read<Option<Product>>, StoreError> {
        self.queries
            .fetch_add(QUERIES_PER_PRODUCT, Ordering::Relaxed);
        self.catalog.product(id, consistency).await
    }

    async fn game(
        &self,
        id: GameId,
        consistency: Consistency,
    ) -> Result<Read<Option<Game>>, StoreError> {
        self.catalog.game(id, consistency).await
    }
    async fn list(
        &self,
        query: &GameQuery,
        consistency: Consistency,
    ) -> Result<Read<GamePage>, StoreError> {
        self.catalog.list(query, consistency).await
    }
    async fn versions(
        &self,
        consistency: Consistency,
    ) -> Result<Read<Vec<GameVersion>>, StoreError> {
        self.catalog.versions(consistency).await
    }
    async fn change(
        &self,
        id: GameId,
        change: &GameChange,
    ) -> Result<Written<Option<Game>>, StoreError> {
        self.catalog.change(id, change).await
    }
    async fn add_review(
        &self,
        id: GameId,
        review: &NewReview,
    ) -> Result<Written<Option<Review>>, StoreError> {
        self.catalog.add_review(id, review).await
    }
    async fn delete_review(
        &self,
        id: GameId,
        review: ReviewId,
        customer: &str,
    ) -> Result<Written<DeleteOutcome>, StoreError> {
        self.catalog.delete_review(id, review, customer).await
    }
    fn replica_positions(&self) -> Vec<ConsistencyToken> {
        self.catalog.replica_positions()
    }
}
