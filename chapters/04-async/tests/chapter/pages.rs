//! Pages rendered in advance: they are there, they follow their game, and an old one is never put over a withdrawal.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ch02_database::catalog::{
    DeleteOutcome, GameChange, GamePage, GameQuery, GameVersion, NewReview,
};
use ch02_database::model::{Game, Product, Review, ReviewId};
use ch02_database::seed::generator::Generator;
use ch02_database::{Catalog, GameId, Read, StoreError};
use ch04_async::{PageStore, Publisher};
use chrono::{DateTime, Utc};
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use tokio::sync::{Semaphore, mpsc};

/// Three games whose prices can be changed. `gate`, if set, makes a reader wait after it has read. The game with the id
/// `unreadable` cannot be read.
struct Shelf {
    products: Mutex<Vec<Product>>,
    unreadable: AtomicI64,
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
            unreadable: AtomicI64::new(0),
            gate,
        })
    }

    fn set_price(&self, id: GameId, cents: i64) {
        self.set_price_at(id, cents, Utc::now());
    }

    fn set_price_at(&self, id: GameId, cents: i64, now: DateTime<Utc>) {
        let game = &mut self.products.lock().unwrap()[id as usize - 1].game;
        game.price_cents = cents;
        game.updated_at = now;
    }
}

