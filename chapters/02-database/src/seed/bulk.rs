//! Fills a seeded store with many more reviews and orders, by `COPY`.
//!
//! All shards are filled at the same time. Rows are generated, sent and forgotten in blocks, so the
//! memory does not grow with the number of rows. The rows depend only on their number, so every run
//! gives the same store.

use futures_util::future::try_join_all;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Connection, Error, Executor};

use super::copy::Rows;
use super::generator::Generator;
use super::parameters::SeedParameters;
use crate::catalog::denormalised::rebuild_counters;
use crate::model::{GameId, StoreError};
use crate::postgres::dedicated_connection;
use crate::sharding::{
    Bucket, ShardId, ShardMap, bucket_of_customer, load_map, next_sequence, order_id, time_of_order,
};

/// The number of rows in one `COPY`: about a megabyte.
const ROWS_PER_COPY: u64 = 10_000;

/// The time between two orders. A million orders fill the months before the workshop's release.
const MILLISECONDS_PER_ORDER: i64 = 25_000;

/// How much data a store gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkSizes {
    /// The number of reviews, with those of the seeded games.
    pub reviews: u64,
    /// The number of orders beside the sample orders.
    pub orders: u64,
}

/// Adds reviews and orders to a seeded store. `progress` gets the number of new rows. Does nothing
/// to a database that already has them.
///
/// The customers' activity does not contain the new rows: it would be a million rows and one more
/// for each friend. [`rebuild`](crate::catalog::denormalised::rebuild) adds them.
pub async fn populate(
    primary: &PgPool,
    shards: &[PgPool],
    parameters: SeedParameters,
    sizes: BulkSizes,
    progress: impl Fn(u64) + Sync,
) -> Result<(), StoreError> {
    let map = load_map(primary).await?.ok_or_else(|| {
        StoreError::Corrupt("the store has no shard map; seed it before".to_owned())
    })?;
    let source = Source::new(parameters);
    add_reviews(primary, &source, sizes.reviews, &progress).await?;
    let filled = shards
        .iter()
        .enumerate()
        .map(|(shard, pool)| add_orders(pool, &source, &map, shard, sizes.orders, &progress));
    try_join_all(filled).await?;
    Ok(())
}

/// What the rows are made of.
struct Source {
    customers: Vec<(String, Bucket)>,
    prices: Vec<i64>,
}

impl Source {
    fn new(parameters: SeedParameters) -> Self {
        let generator = Generator::new(parameters.seed);
        let customers = generator.customers().iter();
        let games = 1..=GameId::from(parameters.games);
        Source {
            customers: customers
                .map(|name| (name.clone(), bucket_of_customer(name)))
                .collect(),
            prices: games
                .map(|id| generator.product(id).game.price_cents)
                .collect(),
        }
    }

    fn customer(&self, number: u64) -> &(String, Bucket) {
        &self.customers[(scramble(number) % self.customers.len() as u64) as usize]
    }

    fn game(&self, number: u64) -> (GameId, i64) {
        let index = scramble(number.rotate_left(32)) % self.prices.len() as u64;
        (index as GameId + 1, self.prices[index as usize])
    }
}

async fn add_orders(
    pool: &PgPool,
    source: &Source,
    map: &ShardMap,
    shard: ShardId,
    orders: u64,
    progress: &(impl Fn(u64) + Sync),
) -> Result<(), Error> {
    let mut db = dedicated_connection(pool).await?;
    db.execute("BEGIN").await?;
    let exists = "SELECT EXISTS (SELECT FROM orders WHERE idempotency_key LIKE 'populate-%')";
    if sqlx::query_scalar(exists).fetch_one(&mut db).await? {
        return Ok(());
    }
    let (mut rows, mut in_rows) = (Rows::default(), 0);
    for number in 0..orders {
        let (customer, bucket) = source.customer(number);
        if map.owner(*bucket) != shard {
            continue;
        }
        add_order(&mut rows, source, number, customer, *bucket);
        in_rows += 1;
        if in_rows == ROWS_PER_COPY {
            copy_orders(&mut db, std::mem::take(&mut rows)).await?;
            progress(std::mem::take(&mut in_rows));
        }
    }
    copy_orders(&mut db, rows).await?;
    // The next order of a bucket comes after all of these, whatever the server's clock says.
    db.execute(
        "UPDATE buckets SET next = greatest(next, last + 1) FROM \
         (SELECT bucket, max(id) / 256 AS last FROM orders GROUP BY bucket) AS newest \
         WHERE buckets.bucket = newest.bucket",
    )
    .await?;
    db.execute("COMMIT; ANALYZE orders").await?;
    progress(in_rows);
    db.close().await
}

