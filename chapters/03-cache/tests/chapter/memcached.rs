//! Several Memcached nodes: which node holds which key, and what a failed node costs.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use ch02_database::Consistency;
use ch03_cache::cache::COMMAND_TIMEOUT;
use ch03_cache::object_cache::PRODUCT_TTL;
use ch03_cache::{Cache, CacheError, CacheStatus, MemcachedCache, ProductCache, RedisCache};
use testbed::{Fault, FaultProxy, Server, Service};

use crate::games::games;
use crate::support::{DEADLINE, memcached_cache, poll_until, within_deadline};

#[tokio::test]
async fn keys_are_evenly_distributed_over_nodes() {
    let nodes = testbed::memcached().await.unwrap();
    let cache = memcached_cache(&nodes).await;
    let mut single_nodes = Vec::new();
    for node in nodes.nodes() {
        single_nodes.push(
            MemcachedCache::with_timeout(&[node], nodes.prefix(), DEADLINE)
                .await
                .unwrap(),
        );
    }

    let mut held = [0; 3];
    for number in 0..600 {
        let key = format!("product:{number}");
        cache
            .set(&key, Bytes::from_static(b"x"), PRODUCT_TTL)
            .await
            .unwrap();
        for (position, node) in single_nodes.iter().enumerate() {
            let is_here = node.get(&key).await.unwrap().is_some();
            let expected = position == cache.node_of(&key);
            assert_eq!(
                is_here, expected,
                "{key} on node {position}: every key must be on exactly one node"
            );
            held[position] += usize::from(is_here);
        }
    }

    // 200 each, with a standard deviation of 12.
    let is_even = held.iter().all(|keys| (120..=280).contains(keys));
    assert!(
        is_even,
        "600 keys are unevenly distributed over three nodes: {held:?}"
    );
}

#[tokio::test]
async fn new_node_moves_only_its_own_keys() {
    let three = ["10.0.0.1:11211", "10.0.0.2:11211", "10.0.0.3:11211"];
    // Another clone may be given the same nodes in another order.
    let four = [
        "10.0.0.4:11211",
        "10.0.0.3:11211",
        "10.0.0.2:11211",
        "10.0.0.1:11211",
    ];
    let before = MemcachedCache::new(&three, "").await.unwrap();
    let after = MemcachedCache::new(&four, "").await.unwrap();
    let keys = 4_000;

    let (mut moved, mut moved_to_old, mut moved_by_modulo) = (0, 0, 0);
    for number in 0..keys {
        let key = format!("product:{number}");
        let (old, new) = (three[before.node_of(&key)], four[after.node_of(&key)]);
        moved += u32::from(old != new);
        moved_to_old += u32::from(old != new && new != four[0]);
        let hash = common::hash::fnv1a(key.as_bytes());
        moved_by_modulo += u32::from(hash % 3 != hash % 4);
    }

    assert_eq!(
        moved_to_old, 0,
        "keys moved between nodes that were there before"
    );
    // A quarter, with a standard deviation of 27.
    assert!(
        (850..=1_150).contains(&moved),
        "{moved} of {keys} keys moved to the new node; expected about a quarter"
    );
    assert!(
        moved_by_modulo > keys * 2 / 3,
        "hash % n moved only {moved_by_modulo} keys, so this test proves nothing"
    );
}

#[tokio::test]
async fn dead_node_loses_only_its_own_keys() {
    let shared = testbed::memcached().await.unwrap();
    let killable = Server::start(Service::Memcached).await.unwrap();
    let nodes = [shared.nodes()[0], shared.nodes()[1], killable.address()];
    let cache = Arc::new(
        MemcachedCache::with_timeout(&nodes, shared.prefix(), DEADLINE)
            .await
            .unwrap(),
    );
    let products = ProductCache::new(cache.clone(), games(60));
    let is_on_killable = |id: i64| cache.node_of(&format!("product:{id}")) == 2;
    for id in 1..=60 {
        products.get(id, Consistency::Eventual).await.unwrap();
    }

    killable.kill().await.unwrap();
    // The second round would find a key that had moved to another node.
    for round in 1..=2 {
        for id in 1..=60 {
            let lookup = products.get(id, Consistency::Eventual).await.unwrap();
            let expected = if is_on_killable(id) {
                CacheStatus::Bypass
            } else {
                CacheStatus::Hit
            };
            assert_eq!(lookup.status, expected, "game {id}, round {round}");
            assert_eq!(lookup.product.map(|product| product.game.id), Some(id));
        }
    }
    let (lost, kept): (Vec<i64>, Vec<i64>) = (1..=60).partition(|&id| is_on_killable(id));
    assert!(
        !lost.is_empty() && !kept.is_empty(),
        "all keys are on one side, so this test proves nothing"
    );
    assert!(
        products.invalidate(lost[0], None).await.is_err(),
        "a failed invalidation must return an error to the writer"
    );
    assert!(
        products.invalidate(kept[0], None).await.is_ok(),
        "the node of this key is up, so the invalidation must succeed"
    );

    killable.start_again().await.unwrap();
    poll_until("hits from the restarted node", async || {
        products
            .get(lost[0], Consistency::Eventual)
            .await
            .unwrap()
            .status
            == CacheStatus::Hit
    })
    .await;
}

