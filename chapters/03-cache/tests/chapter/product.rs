//! Cache-aside, proved with counts: how many queries reach the database.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ch02_database::{Consistency, Node};
use ch03_cache::{Cache, CacheError, CacheStatus, MemoryCache, ProductCache};

use crate::counting_catalog::QUERIES_PER_PRODUCT;
use crate::games::{CountingGames, price, set_price, seven_games, seventh};

/// A cache server that is down.
struct FailedCache;

#[async_trait]
impl Cache for FailedCache {
    async fn get(&self, _: &str) -> Result<Option<Bytes>, CacheError> {
        Err(CacheError::unavailable("connection refused"))
    }
    async fn set(&self, _: &str, _: Bytes, _: Duration) -> Result<(), CacheError> {
        Err(CacheError::unavailable("connection refused"))
    }
    async fn delete(&self, _: &str) -> Result<(), CacheError> {
        Err(CacheError::unavailable("connection refused"))
    }
}

fn cached(catalog: &Arc<CountingGames>) -> (ProductCache, Arc<MemoryCache>) {
    let cache = Arc::new(MemoryCache::new(1 << 20));
    (ProductCache::new(cache.clone(), catalog.clone()), cache)
}

#[tokio::test]
async fn hundred_reads_query_the_database_once() {
    let catalog = seven_games();
    let (products, _) = cached(&catalog);

    for n in 0..100 {
        let lookup = products.get(7, Consistency::Eventual).await.unwrap();
        let expected = if n == 0 {
            CacheStatus::Miss
        } else {
            CacheStatus::Hit
        };
        assert_eq!(lookup.status, expected, "read {n}");
        assert_eq!(lookup.node, (n == 0).then_some(Node::Primary));
        assert_eq!(lookup.product.as_ref(), Some(&seventh()));
    }

    assert_eq!(
        catalog.take_queries(),
        QUERIES_PER_PRODUCT,
        "only the first read may query the database: does a miss fill the cache?"
    );
}

#[tokio::test]
async fn write_is_visible_after_invalidation() {
    let catalog = seven_games();
    let (products, _) = cached(&catalog);
    products.get(7, Consistency::Eventual).await.unwrap();

    set_price(&catalog, 1).await;
    assert_ne!(
        price(&products).await,
        1,
        "without an invalidation the cache must still return the old price"
    );

    products.invalidate(7, None).await.unwrap();
    assert_eq!(
        price(&products).await,
        1,
        "stale after the invalidation: do reader and writer use the same key?"
    );
}

#[tokio::test]
async fn overtaken_reader_does_not_fill_the_cache() {
    let catalog = seven_games();
    let (products, _) = cached(&catalog);
    let on_another_clone = products.clone();

    // The reader runs first. It has the old product and waits while the writer does all its work.
    let (overtaken, ()) = tokio::join!(biased; price(&products), async {
        set_price(&catalog, 1).await;
        on_another_clone.invalidate(7, None).await.unwrap();
    });

    assert_ne!(
        overtaken, 1,
        "no write came between the reader's query and its set, so this test proves nothing"
    );
    assert_eq!(
        price(&products).await,
        1,
        "the overtaken reader cached the old price: does `fill` compare the invalidation counts?"
    );
}

/// A cache server that needs a moment before it stores a value.
struct SlowSetCache(MemoryCache);

#[async_trait]
impl Cache for SlowSetCache {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        self.0.get(key).await
    }
    async fn set(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), CacheError> {
        tokio::task::yield_now().await;
        self.0.set(key, value, ttl).await
    }
    async fn delete(&self, key: &str) -> Result<(), CacheError> {
        self.0.delete(key).await
    }
}