fn add_order(rows: &mut Rows, source: &Source, number: u64, customer: &str, bucket: Bucket) {
    let milliseconds = (number as i64 + 1) * MILLISECONDS_PER_ORDER;
    let first = time_of_order(0).expect("the first id has a time");
    let time = first + chrono::TimeDelta::milliseconds(milliseconds);
    let (game, price) = source.game(number);
    let quantity = 1 + (scramble(number) >> 32) as i64 % 3;
    rows.column(order_id(next_sequence(0, time), bucket))
        .column(customer)
        .column(game)
        .column(quantity)
        .column(price * quantity)
        .column(time.to_rfc3339())
        .column(format_args!("populate-{number}"));
    rows.end_row();
}

async fn copy_orders(db: &mut PgConnection, rows: Rows) -> Result<(), Error> {
    let into = "orders (id, customer, game_id, quantity, total_cents, created_at, idempotency_key)";
    rows.copy(db, into).await
}

/// Adds reviews in turn to all games, and updates the denormalised numbers in the same transaction.
async fn add_reviews(
    pool: &PgPool,
    source: &Source,
    reviews: u64,
    progress: &(impl Fn(u64) + Sync),
) -> Result<(), Error> {
    let mut db = dedicated_connection(pool).await?;
    db.execute("BEGIN").await?;
    let existing: i64 = sqlx::query_scalar("SELECT count(*) FROM reviews")
        .fetch_one(&mut db)
        .await?;
    let highest: i64 = sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM reviews")
        .fetch_one(&mut db)
        .await?;
    let games = source.prices.len() as u64;
    let mut added = vec![(0_i64, 0_i64); source.prices.len()];
    let (mut rows, mut in_rows) = (Rows::default(), 0);
    for number in 0..reviews.saturating_sub(existing as u64) {
        let game = number % games;
        let stars = 1 + (scramble(number) % 5) as i64;
        let (count, sum) = &mut added[game as usize];
        (*count, *sum) = (*count + 1, *sum + stars);
        rows.column(highest + 1 + number as i64)
            .column(game + 1)
            .column(&source.customer(number).0)
            .column(stars)
            .column(format_args!(
                "I played it for {} hours.",
                scramble(number) % 200
            ))
            .column("2026-01-01T00:00:00Z");
        rows.end_row();
        in_rows += 1;
        if in_rows == ROWS_PER_COPY {
            copy_reviews(&mut db, std::mem::take(&mut rows)).await?;
            progress(std::mem::take(&mut in_rows));
        }
    }
    copy_reviews(&mut db, rows).await?;
    progress(in_rows);
    let (counts, stars): (Vec<i64>, Vec<i64>) = added.into_iter().unzip();
    sqlx::query(
        "UPDATE games SET review_count = review_count + added.count, \
         review_stars = review_stars + added.stars \
         FROM unnest($1, $2) WITH ORDINALITY AS added (count, stars, id) \
         WHERE games.id = added.id AND added.count > 0",
    )
    .bind(counts)
    .bind(stars)
    .execute(&mut db)
    .await?;
    rebuild_counters(&mut db).await?;
    db.execute(
        "SELECT setval(pg_get_serial_sequence('reviews', 'id'), \
         (SELECT coalesce(max(id), 0) + 1 FROM reviews), false); \
         COMMIT; ANALYZE games, reviews",
    )
    .await?;
    db.close().await
}

async fn copy_reviews(db: &mut PgConnection, rows: Rows) -> Result<(), Error> {
    let into = "reviews (id, game_id, customer, stars, text, created_at)";
    rows.copy(db, into).await
}

/// A number that looks random and depends only on its argument: `SplitMix64`
/// (<https://prng.di.unimi.it/splitmix64.c>). Much cheaper than a random stream per row.
fn scramble(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
