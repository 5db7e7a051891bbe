//! Several Memcached nodes: which of them holds what, and what is lost with one.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use ch03_cache::cache::COMMAND_TIMEOUT;
use ch03_cache::object_cache::PRODUCT_TTL;
use ch03_cache::{Cache, CacheError, CacheStatus, MemcachedCache, ProductCache, RedisCache};
use testbed::{Fault, FaultProxy, Server, Service};

use crate::games::games;
use crate::support::{DEADLINE, memcached_cache, soon, until};

#[tokio::test]
async fn every_key_lies_on_one_node_and_the_nodes_hold_about_the_same() {
    let nodes = testbed::memcached().await.unwrap();
    let cache = memcached_cache(&nodes).await;
    let mut alone = Vec::new();
    for node in nodes.nodes() {
        alone.push(
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
        for (position, node) in alone.iter().enumerate() {
            let is_here = node.get(&key).await.unwrap().is_some();
            let expected = position == cache.node_of(&key);
            assert_eq!(
                is_here, expected,
                "{key} on node {position}: every key has exactly one node"
            );
            held[position] += usize::from(is_here);
        }
    }

    // 200 each, with a standard deviation of 12.
    let even = held.iter().all(|keys| (120..=280).contains(keys));
    assert!(even, "600 keys lie on three nodes like this: {held:?}");
}

#[tokio::test]
async fn a_new_node_takes_its_share_and_leaves_the_other_keys_where_they_are() {
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
        "{moved} of {keys} keys moved to the new node, and a quarter should"
    );
    assert!(
        moved_by_modulo > keys * 2 / 3,
        "hash % n moved only {moved_by_modulo}, so this test has no teeth"
    );
}

#[tokio::test]
async fn a_dead_node_takes_its_own_keys_along_and_no_others() {
    let shared = testbed::memcached().await.unwrap();
    let mortal = Server::start(Service::Memcached).await.unwrap();
    let nodes = [shared.nodes()[0], shared.nodes()[1], mortal.address()];
    let cache = Arc::new(
        MemcachedCache::with_timeout(&nodes, shared.prefix(), DEADLINE)
            .await
            .unwrap(),
    );
    let products = ProductCache::new(cache.clone(), games(60));
    let is_on_mortal = |id: i64| cache.node_of(&format!("product:{id}")) == 2;
    for id in 1..=60 {
        products.get(id).await.unwrap();
    }

    mortal.kill().await.unwrap();
    // Twice: a key that had moved to another node would be found there the second time, and be old
    // when the node is back.
    for round in 1..=2 {
        for id in 1..=60 {
            let lookup = products.get(id).await.unwrap();
            let expected = if is_on_mortal(id) {
                CacheStatus::Bypass
            } else {
                CacheStatus::Hit
            };
            assert_eq!(lookup.status, expected, "game {id}, round {round}");
            assert_eq!(lookup.product.map(|product| product.game.id), Some(id));
        }
    }
    let (lost, kept): (Vec<i64>, Vec<i64>) = (1..=60).partition(|&id| is_on_mortal(id));
    assert!(
        !lost.is_empty() && !kept.is_empty(),
        "all keys are on one side, so this test shows nothing"
    );
    assert!(
        products.invalidate(lost[0]).await.is_err(),
        "a writer has to know that nothing was invalidated"
    );
    assert!(
        products.invalidate(kept[0]).await.is_ok(),
        "this key's node is alive"
    );

    mortal.start_again().await.unwrap();
    until("hits from the node that is back", async || {
        products.get(lost[0]).await.unwrap().status == CacheStatus::Hit
    })
    .await;
}

#[tokio::test]
async fn a_node_that_hangs_costs_a_few_callers_a_time_out_and_the_other_nodes_none() {
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
        let asked = Instant::now();
        let answer = soon("an answer", cache.get(key)).await;
        assert!(
            matches!(answer, Err(CacheError::Unavailable(_))),
            "{key}: {answer:?}"
        );
        readers_waited += u32::from(asked.elapsed() >= COMMAND_TIMEOUT);
    }
    for key in hung.iter().take(50) {
        let asked = Instant::now();
        let answer = soon("an answer", cache.set(key, Bytes::new(), PRODUCT_TTL)).await;
        answer.expect_err("who answered, if the node hangs?");
        fillers_waited += u32::from(asked.elapsed() >= COMMAND_TIMEOUT);
    }
    assert!(
        readers_waited > 0,
        "nobody waited, so the node did not hang and this test shows nothing"
    );
    let waited = readers_waited.max(fillers_waited);
    assert!(
        waited <= 10,
        "{waited} of 50 callers waited for a node that hangs: is it left out after a failure?"
    );
    until("the other node, which is well", async || {
        cache.get(&here[0]).await.is_ok()
    })
    .await;

    proxy.heal();
    until("the node that hung", async || {
        cache.get(&hung[0]).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn an_invalidation_is_tried_even_while_readers_are_turned_away() {
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

    // From now on readers are turned away for a second.
    proxy.heal();
    let deleted = cache.delete("x").await;
    assert!(
        deleted.is_ok(),
        "the node is back, and the old value was left on it: {deleted:?}"
    );
    let found = cache.get("x").await;
    assert!(
        found.is_ok(),
        "the node has just answered, and readers are still turned away: {found:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_a_cache_is_refused_when_it_is_opened() {
    let no_nodes: [&str; 0] = [];
    let refusals = [
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
    for (what, refusal) in refusals {
        let Some(CacheError::Misconfigured(message)) = refusal else {
            panic!("{what} was taken: {refusal:?}");
        };
        assert!(
            message.contains("expected") || message.contains("take") || message.contains("give"),
            "{message}"
        );
    }
}
