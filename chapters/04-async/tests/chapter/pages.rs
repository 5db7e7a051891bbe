//! Pre-rendered pages: each game has one, and no page shows an old version of its game.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ch02_database::{Consistency, GameId};
use ch04_async::{ChangedGame, PagePublisher, PageStore};
use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::throttle::{ThrottleConfig, ThrottledStore};
use tokio::sync::{Semaphore, mpsc};

use crate::test_catalog::{Gate, TestCatalog};

pub fn store() -> PageStore {
    PageStore::new(Arc::new(InMemory::new()))
}

fn changed(id: GameId) -> ChangedGame {
    ChangedGame { id, token: None }
}

pub async fn html(pages: &PageStore, id: GameId) -> Option<String> {
    let page = pages.game(id).await.unwrap()?;
    Some(String::from_utf8(page.html.to_vec()).unwrap())
}

/// The pages and the games of a store that starts several times.
pub struct Restarts {
    pub catalog: Arc<TestCatalog>,
    objects: Arc<InMemory>,
}

impl Restarts {
    pub fn new() -> Self {
        Restarts {
            catalog: TestCatalog::new(None),
            objects: Arc::default(),
        }
    }

    /// A new process: only the object store and the catalogue survive.
    pub fn start(&self) -> (PageStore, PagePublisher) {
        let pages = PageStore::new(self.objects.clone());
        (
            pages.clone(),
            PagePublisher::new(self.catalog.clone(), pages),
        )
    }
}

pub async fn publish_missing(publisher: &PagePublisher) -> usize {
    let summary = publisher.publish_missing().await.unwrap();
    assert!(summary.failed.is_empty(), "{:?}", summary.failed);
    summary.published
}

#[tokio::test]
async fn every_game_gets_a_page_once() {
    let restarts = Restarts::new();
    let (pages, publisher) = restarts.start();

    assert_eq!(publish_missing(&publisher).await, 3);
    assert!(html(&pages, 2).await.unwrap().contains("<h1"));
    assert_eq!(html(&pages, 4).await, None);

    assert_eq!(
        publish_missing(&publisher).await,
        0,
        "no game has changed, so no page should be rendered again"
    );
}

#[tokio::test]
async fn graceful_stop_keeps_all_pages() {
    let restarts = Restarts::new();
    let (_, publisher) = restarts.start();
    let (sender, changes) = mpsc::channel(1);
    let change_a_price = async {
        // The channel has room for the second id once the publisher takes the first. Then it has
        // published all missing pages.
        sender.send(changed(1)).await.unwrap();
        sender.send(changed(1)).await.unwrap();
        restarts.catalog.set_price(2, 123_456);
        sender.send(changed(2)).await.unwrap();
        drop(sender);
    };
    tokio::join!(
        publisher.run(changes, std::future::pending()),
        change_a_price
    );

    let (pages, publisher) = restarts.start();

    assert_eq!(publisher.withdraw_stale().await.unwrap(), 0);
    assert_eq!(
        publish_missing(&publisher).await,
        0,
        "the pages are still current: is the manifest read at the start?"
    );
    assert!(html(&pages, 2).await.unwrap().contains("1,234.56"));
}

#[tokio::test]
async fn outdated_page_is_withdrawn_after_a_crash() {
    for now in [Utc::now(), DateTime::UNIX_EPOCH] {
        let restarts = Restarts::new();
        let (_, publisher) = restarts.start();
        publish_missing(&publisher).await;
        // The process commits a price and dies before it withdraws the page.
        restarts.catalog.set_price_at(2, 123_456, now);

        let (pages, publisher) = restarts.start();
        assert_eq!(
            publisher.withdraw_stale().await.unwrap(),
            1,
            "the game changed at {now}, and its page should be withdrawn"
        );

        assert_eq!(html(&pages, 2).await, None, "the old page is still there");
        assert!(
            html(&pages, 1).await.is_some(),
            "the other pages are current"
        );
        assert_eq!(publish_missing(&publisher).await, 1);
        assert!(html(&pages, 2).await.unwrap().contains("1,234.56"));
    }
}

#[tokio::test]
async fn page_missing_in_manifest_is_rendered_again() {
    let restarts = Restarts::new();
    let (_, publisher) = restarts.start();
    publish_missing(&publisher).await;
    restarts.catalog.set_price(2, 123_456);
    publisher.publish(2, Consistency::Primary).await.unwrap();

    let (_, publisher) = restarts.start();

    assert_eq!(publisher.withdraw_stale().await.unwrap(), 1);
    assert_eq!(publish_missing(&publisher).await, 1);
}

