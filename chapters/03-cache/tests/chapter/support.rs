//! Helpers for waiting. A test polls for what it expects; [`DEADLINE`] only limits a failure.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ch03_cache::{Cache, MemcachedCache, RedisCache};

/// Much longer than any step takes, so that a busy machine fails no test.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Fails the test if the future takes longer than [`DEADLINE`].
pub async fn within_deadline<F: Future>(what: &str, future: F) -> F::Output {
    let Ok(output) = tokio::time::timeout(DEADLINE, future).await else {
        panic!("waited {DEADLINE:?} for {what}");
    };
    output
}

/// Polls until the condition is true.
pub async fn poll_until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < DEADLINE, "waited {DEADLINE:?} for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A cache in Redis with a long time-out, for tests that are not about time-outs.
pub fn redis_cache(url: &str) -> Arc<dyn Cache> {
    Arc::new(RedisCache::with_timeout(url, "ch03:", DEADLINE).unwrap())
}

/// The same on the shared Memcached nodes.
pub async fn memcached_cache(nodes: &testbed::Memcached) -> Arc<MemcachedCache> {
    let cache = MemcachedCache::with_timeout(nodes.nodes(), nodes.prefix(), DEADLINE).await;
    Arc::new(cache.unwrap())
}
