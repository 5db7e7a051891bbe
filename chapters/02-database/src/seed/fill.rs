//! Fills empty databases with the generator's data: games, reviews and sample orders here, the rest
//! in `social.rs`.
//!
//! No transaction spans several databases, so the order of the steps makes the seeding "all or
//! nothing". The shards come first; filling a shard twice does no harm. The catalogue comes last,
//! in one transaction that also writes the rows of the table `meta`. A catalogue with these rows is
//! complete. After a seeding that was killed, the next start begins again. When several processes
//! start at the same time, an advisory lock in the catalogue's database lets one of them fill the
//! store.

use common::hash::fnv1a;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Connection, Error, Executor, Row};

use super::citus::{check_coordinator, fill_coordinator};
use super::copy::Rows;
use super::error::SeedError;
use super::generator::{Generator, SAMPLE_ORDERS};
use super::parameters::{SeedParameters, SeedRequest, check_seed_parameters};
use super::sample_orders::{FIRST_SEQUENCE, add_order};
use super::social::fill_social_and_news;
use crate::catalog::ensure_title_index;
use crate::model::{GameId, Product};
use crate::postgres::dedicated_connection;
use crate::sharding::{
    Epoch, FIRST_EPOCH, ShardId, ShardMap, bucket_of_order, insert_map, load_map,
};

/// The number of games in one `COPY`: a few hundred kilobytes.
const GAMES_PER_COPY: GameId = 1_000;

/// Fills the databases if they are empty. Otherwise checks that they hold what the process asks
/// for. Call [`migrate`](crate::postgres::migrate) first. `progress` gets the number of games
/// written so far and their total. The length of `shards` replaces [`SeedRequest::shards`].
pub async fn seed_store(
    primary: &PgPool,
    shards: &[PgPool],
    request: SeedRequest,
    progress: impl Fn(u64, u64) + Send + Sync,
) -> Result<SeedParameters, SeedError> {
    seed(primary, OrderDatabases::Shards(shards), request, progress).await
}

/// Like [`seed_store`], with the orders on a Citus coordinator. Call
/// [`migrate`](crate::postgres::migrate) for the catalogue and
/// [`migrate_citus`](crate::postgres::migrate_citus) first.
pub async fn seed_store_on_citus(
    primary: &PgPool,
    coordinator: &PgPool,
    request: SeedRequest,
    progress: impl Fn(u64, u64) + Send + Sync,
) -> Result<SeedParameters, SeedError> {
    let orders = OrderDatabases::Citus(coordinator);
    seed(primary, orders, request, progress).await
}

/// Where a store has its orders.
#[derive(Clone, Copy)]
enum OrderDatabases<'p> {
    /// In these databases, in the order of the shards.
    Shards(&'p [PgPool]),
    /// On one Citus coordinator. The table `meta` says "0 shards" then.
    Citus(&'p PgPool),
}

impl<'p> OrderDatabases<'p> {
    fn pools(self) -> &'p [PgPool] {
        match self {
            OrderDatabases::Shards(shards) => shards,
            OrderDatabases::Citus(coordinator) => std::slice::from_ref(coordinator),
        }
    }

    /// The number of shards in the table `meta`.
    fn shards(self) -> usize {
        match self {
            OrderDatabases::Shards(shards) => shards.len(),
            OrderDatabases::Citus(_) => 0,
        }
    }

    /// Fails if the store was filled for the other kind.
    fn check_kind(self, stored: SeedParameters) -> Result<(), SeedError> {
        let name = |shards| if shards == 0 { "on Citus" } else { "on shards" };
        let (filled, given) = (name(stored.shards), name(self.shards()));
        if filled == given {
            Ok(())
        } else {
            Err(SeedError::OtherEngine { filled, given })
        }
    }
}

/// Fills or checks the catalogue and the databases of the orders.
async fn seed(
    primary: &PgPool,
    orders: OrderDatabases<'_>,
    request: SeedRequest,
    progress: impl Fn(u64, u64) + Send + Sync,
) -> Result<SeedParameters, SeedError> {
    let request = SeedRequest {
        shards: Some(orders.shards()),
        ..request
    };
    // Dropping this future drops the connection. The server then rolls back and releases the lock.
    let mut catalog = dedicated_connection(primary).await?;
    catalog.execute("BEGIN").await?;
    let lock = fnv1a(b"filling the game store") as i64;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(lock)
        .execute(&mut catalog)
        .await?;
    let parameters = if let Some(stored) = read_parameters(&mut catalog).await? {
        orders.check_kind(stored)?;
        check_filled(&mut catalog, orders, stored, request).await?
    } else {
        let parameters = SeedParameters::for_new_store(request);
        check_no_orders(orders.pools()).await?;
        fill_new(&mut catalog, orders, parameters, progress).await?;
        parameters
    };
    fill_social_and_news(&mut catalog, orders.pools(), parameters).await?;
    catalog.execute("COMMIT").await?;
    let _ = catalog.close().await;
    // After the commit, because the index needs the lock of the table for itself.
    ensure_title_index(primary).await?;
    Ok(parameters)
}

