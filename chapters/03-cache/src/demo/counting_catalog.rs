//! How many queries reach the database: what the demonstration and the tests count.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use ch02_database::catalog::{
    DeleteOutcome, GameChange, GamePage, GameQuery, GameVersion, NewReview,
};
use ch02_database::model::{Game, Product, Review, ReviewId};
use ch02_database::{Catalog, GameId, Read, StoreError};

/// A game and its reviews are two queries.
pub const QUERIES_PER_PRODUCT: usize = 2;

/// A catalogue, and a count of the queries it makes for products. The rest is passed on and not
/// counted.
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

    /// The queries since the last call.
    pub fn take_queries(&self) -> usize {
        self.queries.swap(0, Ordering::Relaxed)
    }
}

#[async_trait]
impl<C: Catalog> Catalog for CountingCatalog<C> {
    async fn product(&self, id: GameId) -> Result<Read<Option<Product>>, StoreError> {
        self.queries
            .fetch_add(QUERIES_PER_PRODUCT, Ordering::Relaxed);
        self.catalog.product(id).await
    }

    async fn game(&self, id: GameId) -> Result<Read<Option<Game>>, StoreError> {
        self.catalog.game(id).await
    }
    async fn list(&self, query: &GameQuery) -> Result<Read<GamePage>, StoreError> {
        self.catalog.list(query).await
    }
    async fn versions(&self) -> Result<Read<Vec<GameVersion>>, StoreError> {
        self.catalog.versions().await
    }
    async fn change(&self, id: GameId, change: &GameChange) -> Result<Option<Game>, StoreError> {
        self.catalog.change(id, change).await
    }
    async fn add_review(
        &self,
        id: GameId,
        review: &NewReview,
    ) -> Result<Option<Review>, StoreError> {
        self.catalog.add_review(id, review).await
    }
    async fn delete_review(
        &self,
        id: GameId,
        review: ReviewId,
        customer: &str,
    ) -> Result<DeleteOutcome, StoreError> {
        self.catalog.delete_review(id, review, customer).await
    }
}
