//! Pages rendered in advance: they are there, they follow their game, and an old one is never put over a withdrawal.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ch02_database::catalog::{Deletion, GameChange, GamePage, GameQuery, GameVersion, NewReview};
use ch02_database::game::{Game, Product, Review, ReviewId};
use ch02_database::generator::Generator;
use ch02_database::{Catalog, GameId, Read, StoreError};
use ch04_async::{PageStore, Publisher};
use chrono::Utc;
use object_store::memory::InMemory;
use tokio::sync::{Semaphore, mpsc};

/// Three games whose prices can be changed. `gate`, if set, makes a reader wait after it has read.
struct Shelf {
    products: Mutex<Vec<Product>>,
    gate: Option<Gate>,
}

struct Gate {
    has_read: Semaphore,
    may_go_on: Semaphore,
}

impl Shelf {
    fn new(gate: Option<Gate>) -> Arc<Self> {
        let generator = Generator::new(42);
        Arc::new(Shelf {
            products: Mutex::new((1..=3).map(|id| generator.product(id)).collect()),
            gate,
        })
    }

    fn set_price(&self, id: GameId, cents: i64) {
        let game = &mut self.products.lock().unwrap()[id as usize - 1].game;
        game.price_cents = cents;
        game.updated_at = Utc::now();
    }
}

#[async_trait]
impl Catalog for Shelf {
    async fn product(&self, id: GameId) -> Result<Read<Option<Product>>, StoreError> {
        let product = self.products.lock().unwrap().get(id as usize - 1).cloned();
        if let Some(gate) = &self.gate {
            gate.has_read.add_permits(1);
            gate.may_go_on.acquire().await.unwrap().forget();
        }
        Ok(Read::from_primary(product))
    }

    async fn versions(&self) -> Result<Read<Vec<GameVersion>>, StoreError> {
        let products = self.products.lock().unwrap();
        let versions = products.iter().map(|product| GameVersion {
            id: product.game.id,
            updated_at: product.game.updated_at,
        });
        Ok(Read::from_primary(versions.collect()))
    }

    async fn game(&self, _: GameId) -> Result<Read<Option<Game>>, StoreError> {
        unreachable!("a publisher reads products")
    }
    async fn list(&self, _: &GameQuery) -> Result<Read<GamePage>, StoreError> {
        unreachable!("a publisher reads products")
    }
    async fn change(&self, _: GameId, _: &GameChange) -> Result<Option<Game>, StoreError> {
        unreachable!("a publisher reads products")
    }
    async fn add_review(&self, _: GameId, _: &NewReview) -> Result<Option<Review>, StoreError> {
        unreachable!("a publisher reads products")
    }
    async fn delete_review(&self, _: GameId, _: ReviewId, _: &str) -> Result<Deletion, StoreError> {
        unreachable!("a publisher reads products")
    }
}

fn store() -> PageStore {
    PageStore::new(Arc::new(InMemory::new()))
}

async fn html(pages: &PageStore, id: GameId) -> Option<String> {
    let page = pages.game(id).await.unwrap()?;
    Some(String::from_utf8(page.html.to_vec()).unwrap())
}

#[tokio::test]
async fn every_game_gets_a_page_once() {
    let pages = store();
    let publisher = Publisher::new(Shelf::new(None), pages.clone());

    assert_eq!(publisher.publish_stale().await.unwrap(), 3);
    assert!(html(&pages, 2).await.unwrap().contains("<h1"));
    assert_eq!(html(&pages, 4).await, None);

    assert_eq!(
        publisher.publish_stale().await.unwrap(),
        0,
        "nothing has changed, so nothing is rendered again"
    );
}

#[tokio::test]
async fn a_page_that_is_older_than_its_game_is_made_again() {
    // As after a crash between the commit of a price and the withdrawal of the page.
    let (shelf, pages) = (Shelf::new(None), store());
    let publisher = Publisher::new(shelf.clone(), pages.clone());
    publisher.publish_stale().await.unwrap();

    shelf.set_price(2, 123_456);

    assert_eq!(publisher.publish_stale().await.unwrap(), 1);
    assert!(html(&pages, 2).await.unwrap().contains("1,234.56"));
}

#[tokio::test]
async fn a_changed_game_is_published_again_with_another_etag() {
    let (shelf, pages) = (Shelf::new(None), store());
    let publisher = Publisher::new(shelf.clone(), pages.clone());
    publisher.publish_stale().await.unwrap();
    let before = pages.game(1).await.unwrap().unwrap();

    shelf.set_price(1, 4_242);
    pages.withdraw(1).await.unwrap();
    assert_eq!(
        pages.game(1).await.unwrap(),
        None,
        "a withdrawn page must not be served"
    );

    let (tell, changes) = mpsc::channel(1);
    tell.send(1).await.unwrap();
    drop(tell);
    let publishing = Publisher::new(shelf, pages.clone()).run(changes, std::future::pending());
    tokio::time::timeout(Duration::from_secs(20), publishing)
        .await
        .expect("ends with its channel");

    let after = pages.game(1).await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&after.html).contains("42.42"));
    assert_ne!(after.etag, before.etag);
}

#[tokio::test]
async fn a_slow_publisher_cannot_put_an_old_page_over_a_withdrawal() {
    let gate = Gate {
        has_read: Semaphore::new(0),
        may_go_on: Semaphore::new(0),
    };
    let (shelf, pages) = (Shelf::new(Some(gate)), store());
    let gate = shelf.gate.as_ref().unwrap();
    let publisher = Publisher::new(shelf.clone(), pages.clone());

    // The publisher has read the old price and is about to write the page …
    let publishing = tokio::spawn(async move { publisher.publish(1).await.unwrap() });
    gate.has_read.acquire().await.unwrap().forget();
    // … when a clone commits a new one and withdraws the page.
    shelf.set_price(1, 4_242);
    let withdrawing = {
        let pages = pages.clone();
        tokio::spawn(async move { pages.withdraw(1).await.unwrap() })
    };
    // Let the withdrawal get as far as it can, then let the publisher write.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    gate.may_go_on.add_permits(1);
    publishing.await.unwrap();
    withdrawing.await.unwrap();

    assert_eq!(
        html(&pages, 1).await,
        None,
        "the old page was written after the withdrawal"
    );
}

#[tokio::test]
async fn withdrawing_a_page_that_is_not_there_is_no_error() {
    store().withdraw(7).await.unwrap();
}
