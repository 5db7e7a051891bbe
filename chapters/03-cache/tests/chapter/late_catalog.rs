//! A database double with a primary and a replica that never replays anything.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use ch02_database::catalog::{
    DeleteOutcome, GameChange, GamePage, GameQuery, GameVersion, NewReview,
};
use ch02_database::model::{Game, Product, Review, ReviewId};
use ch02_database::replication::Lsn;
use ch02_database::{
    Catalog, Consistency, ConsistencyToken, GameId, Node, Read, StoreError, Written,
};

use crate::games::{seventh, unsupported};

/// The position after this many bytes.
pub fn position(bytes: u64) -> ConsistencyToken {
    ConsistencyToken::new(1, Lsn::from_bytes(bytes))
}

/// Game 7 on a primary and on a replica. It costs one cent at position 1, where the replica stays.
pub struct LateCatalog(Mutex<State>);

struct State {
    price: i64,
    position: u64,
    price_after_next_read: Option<i64>,
    is_overloaded: bool,
}

impl State {
    fn set_price(&mut self, cents: i64) -> ConsistencyToken {
        self.price = cents;
        self.position += 10;
        position(self.position)
    }
}

impl LateCatalog {
    pub fn new() -> Self {
        LateCatalog(Mutex::new(State {
            price: 1,
            position: 1,
            price_after_next_read: None,
            is_overloaded: false,
        }))
    }

    /// Commits a price on the primary. Returns the token of the write.
    pub fn set_price(&self, cents: i64) -> ConsistencyToken {
        self.0.lock().unwrap().set_price(cents)
    }

    /// Commits a price between the next read of a product and the question for its position.
    pub fn set_price_during_next_read(&self, cents: i64) -> ConsistencyToken {
        let mut state = self.0.lock().unwrap();
        state.price_after_next_read = Some(cents);
        position(state.position + 10)
    }

    /// Whether the primary rejects reads.
    pub fn overload_primary(&self, is_overloaded: bool) {
        self.0.lock().unwrap().is_overloaded = is_overloaded;
    }

    /// The price without the cache.
    pub async fn price(&self, consistency: Consistency) -> i64 {
        let read = self.product(7, consistency).await.unwrap();
        read.value.unwrap().game.price_cents
    }
}

#[async_trait]
impl Catalog for LateCatalog {
    async fn product(
        &self,
        _: GameId,
        consistency: Consistency,
    ) -> Result<Read<Option<Product>>, StoreError> {
        let mut state = self.0.lock().unwrap();
        let is_enough = match consistency {
            Consistency::Eventual => true,
            Consistency::AtLeast(token) => token <= position(1),
            Consistency::Primary => false,
        };
        if !is_enough && state.is_overloaded {
            let retry_after = Duration::from_secs(1);
            return Err(StoreError::Overloaded { retry_after });
        }
        let mut product = seventh();
        product.game.price_cents = if is_enough { 1 } else { state.price };
        if let Some(cents) = state.price_after_next_read.take() {
            state.set_price(cents);
        }
        let node = if is_enough {
            Node::Replica(1)
        } else {
            Node::Primary
        };
        Ok(Read {
            value: Some(product),
            node,
            token: (consistency != Consistency::Eventual).then(|| position(state.position)),
        })
    }

    fn replica_positions(&self) -> Vec<ConsistencyToken> {
        vec![position(1)]
    }

    async fn change(&self, _: GameId, _: &GameChange) -> Result<Written<Option<Game>>, StoreError> {
        unsupported()
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
