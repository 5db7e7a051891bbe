//! A catalogue in memory whose games can change while a reader waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use ch02_database::catalog::{
    DeleteOutcome, GameChange, GamePage, GameQuery, GameVersion, NewReview,
};
use ch02_database::model::{Game, Product, Review, ReviewId};
use ch02_database::seed::generator::Generator;
use ch02_database::{Catalog, Consistency, GameId, Read, StoreError, Written};
use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// Three games whose prices can change. A `gate` makes a reader wait after reading. Reading the
/// game with the id `unreadable` fails.
pub struct TestCatalog {
    pub products: Mutex<Vec<Product>>,
    /// What a replica has that replays nothing any more. It answers the reads that accept any age.
    late_replica: Mutex<Option<Vec<Product>>>,
    pub unreadable: AtomicI64,
    pub gate: Option<Gate>,
}

/// Holds a reader between its read and its return.
pub struct Gate {
    pub has_read: Semaphore,
    pub may_continue: Semaphore,
}

impl TestCatalog {
    pub fn new(gate: Option<Gate>) -> Arc<Self> {
        let generator = Generator::new(42);
        Arc::new(TestCatalog {
            products: Mutex::new((1..=3).map(|id| generator.product(id)).collect()),
            late_replica: Mutex::default(),
            unreadable: AtomicI64::new(0),
            gate,
        })
    }

    /// Keeps later changes away from the replica.
    pub fn stop_replay(&self) {
        *self.late_replica.lock() = Some(self.products.lock().clone());
    }

    fn read(&self, consistency: Consistency) -> Vec<Product> {
        let late = self.late_replica.lock();
        let late = late
            .as_ref()
            .filter(|_| consistency == Consistency::Eventual);
        late.cloned()
            .unwrap_or_else(|| self.products.lock().clone())
    }

    pub fn set_price(&self, id: GameId, cents: i64) {
        self.set_price_at(id, cents, Utc::now());
    }

    pub fn set_price_at(&self, id: GameId, cents: i64, now: DateTime<Utc>) {
        let game = &mut self.products.lock()[id as usize - 1].game;
        game.price_cents = cents;
        game.updated_at = now;
    }
}

#[async_trait]
impl Catalog for TestCatalog {
    async fn product(
        &self,
        id: GameId,
        consistency: Consistency,
    ) -> Result<Read<Option<Product>>, StoreError> {
        if id == self.unreadable.load(Ordering::SeqCst) {
            return Err(StoreError::Corrupt("on purpose".to_owned()));
        }
        let product = self.read(consistency).get(id as usize - 1).cloned();
        if let Some(gate) = &self.gate {
            gate.has_read.add_permits(1);
            gate.may_continue.acquire().await.unwrap().forget();
        }
        Ok(Read::from_primary(product))
    }

    async fn versions(
        &self,
        consistency: Consistency,
    ) -> Result<Read<Vec<GameVersion>>, StoreError> {
        let products = self.read(consistency);
        let versions = products.iter().map(|product| GameVersion {
            id: product.game.id,
            updated_at: product.game.updated_at,
        });
        Ok(Read::from_primary(versions.collect()))
    }

    async fn game(
        &self,
        id: GameId,
        consistency: Consistency,
    ) -> Result<Read<Option<Game>>, StoreError> {
        let product = self.read(consistency).get(id as usize - 1).cloned();
        Ok(Read::from_primary(product.map(|product| product.game)))
    }
    async fn list(&self, _: &GameQuery, _: Consistency) -> Result<Read<GamePage>, StoreError> {
        unreachable!("a publisher does not call this")
    }
    async fn change(&self, _: GameId, _: &GameChange) -> Result<Written<Option<Game>>, StoreError> {
        unreachable!("a publisher does not call this")
    }
    async fn add_review(
        &self,
        _: GameId,
        _: &NewReview,
    ) -> Result<Written<Option<Review>>, StoreError> {
        unreachable!("a publisher does not call this")
    }
    async fn delete_review(
        &self,
        _: GameId,
        _: ReviewId,
        _: &str,
    ) -> Result<Written<DeleteOutcome>, StoreError> {
        unreachable!("a publisher does not call this")
    }
}
