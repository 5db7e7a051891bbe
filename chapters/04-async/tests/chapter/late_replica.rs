//! Pages while a replica of the catalogue is late: no old version of a game is published.

use ch02_database::{Consistency, ConsistencyToken};
use ch04_async::{ChangedGame, PagePublisher};
use tokio::sync::mpsc;

use crate::pages::{Restarts, html, publish_missing, store};
use crate::test_catalog::TestCatalog;

/// The event of a change carries the token of its write.
#[tokio::test]
async fn late_replica_renders_no_old_page() {
    let (catalog, pages) = (TestCatalog::new(None), store());
    let publisher = PagePublisher::new(catalog.clone(), pages.clone());
    publish_missing(&publisher).await;
    catalog.stop_replay();
    catalog.set_price(1, 4_242);
    pages.withdraw(1).await.unwrap();

    let (sender, changes) = mpsc::channel(1);
    let token = Some(ConsistencyToken::START);
    sender.send(ChangedGame { id: 1, token }).await.unwrap();
    drop(sender);
    publisher.run(changes, std::future::pending()).await;

    let page = html(&pages, 1).await;
    assert!(
        page.is_some_and(|page| page.contains("42.42")),
        "the page is missing or old: does the publisher read at least at the event's token?"
    );
}

#[tokio::test]
async fn page_from_a_late_read_is_withdrawn() {
    let (catalog, pages) = (TestCatalog::new(None), store());
    let publisher = PagePublisher::new(catalog.clone(), pages.clone());
    catalog.stop_replay();
    catalog.set_price(1, 4_242);

    publisher.publish(1, Consistency::Eventual).await.unwrap();

    assert_eq!(
        html(&pages, 1).await,
        None,
        "the old page stays: does the publisher compare it with the primary?"
    );
}

#[tokio::test]
async fn late_replica_hides_no_stale_page() {
    let restarts = Restarts::new();
    let (_, publisher) = restarts.start();
    publish_missing(&publisher).await;
    restarts.catalog.stop_replay();
    restarts.catalog.set_price(2, 123_456);

    let (pages, publisher) = restarts.start();
    assert_eq!(
        publisher.withdraw_stale().await.unwrap(),
        1,
        "the start compares the pages with a late replica"
    );
    assert_eq!(publish_missing(&publisher).await, 1);
    assert!(html(&pages, 2).await.unwrap().contains("1,234.56"));
}
