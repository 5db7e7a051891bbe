//! Patience for the tests. Nothing here sleeps for a fixed time: a test waits for what it expects,
//! and [`DEADLINE`] is only how long it believes.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ch03_cache::{Cache, MemcachedCache, RedisCache};

/// Far more than anything here takes, so that a busy machine fails no test.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Waits for something that must happen.
pub async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    let Ok(output) = tokio::time::timeout(DEADLINE, future).await else {
        panic!("waited {DEADLINE:?} for {what}");
    };
    output
}

/// Asks again and again until the answer is yes.
pub async fn until(what: &str, mut ask: impl AsyncFnMut() -> bool) {
    let begin = Instant::now();
    while !ask().await {
        assert!(begin.elapsed() < DEADLINE, "waited {DEADLINE:?} for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A handle that waits as long as it takes, for tests that are not about time-outs: this machine
/// may be busy.
pub fn redis_cache(url: &str) -> Arc<dyn Cache> {
    Arc::new(RedisCache::with_timeout(url, "ch03:", DEADLINE).unwrap())
}

/// The same for the shared Memcached nodes.
pub async fn memcached_cache(nodes: &testbed::Memcached) -> Arc<MemcachedCache> {
    let cache = MemcachedCache::with_timeout(nodes.nodes(), nodes.prefix(), DEADLINE).await;
    Arc::new(cache.unwrap())
}