#[async_trait]
impl Catalog for Shelf {
    async fn product(&self, id: GameId) -> Result<Read<Option<Product>>, StoreError> {
        if id == self.unreadable.load(Ordering::SeqCst) {
            return Err(StoreError::Corrupt("on purpose".to_owned()));
        }
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

    async fn game(&self, id: GameId) -> Result<Read<Option<Game>>, StoreError> {
        let product = self.products.lock().unwrap().get(id as usize - 1).cloned();
        Ok(Read::from_primary(product.map(|product| product.game)))
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
    async fn delete_review(
        &self,
        _: GameId,
        _: ReviewId,
        _: &str,
    ) -> Result<DeleteOutcome, StoreError> {
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

/// A folder of pages and the games they show, over several runs of the store.
struct Runs {
    shelf: Arc<Shelf>,
    objects: Arc<InMemory>,
}

impl Runs {
    fn new() -> Self {
        Runs {
            shelf: Shelf::new(None),
            objects: Arc::default(),
        }
    }

    /// A new process: nothing is left but what is stored.
    fn start(&self) -> (PageStore, Publisher) {
        let pages = PageStore::new(self.objects.clone());
        (pages.clone(), Publisher::new(self.shelf.clone(), pages))
    }
}

async fn fill(publisher: &Publisher) -> usize {
    let outcome = publisher.publish_missing().await.unwrap();
    assert!(outcome.failed.is_empty(), "{:?}", outcome.failed);
    outcome.pages
}

#[tokio::test]
async fn every_game_gets_a_page_once() {
    let runs = Runs::new();
    let (pages, publisher) = runs.start();

    assert_eq!(fill(&publisher).await, 3);
    assert!(html(&pages, 2).await.unwrap().contains("<h1"));
    assert_eq!(html(&pages, 4).await, None);

    assert_eq!(
        fill(&publisher).await,
        0,
        "nothing has changed, so nothing is rendered again"
    );
}

#[tokio::test]
async fn after_an_orderly_stop_every_page_is_kept() {
    let runs = Runs::new();
    let (_, publisher) = runs.start();
    let (tell, changes) = mpsc::channel(1);
    let change_a_price = async {
        // There is room for the second one when the first one is taken: by then nothing is missing any more.
        tell.send(1).await.unwrap();
        tell.send(1).await.unwrap();
        runs.shelf.set_price(2, 123_456);
        tell.send(2).await.unwrap();
        drop(tell);
    };
    tokio::join!(
        publisher.run(changes, std::future::pending()),
        change_a_price
    );

    let (pages, publisher) = runs.start();

    assert_eq!(publisher.withdraw_stale().await.unwrap(), 0);
    assert_eq!(fill(&publisher).await, 0, "is the manifest read again?");
    assert!(html(&pages, 2).await.unwrap().contains("1,234.56"));
}

#[tokio::test]
async fn a_page_that_is_older_than_its_game_is_not_served_after_a_crash_whatever_the_clock_says() {
    for now in [Utc::now(), DateTime::UNIX_EPOCH] {
        let runs = Runs::new();
        let (_, publisher) = runs.start();
        fill(&publisher).await;
        // A price is committed, and the process ends before the page is withdrawn.
        runs.shelf.set_price_at(2, 123_456, now);

        let (pages, publisher) = runs.start();
        assert_eq!(
            publisher.withdraw_stale().await.unwrap(),
            1,
            "changed at {now}"
        );

        assert_eq!(html(&pages, 2).await, None, "the old page would be served");
        assert!(html(&pages, 1).await.is_some(), "the other pages are right");
        assert_eq!(fill(&publisher).await, 1);
        assert!(html(&pages, 2).await.unwrap().contains("1,234.56"));
    }
}

#[tokio::test]
async fn a_page_that_the_manifest_does_not_know_yet_is_rendered_again_after_a_crash() {
    let runs = Runs::new();
    let (_, publisher) = runs.start();
    fill(&publisher).await;
    runs.shelf.set_price(2, 123_456);
    publisher.publish(2).await.unwrap();

    let (_, publisher) = runs.start();

    assert_eq!(publisher.withdraw_stale().await.unwrap(), 1);
    assert_eq!(fill(&publisher).await, 1);
}

#[tokio::test]
async fn a_page_that_was_withdrawn_before_a_crash_is_published_again() {
    // The manifest on disk still names the page, with the version that the game has.
    let runs = Runs::new();
    let (pages, publisher) = runs.start();
    fill(&publisher).await;
    pages.withdraw(2).await.unwrap();

    let (_, publisher) = runs.start();

    assert_eq!(publisher.withdraw_stale().await.unwrap(), 0);
    assert_eq!(
        fill(&publisher).await,
        1,
        "does the manifest count for more than the page?"
    );
}

#[tokio::test]
async fn pages_of_another_template_of_no_game_or_without_a_manifest_are_taken_down() {
    let runs = Runs::new();
    let (_, publisher) = runs.start();
    fill(&publisher).await;
    let (manifest, stranger) = (Path::from("published.json"), Path::from("games/9.html"));
    runs.objects
        .put(&stranger, "the page of a game that is gone".into())
        .await
        .unwrap();
    let (_, publisher) = runs.start();
    assert_eq!(
        publisher.withdraw_stale().await.unwrap(),
        1,
        "there is no game 9"
    );

    let saved = runs
        .objects
        .get(&manifest)
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    let mut json: serde_json::Value = serde_json::from_slice(&saved).unwrap();
    json["template"] = "of last year".into();
    runs.objects
        .put(&manifest, json.to_string().into())
        .await
        .unwrap();
    let (_, publisher) = runs.start();
    assert_eq!(
        publisher.withdraw_stale().await.unwrap(),
        3,
        "the template has changed"
    );

    assert_eq!(fill(&publisher).await, 3);
    runs.objects
        .put(&manifest, "{ cut off in the mid".into())
        .await
        .unwrap();
    let (_, publisher) = runs.start();
    assert_eq!(
        publisher.withdraw_stale().await.unwrap(),
        3,
        "nobody knows what they show"
    );
}

#[tokio::test]
async fn a_page_that_cannot_be_rendered_does_not_keep_the_others_from_being_published() {
    let runs = Runs::new();
    let (pages, publisher) = runs.start();
    runs.shelf.unreadable.store(2, Ordering::SeqCst);

    let outcome = publisher.publish_missing().await.unwrap();

    assert_eq!(outcome.pages, 2);
    let failed: Vec<GameId> = outcome.failed.iter().map(|(id, _)| *id).collect();
    assert_eq!(failed, [2]);
    assert!(
        html(&pages, 3).await.is_some(),
        "the games behind the bad one were left out"
    );
}

#[tokio::test]
async fn an_etag_identifies_the_bytes() {
    let runs = Runs::new();
    let (pages, publisher) = runs.start();
    fill(&publisher).await;
    let first = pages.game(1).await.unwrap().unwrap();

    publisher.publish(1).await.unwrap();
    let again = pages.game(1).await.unwrap().unwrap();
    assert_eq!(again.html, first.html);
    assert_eq!(again.etag, first.etag, "the same bytes, written twice");

    let mut tags = vec![first.etag];
    for cents in [4_242, 4_243] {
        runs.shelf.set_price(1, cents);
        publisher.publish(1).await.unwrap();
        tags.push(pages.game(1).await.unwrap().unwrap().etag);
    }
    assert!(
        tags[0] != tags[1] && tags[1] != tags[2],
        "other bytes, same tag: {tags:?}"
    );
    for tag in tags {
        // RFC 9110, 8.8.3: what may stand between the quotes, of ASCII.
        let allowed = |byte: u8| byte == b'!' || (b'#'..=b'~').contains(&byte);
        assert!(
            !tag.is_empty() && tag.bytes().all(allowed),
            "{tag:?} cannot stand in an ETag"
        );
    }
}

#[tokio::test]
async fn a_changed_game_is_published_again_with_another_etag() {
    let (shelf, pages) = (Shelf::new(None), store());
    let publisher = Publisher::new(shelf.clone(), pages.clone());
    fill(&publisher).await;
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

/// The lock of the test above is in one process. Two processes share the objects and nothing else.
#[tokio::test]
async fn a_page_put_over_a_withdrawal_by_another_process_is_taken_down_again() {
    let gate = Gate {
        has_read: Semaphore::new(0),
        may_go_on: Semaphore::new(0),
    };
    let shelf = Shelf::new(Some(gate));
    let gate = shelf.gate.as_ref().unwrap();
    let objects = Arc::new(InMemory::new());
    let (ours, of_a_clone) = (PageStore::new(objects.clone()), PageStore::new(objects));
    let publisher = Publisher::new(shelf.clone(), ours);

    let publishing = tokio::spawn(async move { publisher.publish(1).await.unwrap() });
    gate.has_read.acquire().await.unwrap().forget();
    shelf.set_price(1, 4_242);
    of_a_clone.withdraw(1).await.unwrap();
    gate.may_go_on.add_permits(1);
    publishing.await.unwrap();

    assert_eq!(
        html(&of_a_clone, 1).await,
        None,
        "the old page stays: does the publisher look at the game again once the page is there?"
    );
}

#[tokio::test]
async fn withdrawing_a_page_that_is_not_there_is_no_error() {
    store().withdraw(7).await.unwrap();
}
