//! Redis fails in each of the ways in which a server can fail.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ch02_database::Consistency;
use ch03_cache::cache::COMMAND_TIMEOUT;
use ch03_cache::object_cache::PRODUCT_TTL;
use ch03_cache::{Cache, CacheError, CacheStatus, ProductCache, RedisCache};
use testbed::{Fault, Server, Service};

use crate::games::{price, set_price, seven_games, seventh};
use crate::redis_proxy::RedisProxy;
use crate::support::{poll_until, redis_cache, within_deadline};

async fn status(products: &ProductCache) -> CacheStatus {
    let lookup = within_deadline("a product", products.get(7, Consistency::Eventual))
        .await
        .unwrap();
    assert!(
        lookup.product.is_some(),
        "a product must come from the database without the cache"
    );
    lookup.status
}

async fn wait_for_hit(products: &ProductCache) {
    poll_until("a cache hit", async || {
        status(products).await == CacheStatus::Hit
    })
    .await;
}

#[tokio::test]
async fn killed_redis_leaves_reads_from_the_database() {
    let redis = Server::start(Service::Redis).await.unwrap();
    let cache = Arc::new(RedisCache::new(&redis.url(), "").unwrap());
    let products = ProductCache::new(cache, seven_games());
    wait_for_hit(&products).await;

    redis.kill().await.unwrap();
    for _ in 0..20 {
        let lookup = products.get(7, Consistency::Eventual).await.unwrap();
        assert_eq!(lookup.product.as_ref(), Some(&seventh()));
        assert_eq!(
            lookup.status,
            CacheStatus::Bypass,
            "Redis is dead, so the status must be Bypass"
        );
    }
    let reported = products.invalidate(7, None).await;
    assert!(
        reported.is_err(),
        "a failed invalidation must return an error to the writer"
    );

    redis.start_again().await.unwrap();
    wait_for_hit(&products).await;
}

#[tokio::test]
async fn hanging_redis_delays_only_a_few_callers() {
    let redis = RedisProxy::new().await;
    let cache = Arc::new(RedisCache::new(&redis.url(), "").unwrap());
    let products = ProductCache::new(cache.clone(), seven_games());
    wait_for_hit(&products).await;

    redis.proxy.inject(Fault::Blackhole);
    let (mut readers_waited, mut fillers_waited) = (0, 0);
    for _ in 0..50 {
        let start = Instant::now();
        assert_eq!(status(&products).await, CacheStatus::Bypass);
        readers_waited += u32::from(start.elapsed() >= COMMAND_TIMEOUT);
    }
    for _ in 0..50 {
        let start = Instant::now();
        let answer = within_deadline("an answer", cache.set("x", Bytes::new(), PRODUCT_TTL)).await;
        answer.expect_err("Redis hangs, so a set cannot succeed");
        fillers_waited += u32::from(start.elapsed() >= COMMAND_TIMEOUT);
    }

    assert!(
        readers_waited > 0,
        "no caller waited, so Redis did not hang and this test proves nothing"
    );
    let waited = readers_waited.max(fillers_waited);
    assert!(
        waited <= 10,
        "{waited} of 50 callers waited for the hanging Redis: does the circuit open after a failure?"
    );
    let reported = within_deadline("an answer for the writer", products.invalidate(7, None)).await;
    assert!(
        reported.is_err(),
        "a failed invalidation must return an error to the writer"
    );

    redis.proxy.heal();
    wait_for_hit(&products).await;
}

#[tokio::test]
async fn silent_connection_is_replaced() {
    let redis = RedisProxy::new().await;
    let (address, use_direct_route) = redis.switchable_address().await;
    let cache = RedisCache::new(&redis.url_through(address), "").unwrap();
    let products = ProductCache::new(Arc::new(cache), seven_games());
    wait_for_hit(&products).await;

    // The server's machine disappears silently; another one answers at the same address.
    redis.proxy.inject(Fault::Blackhole);
    use_direct_route.store(true, Ordering::SeqCst);
    assert_eq!(status(&products).await, CacheStatus::Bypass);

    wait_for_hit(&products).await;
}