#[tokio::test]
async fn hanging_node_delays_only_a_few_callers() {
    let shared = testbed::memcached().await.unwrap();
    let proxy = FaultProxy::before(shared.nodes()[1]).await.unwrap();
    let nodes = [shared.nodes()[0], proxy.address()];
    let cache = MemcachedCache::new(&nodes, shared.prefix()).await.unwrap();
    let (here, hung): (Vec<String>, Vec<String>) = (0..200)
        .map(|number| format!("key-{number}"))
        .partition(|key| cache.node_of(key) == 0);

    proxy.inject(Fault::Blackhole);
    let (mut readers_waited, mut fillers_waited) = (0, 0);
    for key in hung.iter().take(50) {
        let start = Instant::now();
        let answer = within_deadline("an answer", cache.get(key)).await;
        assert!(
            matches!(answer, Err(CacheError::Unavailable(_))),
            "{key}: {answer:?}"
        );
        readers_waited += u32::from(start.elapsed() >= COMMAND_TIMEOUT);
    }
    for key in hung.iter().take(50) {
        let start = Instant::now();
        let answer = within_deadline("an answer", cache.set(key, Bytes::new(), PRODUCT_TTL)).await;
        answer.expect_err("the node hangs, so a set cannot succeed");
        fillers_waited += u32::from(start.elapsed() >= COMMAND_TIMEOUT);
    }
    assert!(
        readers_waited > 0,
        "no caller waited, so the node did not hang and this test proves nothing"
    );
    let waited = readers_waited.max(fillers_waited);
    assert!(
        waited <= 10,
        "{waited} of 50 callers waited for the hanging node: does the circuit open after a failure?"
    );
    poll_until("an answer from the healthy node", async || {
        cache.get(&here[0]).await.is_ok()
    })
    .await;

    proxy.heal();
    poll_until("an answer from the node that hung", async || {
        cache.get(&hung[0]).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn invalidation_ignores_the_open_circuit() {
    let shared = testbed::memcached().await.unwrap();
    let proxy = FaultProxy::before(shared.nodes()[0]).await.unwrap();
    proxy.inject(Fault::Refuse);
    let cache = MemcachedCache::with_timeout(&[proxy.address()], shared.prefix(), DEADLINE)
        .await
        .unwrap();
    cache
        .get("x")
        .await
        .expect_err("the node cannot be reached");

    // The circuit is now open for a second.
    proxy.heal();
    let deleted = cache.delete("x").await;
    assert!(
        deleted.is_ok(),
        "the node is up again, so the delete must succeed: {deleted:?}"
    );
    let found = cache.get("x").await;
    assert!(
        found.is_ok(),
        "the node has answered, so the circuit must be closed: {found:?}"
    );
}

#[tokio::test]
async fn invalid_configuration_is_rejected() {
    let no_nodes: [&str; 0] = [];
    let rejections = [
        (
            "a prefix with a space",
            MemcachedCache::new(&["127.0.0.1:11211"], "game store:")
                .await
                .err(),
        ),
        ("no node", MemcachedCache::new(&no_nodes, "").await.err()),
        (
            "a node without a port",
            MemcachedCache::new(&["127.0.0.1"], "").await.err(),
        ),
        (
            "another protocol",
            RedisCache::new("http://127.0.0.1:6379", "").err(),
        ),
    ];
    for (configuration, rejection) in rejections {
        let Some(CacheError::Misconfigured(message)) = rejection else {
            panic!("{configuration} was accepted or got another error: {rejection:?}");
        };
        assert!(message.contains("expected"), "{message}");
    }
}
