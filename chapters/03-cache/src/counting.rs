//! A stand-in for a database, for the demonstration and the tests: generated products, and a count of the queries that a real
//! database would get.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use ch02_database::catalog::{Deletion, GameChange, GamePage, GameQuery, GameVersion, NewReview};
use ch02_database::game::{Game, Product, Review, ReviewId};
use ch02_database::generator::{DEFAULT_SEED, Generator};
use ch02_database::{Catalog, GameId, Read, StoreError};

/// A game and its reviews are two queries.
pub const QUERIES_PER_PRODUCT: usize = 2;

pub struct CountingCatalog {
    products: Mutex<Vec<Product>>,
    queries: AtomicUsize,
}

impl CountingCatalog {
    pub fn new(games: GameId) -> Self {
        let generator = Generator::new(DEFAULT_SEED);
        CountingCatalog {
            products: Mutex::new((1..=games).map(|id| generator.product(id)).collect()),
            queries: AtomicUsize::new(0),
        }
    }

    /// The queries since the last call.
    pub fn take_queries(&self) -> usize {
        self.queries.swap(0, Ordering::Relaxed)
    }

    fn with_product<T>(&self, id: GameId, read: impl FnOnce(&mut Product) -> T) -> Option<T> {
        let mut products = self.products.lock().expect("nothing panics while it holds this lock");
        let index = usize::try_from(id).ok()?.checked_sub(1)?;
        products.get_mut(index).map(read)
    }
}

#[async_trait]
impl Catalog for CountingCatalog {
    async fn product(&self, id: GameId) -> Result<Read<Option<Product>>, StoreError> {
        self.queries.fetch_add(QUERIES_PER_PRODUCT, Ordering::Relaxed);
        let product = self.with_product(id, |product| product.clone());
        // An answer needs a moment to travel from a real database to whoever asked, and others run meanwhile.
        tokio::task::yield_now().await;
        Ok(Read::from_primary(product))
    }

    async fn change(&self, id: GameId, change: &GameChange) -> Result<Option<Game>, StoreError> {
        Ok(self.with_product(id, |product| {
            product.game.price_cents = change.price_cents.unwrap_or(product.game.price_cents);
            product.game.clone()
        }))
    }

    async fn game(&self, _: GameId) -> Result<Read<Option<Game>>, StoreError> {
        unimplemented_here()
    }
    async fn list(&self, _: &GameQuery) -> Result<Read<GamePage>, StoreError> {
        unimplemented_here()
    }
    async fn versions(&self) -> Result<Read<Vec<GameVersion>>, StoreError> {
        unimplemented_here()
    }
    async fn add_review(&self, _: GameId, _: &NewReview) -> Result<Option<Review>, StoreError> {
        unimplemented_here()
    }
    async fn delete_review(&self, _: GameId, _: ReviewId, _: &str) -> Result<Deletion, StoreError> {
        unimplemented_here()
    }
}

/// Demonstration and tests read and change products and do nothing else.
fn unimplemented_here<T>() -> Result<T, StoreError> {
    Err(StoreError::unavailable("the stand-in only knows products"))
}
