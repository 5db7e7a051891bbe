//! Cache-aside on counts: how many queries reach the database.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ch02_database::Node;
use ch03_cache::{Cache, CacheError, CacheStatus, MemoryCache, ProductCache};

use crate::counting_catalog::QUERIES_PER_PRODUCT;
use crate::games::{CountingGames, price, set_price, seven_games, seventh};

/// A cache server that is away.
struct NoCache;

#[async_trait]
impl Cache for NoCache {
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
async fn a_hundred_reads_ask_the_database_once() {
    let catalog = seven_games();
    let (products, _) = cached(&catalog);

    for n in 0..100 {
        let lookup = products.get(7).await.unwrap();
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
        "was the product put into the cache after the miss?"
    );
}

#[tokio::test]
async fn a_write_without_invalidation_is_not_seen_and_with_it_is() {
    let catalog = seven_games();
    let (products, _) = cached(&catalog);
    products.get(7).await.unwrap();

    set_price(&catalog, 1).await;
    assert_ne!(
        price(&products).await,
        1,
        "nothing was invalidated, so the cache must still show the old price"
    );

    products.invalidate(7).await.unwrap();
    assert_eq!(
        price(&products).await,
        1,
        "stale after invalidation: do reader and writer use the same key?"
    );
}

#[tokio::test]
async fn a_reader_overtaken_by_a_write_does_not_cache_what_it_read() {
    let catalog = seven_games();
    let (products, _) = cached(&catalog);
    let on_another_clone = products.clone();

    // The reader goes first: it has the old product and waits for it to arrive while the writer
    // does all of its work.
    let (overtaken, ()) = tokio::join!(biased; price(&products), async {
        set_price(&catalog, 1).await;
        on_another_clone.invalidate(7).await.unwrap();
    });

    assert_ne!(
        overtaken, 1,
        "the reader was not overtaken, so this test shows nothing"
    );
    assert_eq!(
        price(&products).await,
        1,
        "the overtaken reader cached the old price: did it look whether an invalidation came meanwhile?"
    );
}

/// A cache server that is asked to keep a value, and takes a moment before it does.
struct SlowToSet(MemoryCache);

#[async_trait]
impl Cache for SlowToSet {
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
async fn a_write_that_comes_while_a_reader_fills_the_cache_waits_and_then_invalidates() {
    let catalog = seven_games();
    let products = ProductCache::new(
        Arc::new(SlowToSet(MemoryCache::new(1 << 20))),
        catalog.clone(),
    );

    let (overtaken, ()) = tokio::join!(biased; price(&products), async {
        // Meanwhile the reader gets its answer, sees that nothing was invalidated, and begins to
        // set.
        tokio::task::yield_now().await;
        set_price(&catalog, 1).await;
        products.invalidate(7).await.unwrap();
    });

    assert_ne!(
        overtaken, 1,
        "the reader was not overtaken, so this test shows nothing"
    );
    assert_eq!(
        price(&products).await,
        1,
        "the invalidation slipped in between the reader's look and its set"
    );
}

#[tokio::test]
async fn a_bypass_neither_asks_nor_fills_the_cache() {
    let catalog = seven_games();
    let (products, _) = cached(&catalog);

    assert_eq!(
        products.bypass(7).await.unwrap().status,
        CacheStatus::Bypass
    );
    assert_eq!(products.get(7).await.unwrap().status, CacheStatus::Miss);
    assert_eq!(
        products.bypass(7).await.unwrap().status,
        CacheStatus::Bypass
    );
    assert_eq!(catalog.take_queries(), 3 * QUERIES_PER_PRODUCT);
}

#[tokio::test]
async fn an_unknown_game_is_not_cached() {
    let catalog = seven_games();
    let (products, _) = cached(&catalog);

    for _ in 0..2 {
        let lookup = products.get(8).await.unwrap();
        assert_eq!((lookup.product, lookup.status), (None, CacheStatus::Miss));
    }
}

#[tokio::test]
async fn without_a_cache_the_product_still_comes() {
    let catalog = seven_games();
    let products = ProductCache::new(Arc::new(NoCache), catalog.clone());

    let lookup = products.get(7).await.unwrap();

    assert_eq!(lookup.status, CacheStatus::Bypass);
    assert_eq!(lookup.product.as_ref(), Some(&seventh()));
    assert!(
        products.invalidate(7).await.is_err(),
        "a writer has to know that nothing was invalidated"
    );
}

/// A cache server that hangs: every answer takes as long as a caller waits for it.
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
async fn writers_do_not_queue_up_before_a_cache_that_hangs() {
    let products = ProductCache::new(Arc::new(HangingCache), seven_games());
    let begin = tokio::time::Instant::now();

    let mut writers = tokio::task::JoinSet::new();
    for id in 1..=7 {
        let products = products.clone();
        writers.spawn(async move { products.invalidate(id).await });
    }
    let answers = writers.join_all().await;

    assert!(
        answers.iter().all(Result::is_err),
        "nothing was invalidated, and nobody said so"
    );
    assert_eq!(
        begin.elapsed(),
        Duration::from_millis(250),
        "each writer waited for the one before: is a lock held while the cache is asked?"
    );
}

#[tokio::test]
async fn an_unreadable_entry_is_replaced() {
    let catalog = seven_games();
    let (products, cache) = cached(&catalog);
    let garbage = Bytes::from_static(b"{\"from\":\"an older version\"}");
    cache
        .set("product:7", garbage, Duration::from_mins(1))
        .await
        .unwrap();

    assert_eq!(products.get(7).await.unwrap().status, CacheStatus::Miss);
    assert_eq!(products.get(7).await.unwrap().status, CacheStatus::Hit);
}
