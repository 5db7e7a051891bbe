//! Cache-aside on counts: how many queries reach the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ch02_database::catalog::{Deletion, GameChange, GamePage, GameQuery, GameVersion, NewReview};
use ch02_database::game::{Game, Product, Review, ReviewId};
use ch02_database::generator::Generator;
use ch02_database::{Catalog, GameId, Node, Read, StoreError};
use ch03_cache::{Cache, CacheError, CacheStatus, MemoryCache, ProductCache};

/// A catalogue of one game that counts how often it is asked.
struct CountingCatalog {
    product: Product,
    price_cents: AtomicI64,
    queries: AtomicUsize,
}

impl CountingCatalog {
    fn new() -> Arc<Self> {
        let product = Generator::new(42).product(7);
        Arc::new(CountingCatalog {
            price_cents: AtomicI64::new(product.game.price_cents),
            product,
            queries: AtomicUsize::new(0),
        })
    }

    fn queries(&self) -> usize {
        self.queries.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Catalog for CountingCatalog {
    async fn product(&self, id: GameId) -> Result<Read<Option<Product>>, StoreError> {
        self.queries.fetch_add(1, Ordering::SeqCst);
        let mut product = self.product.clone();
        product.game.price_cents = self.price_cents.load(Ordering::SeqCst);
        Ok(Read::from_primary((id == 7).then_some(product)))
    }

    async fn change(&self, _: GameId, change: &GameChange) -> Result<Option<Game>, StoreError> {
        let price = change.price_cents.expect("this test changes the price");
        self.price_cents.store(price, Ordering::SeqCst);
        Ok(Some(self.product.game.clone()))
    }

    async fn game(&self, _: GameId) -> Result<Read<Option<Game>>, StoreError> {
        unreachable!("a product is read whole")
    }
    async fn list(&self, _: &GameQuery) -> Result<Read<GamePage>, StoreError> {
        unreachable!("a product is read whole")
    }
    async fn versions(&self) -> Result<Read<Vec<GameVersion>>, StoreError> {
        unreachable!("a product is read whole")
    }
    async fn add_review(&self, _: GameId, _: &NewReview) -> Result<Option<Review>, StoreError> {
        unreachable!("a product is read whole")
    }
    async fn delete_review(&self, _: GameId, _: ReviewId, _: &str) -> Result<Deletion, StoreError> {
        unreachable!("a product is read whole")
    }
}

/// A cache server that is away.
struct NoCache;

#[async_trait]
impl Cache for NoCache {
    async fn get(&self, _: &str) -> Result<Option<Bytes>, CacheError> {
        Err(CacheError("connection refused".into()))
    }
    async fn set(&self, _: &str, _: Bytes, _: Duration) -> Result<(), CacheError> {
        Err(CacheError("connection refused".into()))
    }
    async fn delete(&self, _: &str) -> Result<(), CacheError> {
        Err(CacheError("connection refused".into()))
    }
}

fn cached(catalog: &Arc<CountingCatalog>) -> (ProductCache, Arc<MemoryCache>) {
    let cache = Arc::new(MemoryCache::new(1 << 20));
    (ProductCache::new(cache.clone(), catalog.clone()), cache)
}

#[tokio::test]
async fn a_hundred_reads_ask_the_database_once() {
    let catalog = CountingCatalog::new();
    let (products, _) = cached(&catalog);

    for n in 0..100 {
        let lookup = products.get(7).await.unwrap();
        let expected = if n == 0 { CacheStatus::Miss } else { CacheStatus::Hit };
        assert_eq!(lookup.status, expected, "read {n}");
        assert_eq!(lookup.node, (n == 0).then_some(Node::Primary));
        assert_eq!(lookup.product.as_ref(), Some(&catalog.product));
    }

    assert_eq!(
        catalog.queries(),
        1,
        "was the product put into the cache after the miss?"
    );
}

#[tokio::test]
async fn a_write_without_invalidation_is_not_seen_and_with_it_is() {
    let catalog = CountingCatalog::new();
    let (products, _) = cached(&catalog);
    products.get(7).await.unwrap();

    let new_price = GameChange {
        price_cents: Some(1),
        ..GameChange::default()
    };
    catalog.change(7, &new_price).await.unwrap();
    let naive = products.get(7).await.unwrap().product.unwrap();
    assert_ne!(
        naive.game.price_cents, 1,
        "nothing was invalidated, so the cache must still show the old price"
    );

    products.invalidate(7).await.unwrap();
    let fixed = products.get(7).await.unwrap().product.unwrap();
    assert_eq!(
        fixed.game.price_cents, 1,
        "stale after invalidation: do reader and writer use the same key?"
    );
}

#[tokio::test]
async fn a_bypass_neither_asks_nor_fills_the_cache() {
    let catalog = CountingCatalog::new();
    let (products, _) = cached(&catalog);

    assert_eq!(products.bypass(7).await.unwrap().status, CacheStatus::Bypass);
    assert_eq!(products.get(7).await.unwrap().status, CacheStatus::Miss);
    assert_eq!(products.bypass(7).await.unwrap().status, CacheStatus::Bypass);
    assert_eq!(catalog.queries(), 3);
}

#[tokio::test]
async fn an_unknown_game_is_not_cached() {
    let catalog = CountingCatalog::new();
    let (products, _) = cached(&catalog);

    for _ in 0..2 {
        let lookup = products.get(8).await.unwrap();
        assert_eq!((lookup.product, lookup.status), (None, CacheStatus::Miss));
    }
}

#[tokio::test]
async fn without_a_cache_the_product_still_comes() {
    let catalog = CountingCatalog::new();
    let products = ProductCache::new(Arc::new(NoCache), catalog.clone());

    let lookup = products.get(7).await.unwrap();

    assert_eq!(lookup.status, CacheStatus::Bypass);
    assert_eq!(lookup.product.as_ref(), Some(&catalog.product));
    assert!(
        products.invalidate(7).await.is_err(),
        "a writer has to know that nothing was invalidated"
    );
}

#[tokio::test]
async fn an_unreadable_entry_is_replaced() {
    let catalog = CountingCatalog::new();
    let (products, cache) = cached(&catalog);
    let garbage = Bytes::from_static(b"{\"from\":\"an older version\"}");
    cache.set("product:7", garbage, Duration::from_mins(1)).await.unwrap();

    assert_eq!(products.get(7).await.unwrap().status, CacheStatus::Miss);
    assert_eq!(products.get(7).await.unwrap().status, CacheStatus::Hit);
}

#[tokio::test]
async fn an_entry_ends_with_its_time_to_live() {
    let cache = MemoryCache::new(1 << 20);
    cache
        .set("gone", Bytes::from_static(b"x"), Duration::ZERO)
        .await
        .unwrap();
    cache
        .set("here", Bytes::from_static(b"x"), Duration::from_hours(1))
        .await
        .unwrap();
    assert_eq!(cache.get("gone").await.unwrap(), None);
    assert!(cache.get("here").await.unwrap().is_some());
}
