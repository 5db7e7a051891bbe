//! Rules 5 and 7: Redis is down, or has other data.

use testbed::{Fault, FaultProxy};

use super::Prices;
use super::support::{GAME, NEW, OLD, Store};

// Rule 5.
#[tokio::test]
async fn redis_outage_causes_no_error() {
    let store = Store::open().await;
    let proxy = FaultProxy::before(store.redis.address()).await.unwrap();
    let url = store.redis.url_through(proxy.address());
    let prices = Prices::new(store.database.clone(), &url).unwrap();
    assert_eq!(
        prices.price(GAME).await.unwrap(),
        Some(OLD),
        "Redis is up, and no price has changed"
    );

    proxy.inject(Fault::Refuse);

    let price = prices.price(GAME).await;
    assert!(
        matches!(price, Ok(Some(OLD))),
        "only Redis is down, so `price` should return {OLD}, but it returned {price:?}: what \
         happens after an error of Redis?"
    );
    let change = prices.set_price(GAME, NEW).await;
    assert!(
        change.is_ok(),
        "only Redis is down, so `set_price` should work, but it returned {change:?}: what \
         happens after an error of Redis?"
    );
    let price = prices.price(GAME).await;
    assert!(
        matches!(price, Ok(Some(NEW))),
        "the database has the new price, but `price` returned {price:?}"
    );
}

// Rule 5.
#[tokio::test]
async fn unreadable_value_is_a_miss() {
    let store = Store::open().await;
    store.one.price(GAME).await.unwrap();
    for key in store.keys().await {
        let spoil = redis::cmd("SET")
            .arg(key)
            .arg("no price")
            .arg("KEEPTTL")
            .to_owned();
        store.redis::<()>(&spoil).await;
    }
    let before = store.queries();
    for _ in 0..2 {
        let price = store.one.price(GAME).await;
        assert!(
            matches!(price, Ok(Some(OLD))),
            "the cached value is not a price, so `price` should ask the database for {OLD}, but it \
             returned {price:?}: does it trust the cache?"
        );
    }
    let queries = store.queries() - before;
    assert_eq!(
        queries, 1,
        "two reads after an unreadable value made {queries} queries instead of 1: does a miss replace \
         the value?"
    );
}

// Rule 7.
#[tokio::test]
async fn other_data_in_redis_stays() {
    let store = Store::open().await;
    let name = GAME.to_string();
    let put = redis::cmd("SET").arg(&name).arg(12345).to_owned();
    store.redis::<()>(&put).await;

    let price = store.one.price(GAME).await.unwrap();
    assert_eq!(
        price,
        Some(OLD),
        "another program stored a number under {name:?}, and `price` took it for a price: does it use \
         `key`?"
    );
    store.one.set_price(GAME, NEW).await.unwrap();

    let other: Option<u64> = store.redis(redis::cmd("GET").arg(&name)).await;
    assert_eq!(
        other,
        Some(12345),
        "`set_price` deleted {name:?}, which belongs to another program: does it use `key`?"
    );
}