#[tokio::test]
async fn page_withdrawn_before_crash_is_published_again() {
    // The manifest on disk still lists the page, with the game's present version.
    let restarts = Restarts::new();
    let (pages, publisher) = restarts.start();
    publish_missing(&publisher).await;
    pages.withdraw(2).await.unwrap();

    let (_, publisher) = restarts.start();

    assert_eq!(publisher.withdraw_stale().await.unwrap(), 0);
    assert_eq!(
        publish_missing(&publisher).await,
        1,
        "the manifest lists a page that does not exist: does the start list the object store?"
    );
}

#[tokio::test]
async fn pages_of_unknown_origin_are_withdrawn() {
    let restarts = Restarts::new();
    let (_, publisher) = restarts.start();
    publish_missing(&publisher).await;
    let (manifest, unknown_page) = (Path::from("published.json"), Path::from("games/9.html"));
    restarts
        .objects
        .put(&unknown_page, "the page of a deleted game".into())
        .await
        .unwrap();
    let (_, publisher) = restarts.start();
    assert_eq!(
        publisher.withdraw_stale().await.unwrap(),
        1,
        "the page of game 9 should be withdrawn, because there is no such game"
    );

    let saved = restarts
        .objects
        .get(&manifest)
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    let mut json: serde_json::Value = serde_json::from_slice(&saved).unwrap();
    json["template"] = "another template".into();
    restarts
        .objects
        .put(&manifest, json.to_string().into())
        .await
        .unwrap();
    let (_, publisher) = restarts.start();
    assert_eq!(
        publisher.withdraw_stale().await.unwrap(),
        3,
        "all pages should be withdrawn, because the template has changed"
    );

    assert_eq!(publish_missing(&publisher).await, 3);
    restarts
        .objects
        .put(&manifest, "{ truncated".into())
        .await
        .unwrap();
    let (_, publisher) = restarts.start();
    assert_eq!(
        publisher.withdraw_stale().await.unwrap(),
        3,
        "all pages should be withdrawn, because the manifest is unreadable"
    );
}

#[tokio::test]
async fn failing_page_does_not_stop_the_others() {
    let restarts = Restarts::new();
    let (pages, publisher) = restarts.start();
    restarts.catalog.unreadable.store(2, Ordering::SeqCst);

    let summary = publisher.publish_missing().await.unwrap();

    assert_eq!(summary.published, 2);
    let failed: Vec<GameId> = summary.failed.iter().map(|(id, _)| *id).collect();
    assert_eq!(failed, [2]);
    assert!(
        html(&pages, 3).await.is_some(),
        "the games after the unreadable one have no page"
    );
}

#[tokio::test]
async fn etag_identifies_the_bytes() {
    let restarts = Restarts::new();
    let (pages, publisher) = restarts.start();
    publish_missing(&publisher).await;
    let first = pages.game(1).await.unwrap().unwrap();

    publisher.publish(1, Consistency::Primary).await.unwrap();
    let republished = pages.game(1).await.unwrap().unwrap();
    assert_eq!(republished.html, first.html);
    assert_eq!(
        republished.etag, first.etag,
        "the same bytes should have the same tag, also when they are written twice"
    );

    let mut tags = vec![first.etag];
    for cents in [4_242, 4_243] {
        restarts.catalog.set_price(1, cents);
        publisher.publish(1, Consistency::Primary).await.unwrap();
        tags.push(pages.game(1).await.unwrap().unwrap().etag);
    }
    assert!(
        tags[0] != tags[1] && tags[1] != tags[2],
        "different bytes should have different tags: {tags:?}"
    );
    for tag in tags {
        // RFC 9110 section 8.8.3: the ASCII characters that an ETag may contain.
        let allowed = |byte: u8| byte == b'!' || (b'#'..=b'~').contains(&byte);
        assert!(
            !tag.is_empty() && tag.bytes().all(allowed),
            "{tag:?} is not allowed in an ETag"
        );
    }
}

