//! The whole path on real servers: a product through Redis from PostgreSQL.

use std::sync::Arc;

use ch02_database::PgCatalog;
use ch02_database::postgres;
use ch02_database::replication::RouterSettings;
use ch02_database::seed::{SeedRequest, seed_store};
use ch02_database::{Catalog, Consistency};
use ch03_cache::{CacheStatus, ProductCache};
use testbed::Fault;

use crate::counting_catalog::{CountingCatalog, QUERIES_PER_PRODUCT};
use crate::games::{price, set_price, seventh};
use crate::redis_proxy::RedisProxy;
use crate::support::redis_cache;

#[tokio::test]
async fn product_is_read_through_redis_from_postgresql() {
    let database = testbed::postgres().await.unwrap();
    let pool = postgres::connect(&database.url()).unwrap();
    let shards = [pool.clone()];
    postgres::migrate(&pool, &shards).await.unwrap();
    let seven = SeedRequest {
        games: Some(7),
        ..SeedRequest::default()
    };
    seed_store(&pool, &shards, seven, |_, _| ()).await.unwrap();
    let catalog = Arc::new(CountingCatalog::new(
        PgCatalog::open(pool, Vec::new(), RouterSettings::default()).await,
    ));
    let redis = RedisProxy::new().await;
    let products = ProductCache::new(redis_cache(&redis.url()), catalog.clone());

    for expected in [CacheStatus::Miss, CacheStatus::Hit, CacheStatus::Hit] {
        let lookup = products.get(7, Consistency::Eventual).await.unwrap();
        assert_eq!(lookup.status, expected);
        assert_eq!(
            lookup.product,
            Some(seventh()),
            "the product from Redis must equal the product from PostgreSQL"
        );
    }
    assert_eq!(catalog.take_queries(), QUERIES_PER_PRODUCT);

    set_price(&catalog, 1).await;
    products.invalidate(7, None).await.unwrap();
    assert_eq!(
        price(&products).await,
        1,
        "PostgreSQL has the new price, but the cache still returns the old one"
    );

    redis.proxy.inject(Fault::Refuse);
    let lookup = products.get(7, Consistency::Eventual).await.unwrap();
    assert_eq!(lookup.status, CacheStatus::Bypass);
    assert_eq!(
        lookup.product,
        catalog
            .product(7, Consistency::Eventual)
            .await
            .unwrap()
            .value
    );
}