#[tokio::test]
async fn cache_opens_before_redis_is_up() {
    let redis = RedisProxy::new().await;
    redis.proxy.inject(Fault::Refuse);

    let cache = RedisCache::new(&redis.url(), "").unwrap();
    let start = Instant::now();
    assert!(matches!(
        cache.get("x").await,
        Err(CacheError::Unavailable(_))
    ));
    assert!(
        start.elapsed() < 20 * COMMAND_TIMEOUT,
        "Redis refuses connections, but the reader waited: are there retries?"
    );

    redis.proxy.heal();
    poll_until("the connection", async || cache.get("x").await.is_ok()).await;
}

#[tokio::test]
async fn invalidation_ignores_the_open_circuit() {
    let redis = RedisProxy::new().await;
    redis.proxy.inject(Fault::Refuse);
    let cache = redis_cache(&redis.url());
    cache.get("x").await.expect_err("Redis cannot be reached");

    // The circuit is now open for a second.
    redis.proxy.heal();
    let deleted = cache.delete("x").await;
    assert!(
        deleted.is_ok(),
        "Redis is up again, so the delete must succeed: {deleted:?}"
    );
    let found = cache.get("x").await;
    assert!(
        found.is_ok(),
        "Redis has answered, so the circuit must be closed: {found:?}"
    );
}

/// The known limitation in `lib.rs`: the cache cannot prevent this.
#[tokio::test]
async fn failed_invalidation_stays_stale_until_ttl_ends() {
    let redis = RedisProxy::new().await;
    let catalog = seven_games();
    let products = ProductCache::new(redis_cache(&redis.url()), catalog.clone());
    let old = price(&products).await;

    redis.proxy.inject(Fault::Refuse);
    set_price(&catalog, 1).await;
    let reported = products.invalidate(7, None).await;
    assert!(
        reported.is_err(),
        "the invalidation failed, so the writer must get an error"
    );
    assert_eq!(
        price(&products).await,
        1,
        "while Redis is down, the price must come from the database"
    );

    redis.proxy.heal();
    wait_for_hit(&products).await;
    assert_eq!(
        price(&products).await,
        old,
        "the old price is gone; is the limitation in `lib.rs` fixed?"
    );
    let mut direct = redis::Client::open(redis.redis.url())
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    let left: i64 = redis::cmd("PTTL")
        .arg("ch03:product:7")
        .query_async(&mut direct)
        .await
        .unwrap();
    let bound = 1..=PRODUCT_TTL.as_millis() as i64;
    assert!(
        bound.contains(&left),
        "the stale entry must expire; its remaining TTL is {left} ms"
    );
}

#[tokio::test]
async fn full_redis_rejects_writes_but_answers_reads() {
    let redis = Server::builder(Service::Redis)
        .setting("maxmemory", "32mb")
        .start()
        .await
        .unwrap();
    let cache = redis_cache(&redis.url());
    let minute = Duration::from_mins(1);
    cache
        .set("read", Bytes::from_static(b"x"), minute)
        .await
        .unwrap();
    cache
        .set("grown", Bytes::from_static(b"old"), minute)
        .await
        .unwrap();

    let large = Bytes::from(vec![b'x'; 1 << 20]);
    let mut fits = Ok(());
    for number in 0..40 {
        fits = fits.and(
            cache
                .set(&format!("filler-{number}"), large.clone(), minute)
                .await,
        );
    }
    assert!(
        matches!(fits, Err(CacheError::Rejected(_))),
        "40 MiB do not fit in 32 MB, so a set must fail: does Redis evict? {fits:?}"
    );
    cache
        .set("grown", large, minute)
        .await
        .expect_err("the memory is full");

    assert_eq!(
        cache.get("grown").await.unwrap(),
        None,
        "the cache still returns the old value"
    );
    let read = cache.get("read").await.unwrap();
    assert!(
        read.is_some(),
        "a Redis without free memory must still answer reads"
    );
}
