//! The contract on each of the three caches.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ch03_cache::contract::{check_cache, check_oversized_value};
use ch03_cache::{Cache, CacheError, MemcachedCache, MemoryCache, RedisCache};

use crate::support::{DEADLINE, memcached_cache, redis_cache};

const MIB: usize = 1 << 20;

#[tokio::test]
async fn memory_cache_keeps_the_contract() {
    let cache: Arc<dyn Cache> = Arc::new(MemoryCache::new(64 << 20));
    check_cache(cache.clone(), cache, Duration::from_millis(1)).await;
}

#[tokio::test]
#[should_panic(expected = "has each handle its own map")]
async fn separate_maps_break_the_contract() {
    let new_map = || Arc::new(MemoryCache::new(64 << 20));
    check_cache(new_map(), new_map(), Duration::from_millis(1)).await;
}

#[tokio::test]
async fn redis_keeps_the_contract() {
    let redis = testbed::redis().await.unwrap();
    let (one, other) = (redis_cache(&redis.url()), redis_cache(&redis.url()));
    check_cache(one, other, Duration::from_millis(1)).await;
}

#[tokio::test]
async fn three_memcached_nodes_keep_the_contract() {
    let nodes = testbed::memcached().await.unwrap();
    let (one, other) = (memcached_cache(&nodes).await, memcached_cache(&nodes).await);
    check_cache(one, other, Duration::from_secs(1)).await;
}

/// With one node, two keys with the same hash cannot be on different nodes.
#[tokio::test]
async fn one_memcached_node_keeps_the_contract() {
    let nodes = testbed::memcached().await.unwrap();
    let open = async || {
        let cache =
            MemcachedCache::with_timeout(&nodes.nodes()[..1], nodes.prefix(), DEADLINE).await;
        Arc::new(cache.unwrap())
    };
    check_cache(open().await, open().await, Duration::from_secs(1)).await;
}

#[tokio::test]
async fn two_prefixes_are_separate_caches() {
    let (redis, nodes) = (
        testbed::redis().await.unwrap(),
        testbed::memcached().await.unwrap(),
    );
    let in_redis = |prefix| RedisCache::with_timeout(&redis.url(), prefix, DEADLINE);
    assert_separate(&in_redis("a:").unwrap(), &in_redis("b:").unwrap()).await;
    let in_memcached = async |name| {
        let prefix = format!("{}{name}", nodes.prefix());
        MemcachedCache::with_timeout(nodes.nodes(), prefix, DEADLINE).await
    };
    assert_separate(
        &in_memcached("a:").await.unwrap(),
        &in_memcached("b:").await.unwrap(),
    )
    .await;
}

async fn assert_separate(one: &dyn Cache, other: &dyn Cache) {
    for key in ["short", "a key that is hashed"] {
        one.set(key, Bytes::from_static(b"x"), Duration::from_mins(1))
            .await
            .unwrap();
        let found = other.get(key).await.unwrap();
        assert_eq!(
            found, None,
            "the key {key:?} has a value under another prefix"
        );
    }
}

#[tokio::test]
async fn empty_key_works_without_prefix() {
    let nodes = testbed::memcached().await.unwrap();
    let cache = MemcachedCache::with_timeout(nodes.nodes(), "", DEADLINE)
        .await
        .unwrap();
    // Other tests may use the same key now, so this test does not read the value.
    let answer = cache
        .set("", Bytes::from_static(b"x"), Duration::from_secs(1))
        .await;
    assert!(
        answer.is_ok(),
        "Memcached rejects an empty key; it must get another name: {answer:?}"
    );
}

#[tokio::test]
async fn oversized_value_drops_old_value_in_memory() {
    check_oversized_value(&MemoryCache::new(MIB as u64), 2 * MIB).await;
}

#[tokio::test]
async fn oversized_value_drops_old_value_in_memcached() {
    let nodes = testbed::memcached().await.unwrap();
    let cache = memcached_cache(&nodes).await;
    check_oversized_value(&*cache, 2 * MIB).await;
    let rejection = cache
        .set(
            "huge",
            Bytes::from(vec![b'x'; 2 * MIB]),
            Duration::from_mins(1),
        )
        .await;
    assert!(
        matches!(rejection, Err(CacheError::Rejected(_))),
        "the node answered with an error, so expected Rejected, got {rejection:?}"
    );
}