#[tokio::test]
async fn changed_game_gets_a_new_etag() {
    let (catalog, pages) = (TestCatalog::new(None), store());
    let publisher = PagePublisher::new(catalog.clone(), pages.clone());
    publish_missing(&publisher).await;
    let before = pages.game(1).await.unwrap().unwrap();

    catalog.set_price(1, 4_242);
    pages.withdraw(1).await.unwrap();
    assert_eq!(
        pages.game(1).await.unwrap(),
        None,
        "a withdrawn page must not exist"
    );

    let (sender, changes) = mpsc::channel(1);
    sender.send(changed(1)).await.unwrap();
    drop(sender);
    let publishing =
        PagePublisher::new(catalog, pages.clone()).run(changes, std::future::pending());
    tokio::time::timeout(Duration::from_secs(20), publishing)
        .await
        .expect("the publisher should stop when its channel is closed");

    let after = pages.game(1).await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&after.html).contains("42.42"));
    assert_ne!(after.etag, before.etag);
}

#[tokio::test]
async fn slow_publisher_cannot_overwrite_a_withdrawal() {
    let gate = Gate {
        has_read: Semaphore::new(0),
        may_continue: Semaphore::new(0),
    };
    let (catalog, pages) = (TestCatalog::new(Some(gate)), store());
    let gate = catalog.gate.as_ref().unwrap();
    let publisher = PagePublisher::new(catalog.clone(), pages.clone());

    // The publisher has read the old price and has not written the page yet.
    let publishing =
        tokio::spawn(async move { publisher.publish(1, Consistency::Primary).await.unwrap() });
    gate.has_read.acquire().await.unwrap().forget();
    // A clone commits a new price and withdraws the page.
    catalog.set_price(1, 4_242);
    let withdrawing = {
        let pages = pages.clone();
        tokio::spawn(async move { pages.withdraw(1).await.unwrap() })
    };
    // The withdrawal runs as far as it can, then the publisher writes.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    gate.may_continue.add_permits(1);
    publishing.await.unwrap();
    withdrawing.await.unwrap();

    assert_eq!(
        html(&pages, 1).await,
        None,
        "the old page was written after the withdrawal: does the publisher lock before it reads?"
    );
}

/// The lock of the test above exists in one process. Two processes share only the object store.
#[tokio::test]
async fn page_written_over_remote_withdrawal_is_withdrawn() {
    let gate = Gate {
        has_read: Semaphore::new(0),
        may_continue: Semaphore::new(0),
    };
    let catalog = TestCatalog::new(Some(gate));
    let gate = catalog.gate.as_ref().unwrap();
    let objects = Arc::new(InMemory::new());
    let (own_pages, clone_pages) = (PageStore::new(objects.clone()), PageStore::new(objects));
    let publisher = PagePublisher::new(catalog.clone(), own_pages);

    let publishing =
        tokio::spawn(async move { publisher.publish(1, Consistency::Primary).await.unwrap() });
    gate.has_read.acquire().await.unwrap().forget();
    catalog.set_price(1, 4_242);
    clone_pages.withdraw(1).await.unwrap();
    gate.may_continue.add_permits(1);
    publishing.await.unwrap();

    assert_eq!(
        html(&clone_pages, 1).await,
        None,
        "the old page stays: does the publisher read the game again after writing?"
    );
}

#[tokio::test]
async fn hanging_write_blocks_no_other_page() {
    let hanging = ThrottleConfig {
        wait_put_per_call: Duration::from_hours(1),
        ..ThrottleConfig::default()
    };
    let pages = PageStore::new(Arc::new(ThrottledStore::new(InMemory::new(), hanging)));
    let publisher = PagePublisher::new(TestCatalog::new(None), pages.clone());
    let first_write = publisher.publish(1, Consistency::Primary);
    tokio::pin!(first_write);
    // The write begins at the first poll.
    assert!(futures_util::poll!(&mut first_write).is_pending());

    // A change of the price withdraws the page. The page of another game is free at once.
    let withdrawal = pages.withdraw(2).now_or_never();
    withdrawal
        .expect("a price change waits for the page of another game: is one lock held for all?")
        .unwrap();

    let both = async { tokio::join!(first_write, pages.withdraw(1)) };
    let (result, withdrawn) = tokio::time::timeout(Duration::from_mins(1), both)
        .await
        .expect("a price change waits for a write that hangs: has the write a time limit?");
    assert!(result.is_err(), "a write that hangs must fail");
    withdrawn.unwrap();
}

#[tokio::test]
async fn withdrawing_a_missing_page_is_no_error() {
    store().withdraw(7).await.unwrap();
}
