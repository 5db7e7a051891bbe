//! Three clones of the store: what goes wrong with a map in each, and how a shared cache fixes it.
//!
//! A clone is a [`ProductCache`] here. It shares only the database with the others, and the cache
//! if there is one.

use std::sync::Arc;

use ch02_database::Consistency;
use ch03_cache::{Cache, MemoryCache, ProductCache};

use crate::counting_catalog::QUERIES_PER_PRODUCT;
use crate::games::{CountingGames, price, set_price, seven_games};
use crate::support::{memcached_cache, redis_cache};

fn clones(catalog: &Arc<CountingGames>, cache: impl Fn() -> Arc<dyn Cache>) -> [ProductCache; 3] {
    [(); 3].map(|()| ProductCache::new(cache(), catalog.clone()))
}

fn map_in_process() -> Arc<dyn Cache> {
    Arc::new(MemoryCache::new(1 << 20))
}

/// Reads each of seven games ten times on each clone. Returns how often each game was read from the
/// database.
async fn reads_of_each_game(catalog: &CountingGames, clones: &[ProductCache]) -> usize {
    for _ in 0..10 {
        for clone in clones {
            for id in 1..=7 {
                clone.get(id, Consistency::Eventual).await.unwrap();
            }
        }
    }
    catalog.take_queries() / QUERIES_PER_PRODUCT / 7
}

#[tokio::test]
async fn shared_cache_reads_each_game_once() {
    let (redis, nodes) = (
        testbed::redis().await.unwrap(),
        testbed::memcached().await.unwrap(),
    );
    let memcached: Arc<dyn Cache> = memcached_cache(&nodes).await;
    let catalog = seven_games();

    let three_maps = reads_of_each_game(&catalog, &clones(&catalog, map_in_process)).await;
    let one_redis =
        reads_of_each_game(&catalog, &clones(&catalog, || redis_cache(&redis.url()))).await;
    let three_nodes = reads_of_each_game(&catalog, &clones(&catalog, || memcached.clone())).await;

    assert_eq!(
        three_maps, 3,
        "with a map in each clone, every clone must fill its own map"
    );
    assert_eq!(
        one_redis, 1,
        "with one Redis server, one read must be enough: do the clones use the same key?"
    );
    assert_eq!(
        three_nodes, 1,
        "with Memcached nodes, one read must be enough: do all clones use the same node for a key?"
    );
}

/// Caches game 7 on all clones, changes its price to one cent, and invalidates it on the first
/// clone. Returns the price on each clone.
async fn prices_after_a_change(cache: impl Fn() -> Arc<dyn Cache>) -> [i64; 3] {
    let catalog = seven_games();
    let clones = clones(&catalog, cache);
    for clone in &clones {
        price(clone).await;
    }
    set_price(&catalog, 1).await;
    clones[0].invalidate(7, None).await.unwrap();
    [
        price(&clones[0]).await,
        price(&clones[1]).await,
        price(&clones[2]).await,
    ]
}

#[tokio::test]
async fn invalidation_reaches_every_clone_of_shared_cache() {
    let (redis, nodes) = (
        testbed::redis().await.unwrap(),
        testbed::memcached().await.unwrap(),
    );
    let memcached: Arc<dyn Cache> = memcached_cache(&nodes).await;

    let three_maps = prices_after_a_change(map_in_process).await;
    let one_redis = prices_after_a_change(|| redis_cache(&redis.url())).await;
    let three_nodes = prices_after_a_change(|| memcached.clone()).await;

    assert_eq!(
        three_maps[0], 1,
        "the clone that invalidated must return the new price"
    );
    let stale = three_maps.iter().filter(|&&cents| cents != 1).count();
    assert_eq!(
        stale, 2,
        "with a map in each clone, the two others must be stale; else this test proves nothing"
    );
    assert_eq!(
        one_redis, [1; 3],
        "a clone still returns the old price from the shared Redis"
    );
    assert_eq!(
        three_nodes, [1; 3],
        "a clone still returns the old price from the shared Memcached nodes"
    );
}