/// Checks a store that was filled. More addresses than before are new shards.
async fn check_filled(
    catalog: &mut PgConnection,
    orders: OrderDatabases<'_>,
    stored: SeedParameters,
    request: SeedRequest,
) -> Result<SeedParameters, SeedError> {
    let parameters = add_shards(catalog, stored, orders.shards()).await?;
    check_seed_parameters(parameters, request)?;
    let shards = match orders {
        OrderDatabases::Shards(shards) => shards,
        OrderDatabases::Citus(coordinator) => {
            check_coordinator(coordinator).await?;
            return Ok(parameters);
        }
    };
    let map = match load_map(&mut *catalog).await? {
        Some(map) => map,
        // A version without the table has filled the store, and its map was always even.
        None => write_map(catalog, ShardMap::even(stored.shards)).await?,
    };
    for (shard, pool) in shards.iter().enumerate() {
        check_buckets(pool, &map, shard).await?;
    }
    Ok(parameters)
}

/// Fills a new store: first the databases of the orders, last the catalogue.
async fn fill_new(
    catalog: &mut PgConnection,
    orders: OrderDatabases<'_>,
    parameters: SeedParameters,
    progress: impl Fn(u64, u64) + Send + Sync,
) -> Result<(), SeedError> {
    let games = GameId::from(parameters.games);
    let generator = Generator::new(parameters.seed);
    match orders {
        OrderDatabases::Shards(shards) => {
            let map = ShardMap::even(shards.len());
            for (shard, pool) in shards.iter().enumerate() {
                fill_shard(pool, &map, shard, &generator, games).await?;
            }
            fill_catalog(catalog, &generator, games, progress).await?;
            write_map(catalog, map).await?;
        }
        OrderDatabases::Citus(coordinator) => {
            fill_coordinator(coordinator, &generator, games).await?;
            fill_catalog(catalog, &generator, games, progress).await?;
        }
    }
    write_parameters(catalog, parameters).await?;
    Ok(())
}

async fn read_parameters(db: &mut PgConnection) -> Result<Option<SeedParameters>, SeedError> {
    let rows = sqlx::query("SELECT key, value FROM meta")
        .fetch_all(db)
        .await?;
    let rows = rows
        .iter()
        .map(|row| (row.get("key"), row.get("value")))
        .collect();
    Ok(SeedParameters::from_rows(&rows)?)
}

