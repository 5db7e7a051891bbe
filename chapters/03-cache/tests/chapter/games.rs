//! A database double for tests about caches: generated products in memory, with a changeable price.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use ch02_database::catalog::{
    DeleteOutcome, GameChange, GamePage, GameQuery, GameVersion, NewReview,
};
use ch02_database::model::{Game, Product, Review, ReviewId};
use ch02_database::seed::generator::{DEFAULT_SEED, Generator};
use ch02_database::{Catalog, Consistency, GameId, Read, StoreError, Written};
use ch03_cache::ProductCache;

use crate::counting_catalog::CountingCatalog;

pub type CountingGames = CountingCatalog<Games>;

/// Games 1 to 7; most tests read the last one.
pub fn seven_games() -> Arc<CountingGames> {
    games(7)
}

/// Games from 1 on.
pub fn games(count: GameId) -> Arc<CountingGames> {
    let generator = Generator::new(DEFAULT_SEED);
    let products = (1..=count).map(|id| generator.product(id)).collect();
    Arc::new(CountingCatalog::new(Games(Mutex::new(products))))
}

pub fn seventh() -> Product {
    Generator::new(DEFAULT_SEED).product(7)
}

/// Sets the price of game 7 in the database only.
pub async fn set_price(catalog: &Arc<CountingCatalog<impl Catalog>>, cents: i64) {
    let new_price = GameChange {
        price_cents: Some(cents),
        ..GameChange::default()
    };
    catalog.change(7, &new_price).await.unwrap();
}

/// The price of game 7 as a reader of the cache sees it.
pub async fn price(products: &ProductCache) -> i64 {
    products
        .get(7, Consistency::Eventual)
        .await
        .unwrap()
        .product
        .unwrap()
        .game
        .price_cents
}

pub struct Games(Mutex<Vec<Product>>);

impl Games {
    fn with_product<T>(&self, id: GameId, read: impl FnOnce(&mut Product) -> T) -> Option<T> {
        let index = usize::try_from(id).ok()?.checked_sub(1)?;
        self.0.lock().unwrap().get_mut(index).map(read)
    }
}

#[async_trait]
impl Catalog for Games {
    async fn product(
        &self,
        id: GameId,
        _: Consistency,
    ) -> Result<Read<Option<Product>>, StoreError> {
        let product = self.with_product(id, |product| product.clone());
        // Lets other tasks run before the answer arrives, as a real database does.
        tokio::task::yield_now().await;
        Ok(Read::from_primary(product))
    }

    async fn change(
        &self,
        id: GameId,
        change: &GameChange,
    ) -> Result<Written<Option<Game>>, StoreError> {
        Ok(Written::without_token(self.with_product(id, |product| {
            product.game.price_cents = change.price_cents.unwrap_or(product.game.price_cents);
            product.game.clone()
        })))
    }

    async fn game(&self, _: GameId, _: Consistency) -> Result<Read<Option<Game>>, StoreError> {
        unsupported()
    }
    async fn list(&self, _: &GameQuery, _: Consistency) -> Result<Read<GamePage>, StoreError> {
        unsupported()
    }
    async fn versions(&self, _: Consistency) -> Result<Read<Vec<GameVersion>>, StoreError> {
        unsupported()
    }
    async fn add_review(
        &self,
        _: GameId,
        _: &NewReview,
    ) -> Result<Written<Option<Review>>, StoreError> {
        unsupported()
    }
    async fn delete_review(
        &self,
        _: GameId,
        _: ReviewId,
        _: &str,
    ) -> Result<Written<DeleteOutcome>, StoreError> {
        unsupported()
    }
}

/// The tests only read and change products.
pub fn unsupported<T>() -> Result<T, StoreError> {
    Err(StoreError::unavailable(
        "the database double supports products only",
    ))
}