#[tokio::test]
async fn invalidation_waits_for_a_filling_reader() {
    let catalog = seven_games();
    let products = ProductCache::new(
        Arc::new(SlowSetCache(MemoryCache::new(1 << 20))),
        catalog.clone(),
    );

    let (overtaken, ()) = tokio::join!(biased; price(&products), async {
        // Now the reader has its answer, finds no invalidation, and starts to set.
        tokio::task::yield_now().await;
        set_price(&catalog, 1).await;
        products.invalidate(7, None).await.unwrap();
    });

    assert_ne!(
        overtaken, 1,
        "no write came between the reader's query and its set, so this test proves nothing"
    );
    assert_eq!(
        price(&products).await,
        1,
        "the invalidation came between the reader's comparison and its set: is the lock held?"
    );
}

#[tokio::test]
async fn bypass_neither_reads_nor_fills_the_cache() {
    let catalog = seven_games();
    let (products, _) = cached(&catalog);

    assert_eq!(
        products
            .bypass(7, Consistency::Eventual)
            .await
            .unwrap()
            .status,
        CacheStatus::Bypass
    );
    assert_eq!(
        products.get(7, Consistency::Eventual).await.unwrap().status,
        CacheStatus::Miss
    );
    assert_eq!(
        products
            .bypass(7, Consistency::Eventual)
            .await
            .unwrap()
            .status,
        CacheStatus::Bypass
    );
    assert_eq!(catalog.take_queries(), 3 * QUERIES_PER_PRODUCT);
}

#[tokio::test]
async fn unknown_game_is_not_cached() {
    let catalog = seven_games();
    let (products, _) = cached(&catalog);

    for _ in 0..2 {
        let lookup = products.get(8, Consistency::Eventual).await.unwrap();
        assert_eq!((lookup.product, lookup.status), (None, CacheStatus::Miss));
    }
}

#[tokio::test]
async fn failed_cache_does_not_fail_reads() {
    let catalog = seven_games();
    let products = ProductCache::new(Arc::new(FailedCache), catalog.clone());

    let lookup = products.get(7, Consistency::Eventual).await.unwrap();

    assert_eq!(lookup.status, CacheStatus::Bypass);
    assert_eq!(lookup.product.as_ref(), Some(&seventh()));
    assert!(
        products.invalidate(7, None).await.is_err(),
        "a failed invalidation must return an error to the writer"
    );
}

/// A cache server that hangs: every command ends with a time-out.
struct HangingCache;

#[async_trait]
impl Cache for HangingCache {
    async fn get(&self, _: &str) -> Result<Option<Bytes>, CacheError> {
        time_out().await
    }
    async fn set(&self, _: &str, _: Bytes, _: Duration) -> Result<(), CacheError> {
        time_out().await
    }
    async fn delete(&self, _: &str) -> Result<(), CacheError> {
        time_out().await
    }
}

async fn time_out<T>() -> Result<T, CacheError> {
    tokio::time::sleep(Duration::from_millis(250)).await;
    Err(CacheError::unavailable("no answer"))
}

#[tokio::test(start_paused = true)]
async fn writers_wait_in_parallel_for_hanging_cache() {
    let products = ProductCache::new(Arc::new(HangingCache), seven_games());
    let start = tokio::time::Instant::now();

    let mut writers = tokio::task::JoinSet::new();
    for id in 1..=7 {
        let products = products.clone();
        writers.spawn(async move { products.invalidate(id, None).await });
    }
    let answers = writers.join_all().await;

    assert!(
        answers.iter().all(Result::is_err),
        "a failed invalidation must return an error"
    );
    assert_eq!(
        start.elapsed(),
        Duration::from_millis(250),
        "the writers waited one after the other: is a lock held during the delete?"
    );
}

#[tokio::test]
async fn unreadable_entry_is_replaced() {
    let catalog = seven_games();
    let (products, cache) = cached(&catalog);
    let garbage = Bytes::from_static(b"{\"from\":\"an older version\"}");
    cache
        .set("product:7", garbage, Duration::from_mins(1))
        .await
        .unwrap();

    assert_eq!(
        products.get(7, Consistency::Eventual).await.unwrap().status,
        CacheStatus::Miss
    );
    assert_eq!(
        products.get(7, Consistency::Eventual).await.unwrap().status,
        CacheStatus::Hit
    );
}