async fn write_parameters(db: &mut PgConnection, parameters: SeedParameters) -> Result<(), Error> {
    for (key, value) in parameters.to_rows() {
        sqlx::query("INSERT INTO meta (key, value) VALUES ($1, $2)")
            .bind(key)
            .bind(value)
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

async fn write_map(db: &mut PgConnection, map: ShardMap) -> Result<ShardMap, Error> {
    insert_map(db, &map).await?;
    Ok(map)
}

/// More addresses than before are new shards. They own nothing until a bucket moves to them.
async fn add_shards(
    db: &mut PgConnection,
    stored: SeedParameters,
    shards: usize,
) -> Result<SeedParameters, Error> {
    if shards <= stored.shards {
        return Ok(stored);
    }
    sqlx::query("UPDATE meta SET value = $1 WHERE key = 'shards'")
        .bind(shards.to_string())
        .execute(db)
        .await?;
    Ok(SeedParameters { shards, ..stored })
}

/// With two addresses in the wrong order, a customer's new orders would get another database than
/// the old ones. A bucket whose epoch is greater than that of the map is in order: the last step of
/// its move is missing.
async fn check_buckets(pool: &PgPool, map: &ShardMap, shard: ShardId) -> Result<(), SeedError> {
    let rows: Vec<(i32, bool, Epoch)> =
        sqlx::query_as("SELECT bucket, state = 'active', epoch FROM buckets")
            .fetch_all(pool)
            .await?;
    let shards = map.shards();
    if rows.is_empty() && map.buckets_of(shard).next().is_some() {
        return Err(SeedError::EmptyShard { shard, shards });
    }
    let is_expected = |(bucket, is_active, epoch): &(i32, bool, Epoch)| {
        let owner = map.entry(*bucket as u16);
        !is_active || owner.shard == shard || *epoch > owner.epoch
    };
    let has_row = |bucket| rows.iter().any(|row| row.0 == i32::from(bucket));
    if rows.iter().all(is_expected) && map.buckets_of(shard).all(has_row) {
        Ok(())
    } else {
        Err(SeedError::WrongShard { shard, shards })
    }
}

/// An empty catalogue is new only if no customer has ordered anything.
async fn check_no_orders(shards: &[PgPool]) -> Result<(), SeedError> {
    for (shard, pool) in shards.iter().enumerate() {
        let first = sqlx::query("SELECT id FROM orders WHERE id > $1 LIMIT 1")
            .bind(SAMPLE_ORDERS)
            .fetch_optional(pool)
            .await?;
        if first.is_some() {
            return Err(SeedError::LostCatalog { shard });
        }
    }
    Ok(())
}

/// The buckets of a shard as PostgreSQL integers.
fn bucket_numbers(map: &ShardMap, shard: ShardId) -> Vec<i32> {
    map.buckets_of(shard).map(i32::from).collect()
}

/// Gives a shard its buckets and their sample orders. Replaces what an earlier, killed seeding
/// wrote, possibly with other numbers.
async fn fill_shard(
    pool: &PgPool,
    map: &ShardMap,
    shard: ShardId,
    generator: &Generator,
    games: GameId,
) -> Result<(), Error> {
    let buckets = bucket_numbers(map, shard);
    let mut orders = Rows::default();
    for id in (1..=SAMPLE_ORDERS).filter(|id| map.owner(bucket_of_order(*id)) == shard) {
        add_order(&generator.order(id, games), &mut orders);
    }
    let mut db = dedicated_connection(pool).await?;
    db.execute("BEGIN").await?;
    sqlx::query("DELETE FROM orders WHERE id <= $1")
        .bind(SAMPLE_ORDERS)
        .execute(&mut db)
        .await?;
    sqlx::query("DELETE FROM buckets WHERE bucket <> ALL ($1)")
        .bind(&buckets)
        .execute(&mut db)
        .await?;
    sqlx::query(
        "INSERT INTO buckets (bucket, next, epoch) \
         SELECT bucket, $2, $3 FROM unnest($1) AS own (bucket) ON CONFLICT DO NOTHING",
    )
    .bind(&buckets)
    .bind(FIRST_SEQUENCE)
    .bind(FIRST_EPOCH)
    .execute(&mut db)
    .await?;
    let into = "orders (id, customer, game_id, quantity, total_cents, created_at)";
    orders.copy(&mut db, into).await?;
    db.execute("COMMIT").await?;
    db.close().await
}

async fn fill_catalog(
    db: &mut PgConnection,
    generator: &Generator,
    games: GameId,
    progress: impl Fn(u64, u64),
) -> Result<(), Error> {
    for first in (1..=games).step_by(GAMES_PER_COPY as usize) {
        let last = games.min(first + GAMES_PER_COPY - 1);
        let (mut game_rows, mut review_rows) = (Rows::default(), Rows::default());
        for product in (first..=last).map(|id| generator.product(id)) {
            add_product(&product, &mut game_rows, &mut review_rows);
        }
        let into = "games (id, slug, title, description, genre, developer, publisher, platform, \
             release_date, price_cents, images, trailer, updated_at, review_count, review_stars)";
        game_rows.copy(db, into).await?;
        let into = "reviews (id, game_id, customer, stars, text, created_at)";
        review_rows.copy(db, into).await?;
        progress(last as u64, games as u64);
    }
    // The copied reviews bring their own numbers, so the sequence must continue after them. ANALYZE
    // gives the planner statistics about the new rows.
    db.execute(
        "SELECT setval(pg_get_serial_sequence('reviews', 'id'), \
         (SELECT coalesce(max(id), 0) + 1 FROM reviews), false); \
         ANALYZE games, reviews",
    )
    .await
    .map(drop)
}

fn add_product(product: &Product, games: &mut Rows, reviews: &mut Rows) {
    let game = &product.game;
    let stars: i64 = product
        .reviews
        .iter()
        .map(|review| i64::from(review.stars))
        .sum();
    games
        .column(game.id)
        .column(&game.slug)
        .column(&game.title)
        .column(&game.description)
        .column(&game.genre)
        .column(&game.developer)
        .column(&game.publisher)
        .column(&game.platform)
        .column(game.release_date)
        .column(game.price_cents)
        .array(&game.images)
        .column(&game.trailer)
        .column(game.updated_at.to_rfc3339())
        .column(product.reviews.len())
        .column(stars);
    games.end_row();
    for review in &product.reviews {
        reviews
            .column(review.id)
            .column(game.id)
            .column(&review.customer)
            .column(review.stars)
            .column(&review.text)
            .column(review.created_at.to_rfc3339());
        reviews.end_row();
    }
}
