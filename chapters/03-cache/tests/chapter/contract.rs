//! The contract of a cache, against each of the three.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ch03_cache::contract::{check_cache, check_oversized_value};
use ch03_cache::{Cache, CacheError, MemcachedCache, MemoryCache, RedisCache};

use crate::support::{DEADLINE, memcached_cache, redis_cache};

const MIB: usize = 1 << 20;

#[tokio::test]
async fn a_map_in_memory_keeps_the_contract() {
    let cache: Arc<dyn Cache> = Arc::new(MemoryCache::new(64 << 20));
    check_cache(cache.clone(), cache, Duration::from_millis(1)).await;
}

#[tokio::test]
#[should_panic(expected = "has each a map of its own")]
async fn a_map_in_each_process_does_not() {
    let a_map = || Arc::new(MemoryCache::new(64 << 20));
    check_cache(a_map(), a_map(), Duration::from_millis(1)).await;
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

/// Here two keys cannot keep out of each other's way by lying on two nodes.
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
async fn two_prefixes_are_two_caches() {
    let (redis, nodes) = (
        testbed::redis().await.unwrap(),
        testbed::memcached().await.unwrap(),
    );
    let in_redis = |prefix| RedisCache::with_timeout(&redis.url(), prefix, DEADLINE);
    do_not_meet(&in_redis("a:").unwrap(), &in_redis("b:").unwrap()).await;
    let in_memcached = async |name| {
        let prefix = format!("{}{name}", nodes.prefix());
        MemcachedCache::with_timeout(nodes.nodes(), prefix, DEADLINE).await
    };
    do_not_meet(
        &in_memcached("a:").await.unwrap(),
        &in_memcached("b:").await.unwrap(),
    )
    .await;
}

async fn do_not_meet(one: &dyn Cache, other: &dyn Cache) {
    for key in ["short", "a key that is hashed"] {
        one.set(key, Bytes::from_static(b"x"), Duration::from_mins(1))
            .await
            .unwrap();
        let found = other.get(key).await.unwrap();
        assert_eq!(found, None, "{key:?} is seen under another prefix");
    }
}

#[tokio::test]
async fn without_a_prefix_even_the_empty_key_is_a_key() {
    let nodes = testbed::memcached().await.unwrap();
    let cache = MemcachedCache::with_timeout(nodes.nodes(), "", DEADLINE)
        .await
        .unwrap();
    // Other tests could use the same name at the same time, so what is found there later says
    // nothing.
    let answer = cache
        .set("", Bytes::from_static(b"x"), Duration::from_secs(1))
        .await;
    assert!(
        answer.is_ok(),
        "Memcached knows no empty key, so it has to be called something else: {answer:?}"
    );
}

#[tokio::test]
async fn what_is_too_large_for_the_map_leaves_no_old_value_behind() {
    check_oversized_value(&MemoryCache::new(MIB as u64), 2 * MIB).await;
}

#[tokio::test]
async fn what_is_too_large_for_memcached_leaves_no_old_value_behind() {
    let nodes = testbed::memcached().await.unwrap();
    let cache = memcached_cache(&nodes).await;
    check_oversized_value(&*cache, 2 * MIB).await;
    let refusal = cache
        .set(
            "huge",
            Bytes::from(vec![b'x'; 2 * MIB]),
            Duration::from_mins(1),
        )
        .await;
    assert!(
        matches!(refusal, Err(CacheError::Rejected(_))),
        "the node is there and said no: {refusal:?}"
    );
}
