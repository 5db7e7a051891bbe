//! `cargo run -p ch03-cache`: a thousand reads of ten products, without a cache and with one, and a price that changes.
//!
//! What counts is how many queries reach the database. At this stage the database is a stand-in that counts them, and the cache is a
//! map in this process; real servers take their places later, and the counts stay the same.

mod counting;

use std::sync::Arc;

use ch02_database::Catalog;
use ch02_database::catalog::GameChange;
use ch03_cache::{MemoryCache, ProductCache};
use counting::CountingCatalog;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let catalog = Arc::new(CountingCatalog::new(10));
    let products = ProductCache::new(Arc::new(MemoryCache::new(1 << 20)), catalog.clone());

    for n in 0..1_000 {
        products.bypass(n % 10 + 1).await?;
    }
    println!("1,000 reads without the cache: {:>5} queries", catalog.take_queries());
    for n in 0..1_000 {
        products.get(n % 10 + 1).await?;
    }
    println!("1,000 reads with the cache:    {:>5} queries", catalog.take_queries());

    let price = async || -> anyhow::Result<i64> {
        let product = products.get(7).await?.product;
        Ok(product.map(|product| product.game.price_cents).unwrap_or_default())
    };
    println!("\ngame 7 costs                       {} cents", price().await?);
    let new_price = GameChange {
        price_cents: Some(1_999),
        ..GameChange::default()
    };
    catalog.change(7, &new_price).await?;
    println!(
        "changed to 1999, not invalidated:  {} cents: the cache shows the past",
        price().await?
    );
    products.invalidate(7).await?;
    println!("invalidated:                       {} cents", price().await?);
    Ok(())
}
