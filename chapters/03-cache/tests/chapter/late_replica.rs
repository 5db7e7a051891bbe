//! The cache in front of a replica that is late: a reader with a token never gets an older product,
//! and an old product does not come back after an invalidation.

use std::sync::Arc;

use ch02_database::{Consistency, ConsistencyToken};
use ch03_cache::{CacheStatus, Lookup, MemoryCache, ProductCache};

use crate::late_catalog::{LateCatalog, position};

/// A cache that two processes share, the product cache of each, and their database.
fn two_processes() -> (Arc<LateCatalog>, ProductCache, ProductCache) {
    let catalog = Arc::new(LateCatalog::new());
    let cache = Arc::new(MemoryCache::new(1 << 20));
    let process = || ProductCache::new(cache.clone(), catalog.clone());
    (catalog.clone(), process(), process())
}

async fn get(products: &ProductCache, token: Option<ConsistencyToken>) -> Lookup {
    products.get(7, token.into()).await.unwrap()
}

fn price(lookup: &Lookup) -> i64 {
    lookup.product.as_ref().unwrap().game.price_cents
}

#[tokio::test]
async fn reader_with_newer_token_reads_through() {
    let (catalog, products, _) = two_processes();
    assert_eq!(price(&get(&products, None).await), 1);
    // The writer's process dies before it invalidates.
    let write = catalog.set_price(2);

    let own = get(&products, Some(write)).await;
    assert_eq!(
        (own.status, price(&own)),
        (CacheStatus::Miss, 2),
        "a reader with a newer token got an older entry"
    );
    let own = get(&products, Some(write)).await;
    assert_eq!(
        (own.status, price(&own)),
        (CacheStatus::Hit, 2),
        "the reader did not refill the cache"
    );
    let other = get(&products, None).await;
    assert_eq!((other.status, price(&other)), (CacheStatus::Hit, 2));
}

/// The replica is late for the whole test, so without the position of the write the next reader
/// would put the old product back.
#[tokio::test]
async fn old_product_does_not_come_back() {
    let (catalog, writer, other) = two_processes();
    for products in [&writer, &other] {
        assert_eq!(price(&get(products, None).await), 1);
    }
    let write = catalog.set_price(2);
    writer.invalidate(7, Some(write)).await.unwrap();

    let eventual = catalog.price(Consistency::Eventual).await;
    assert_eq!(eventual, 1, "the replica is not late: this proves nothing");
    assert_eq!(
        price(&get(&other, None).await),
        2,
        "another process fills the cache from a late replica: does it find the write's position?"
    );
    let hit = get(&writer, None).await;
    assert_eq!((hit.status, price(&hit)), (CacheStatus::Hit, 2));
}

/// A reader of the writer's process comes before the mark is in the cache, or the mark was evicted.
#[tokio::test]
async fn own_process_remembers_the_write() {
    let catalog = Arc::new(LateCatalog::new());
    let no_room = Arc::new(MemoryCache::new(0));
    let products = ProductCache::new(no_room, catalog.clone());
    let write = catalog.set_price(2);
    products.invalidate(7, Some(write)).await.unwrap();
    assert_eq!(
        price(&get(&products, None).await),
        2,
        "the process has forgotten its write"
    );
}

/// The token of a read is taken after it. A write in between is before the token, but not in the
/// product.
#[tokio::test]
async fn entry_is_as_old_as_its_beginning() {
    let (catalog, products, _) = two_processes();
    let write = catalog.set_price_during_next_read(2);
    let filled = get(&products, Some(position(1))).await;
    assert_eq!((price(&filled), filled.token), (1, Some(write)));

    let own = get(&products, Some(write)).await;
    assert_eq!(
        price(&own),
        2,
        "the entry has the position from after its read: a write in between is missing"
    );
}

#[tokio::test]
async fn made_up_token_is_not_believed() {
    let (catalog, products, _) = two_processes();
    let made_up = position(u64::MAX);
    assert_eq!(price(&get(&products, Some(made_up)).await), 1);

    let write = catalog.set_price(2);
    assert_eq!(
        price(&get(&products, Some(write)).await),
        2,
        "a client's invented token has marked an entry as new"
    );
}

#[tokio::test]
async fn hit_names_the_position_of_its_product() {
    let (catalog, products, _) = two_processes();
    let write = catalog.set_price(2);
    let miss = get(&products, Some(write)).await;
    let hit = get(&products, Some(write)).await;
    assert_eq!(
        (hit.status, hit.token),
        (CacheStatus::Hit, miss.token),
        "a reader of a cached product needs the token for its next read"
    );
    assert!(hit.token >= Some(write));
}

#[tokio::test]
async fn overloaded_primary_costs_freshness_only() {
    let (catalog, products, other) = two_processes();
    let write = catalog.set_price(2);
    products.invalidate(7, Some(write)).await.unwrap();

    catalog.overload_primary(true);
    assert_eq!(
        price(&get(&other, None).await),
        1,
        "a reader who accepts any age gets the replica's answer"
    );
    let own = products.get(7, Consistency::AtLeast(write)).await;
    assert!(own.is_err(), "a reader with a token gets no old answer");

    catalog.overload_primary(false);
    assert_eq!(
        price(&get(&other, None).await),
        2,
        "the replica's old answer went into the cache"
    );
}
