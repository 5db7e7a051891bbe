//! Three clones of the store, each in a process of its own: what a map in each of them gets wrong,
//! and a shared cache right.
//!
//! Here a process is a [`ProductCache`] that shares nothing with the others but the database, and
//! the cache if there is one.

use std::sync::Arc;

use ch03_cache::{Cache, MemoryCache, ProductCache};

use crate::counting_catalog::QUERIES_PER_PRODUCT;
use crate::games::{CountingGames, price, set_price, seven_games};
use crate::support::{memcached_cache, redis_cache};

fn clones(catalog: &Arc<CountingGames>, cache: impl Fn() -> Arc<dyn Cache>) -> [ProductCache; 3] {
    [(); 3].map(|()| ProductCache::new(cache(), catalog.clone()))
}

fn a_map() -> Arc<dyn Cache> {
    Arc::new(MemoryCache::new(1 << 20))
}

/// Ten reads of each of seven games on each clone. How many times was each game read from the
/// database?
async fn reads_of_each_game(catalog: &CountingGames, clones: &[ProductCache]) -> usize {
    for _ in 0..10 {
        for clone in clones {
            for id in 1..=7 {
                clone.get(id).await.unwrap();
            }
        }
    }
    catalog.take_queries() / QUERIES_PER_PRODUCT / 7
}

#[tokio::test]
async fn three_maps_ask_the_database_three_times_and_a_shared_cache_once() {
    let (redis, nodes) = (
        testbed::redis().await.unwrap(),
        testbed::memcached().await.unwrap(),
    );
    let memcached: Arc<dyn Cache> = memcached_cache(&nodes).await;
    let catalog = seven_games();

    let three_maps = reads_of_each_game(&catalog, &clones(&catalog, a_map)).await;
    let one_redis =
        reads_of_each_game(&catalog, &clones(&catalog, || redis_cache(&redis.url()))).await;
    let three_nodes = reads_of_each_game(&catalog, &clones(&catalog, || memcached.clone())).await;

    assert_eq!(
        three_maps, 3,
        "a map in each clone: each has to fill its own"
    );
    assert_eq!(
        one_redis, 1,
        "with one Redis, do the clones use the same key?"
    );
    assert_eq!(
        three_nodes, 1,
        "with three Memcached nodes, does every clone ask the same node for a key?"
    );
}

/// All clones know the seventh game; one of them gives it a price of one cent and invalidates it.
/// What does each of them say it costs?
async fn prices_after_a_change(cache: impl Fn() -> Arc<dyn Cache>) -> [i64; 3] {
    let catalog = seven_games();
    let clones = clones(&catalog, cache);
    for clone in &clones {
        price(clone).await;
    }
    set_price(&catalog, 1).await;
    clones[0].invalidate(7).await.unwrap();
    [
        price(&clones[0]).await,
        price(&clones[1]).await,
        price(&clones[2]).await,
    ]
}

#[tokio::test]
async fn an_invalidation_reaches_one_of_three_maps_and_every_clone_of_a_shared_cache() {
    let (redis, nodes) = (
        testbed::redis().await.unwrap(),
        testbed::memcached().await.unwrap(),
    );
    let memcached: Arc<dyn Cache> = memcached_cache(&nodes).await;

    let three_maps = prices_after_a_change(a_map).await;
    let one_redis = prices_after_a_change(|| redis_cache(&redis.url())).await;
    let three_nodes = prices_after_a_change(|| memcached.clone()).await;

    assert_eq!(
        three_maps[0], 1,
        "the clone that invalidated must see the new price"
    );
    let stale = three_maps.iter().filter(|&&cents| cents != 1).count();
    assert_eq!(
        stale, 2,
        "with a map in each clone the others cannot know; if they do, this test has no teeth"
    );
    assert_eq!(
        one_redis, [1; 3],
        "a clone still shows the old price from the shared Redis"
    );
    assert_eq!(
        three_nodes, [1; 3],
        "a clone still shows the old price from the shared Memcached nodes"
    );
}
