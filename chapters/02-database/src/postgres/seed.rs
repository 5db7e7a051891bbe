//! Fills an empty store with the generator's games, reviews and sample orders.
//!
//! Several databases, and no transaction spans them. So the order of things makes it "all or nothing": the shards come first and may be
//! filled again without harm, the catalogue comes last in one transaction, and the rows that say "filled" are part of that. A seeding
//! that is killed begins anew. Of several processes that start at once, one fills; a lock in the catalogue's database keeps the others
//! waiting until they find it done.
//!
//! Left out: filling a store that has lost one of its databases.

use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Connection, Error, Executor};

use super::copy::Rows;
use super::migrate::patient;
use super::recipe::{Recipe, Sizes};
use super::store_error;
use crate::StoreError;
use crate::game::{GameId, Product};
use crate::generator::{DEFAULT_SEED, Generator, SAMPLE_ORDERS};
use crate::sharding::{BUCKETS, Bucket, ShardId, ShardMap, bucket_of_order, fnv1a};

/// Games in one `COPY`: a few hundred kilobytes.
const GAMES: GameId = 1_000;

/// Sample orders have the ids up to [`SAMPLE_ORDERS`], so in every bucket real orders begin after them.
const FIRST_SEQUENCE: i64 = SAMPLE_ORDERS / BUCKETS as i64 + 1;

/// Why a store cannot be filled, or not be used as it is.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// It was filled with other numbers.
    #[error(
        "the store in these databases was made with --{flag} {stored}, and you asked for --{flag} {asked}; leave the flag out, \
         or give the addresses of empty databases"
    )]
    OtherSize {
        /// The flag.
        flag: &'static str,
        /// What the store has.
        stored: u64,
        /// What was asked for.
        asked: u64,
    },
    /// A shard's database is not the one that was filled as this shard.
    #[error(
        "the database of shard {shard} does not own exactly the buckets of shard {shard} of {shards}; give the shards' addresses in \
         the order in which the store was filled"
    )]
    OtherShard {
        /// Counted from 0.
        shard: ShardId,
        /// How many there are.
        shards: usize,
    },
    /// A database cannot answer, or answers what makes no sense.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Error> for SeedError {
    fn from(error: Error) -> Self {
        SeedError::Store(store_error(error))
    }
}

/// Fills the databases if they are empty, and otherwise checks that they hold what is asked for. [`migrate`](super::migrate) comes before.
/// `progress` hears the number of games that are written and the number that there will be.
pub async fn seed(
    primary: &PgPool,
    shards: &[PgPool],
    asked: Sizes,
    progress: impl Fn(u64, u64) + Send + Sync,
) -> Result<Recipe, SeedError> {
    // If this future is dropped, so is the connection: the server rolls back and lets go of the lock.
    let mut catalog = patient(primary).await?;
    catalog.execute("BEGIN").await?;
    let lock = fnv1a(b"filling the game store") as i64;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(lock)
        .execute(&mut catalog)
        .await?;
    let map = ShardMap::even(shards.len());
    let recipe = if let Some(stored) = Recipe::read(&mut catalog).await? {
        stored.compare(asked, shards.len())?;
        for (shard, pool) in shards.iter().enumerate() {
            check_buckets(pool, &map, shard).await?;
        }
        stored
    } else {
        let recipe = Recipe {
            games: asked.games.unwrap_or(10_000),
            seed: asked.seed.unwrap_or(DEFAULT_SEED),
            shards: shards.len(),
        };
        let generator = Generator::new(recipe.seed);
        for (shard, pool) in shards.iter().enumerate() {
            fill_shard(pool, &map, shard, &generator, GameId::from(recipe.games)).await?;
        }
        fill_catalog(
            &mut catalog,
            &generator,
            GameId::from(recipe.games),
            progress,
        )
        .await?;
        recipe.write(&mut catalog).await?;
        recipe
    };
    catalog.execute("COMMIT").await?;
    let _ = catalog.close().await;
    Ok(recipe)
}

/// Two addresses in the wrong order would put a customer's new orders apart from the old ones.
async fn check_buckets(pool: &PgPool, map: &ShardMap, shard: ShardId) -> Result<(), SeedError> {
    let owned: Vec<i32> = sqlx::query_scalar("SELECT bucket FROM bucket_sequences ORDER BY bucket")
        .fetch_all(pool)
        .await?;
    if owned == buckets_of(map, shard) {
        return Ok(());
    }
    let shards = map.shards();
    Err(SeedError::OtherShard { shard, shards })
}

fn buckets_of(map: &ShardMap, shard: ShardId) -> Vec<i32> {
    let own = |bucket: &Bucket| map.owner(*bucket) == shard;
    (0..BUCKETS).filter(own).map(i32::from).collect()
}

/// Gives a shard its buckets and their sample orders. An earlier seeding that was killed may have come this far, with other numbers
/// perhaps.
async fn fill_shard(
    pool: &PgPool,
    map: &ShardMap,
    shard: ShardId,
    generator: &Generator,
    games: GameId,
) -> Result<(), Error> {
    let buckets = buckets_of(map, shard);
    let mut orders = Rows::default();
    for id in (1..=SAMPLE_ORDERS).filter(|id| map.owner(bucket_of_order(*id)) == shard) {
        let order = generator.order(id, games);
        orders
            .column(order.id)
            .column(&order.customer)
            .column(order.game_id)
            .column(order.quantity)
            .column(order.total_cents)
            .column(order.created_at.to_rfc3339());
        orders.end_row();
    }
    let mut db = patient(pool).await?;
    db.execute("BEGIN").await?;
    sqlx::query("DELETE FROM orders WHERE id <= $1")
        .bind(SAMPLE_ORDERS)
        .execute(&mut db)
        .await?;
    sqlx::query("DELETE FROM bucket_sequences WHERE bucket <> ALL ($1)")
        .bind(&buckets)
        .execute(&mut db)
        .await?;
    sqlx::query(
        "INSERT INTO bucket_sequences (bucket, next) SELECT bucket, $2 FROM unnest($1) AS own (bucket) ON CONFLICT DO NOTHING",
    )
    .bind(&buckets)
    .bind(FIRST_SEQUENCE)
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
    for first in (1..=games).step_by(GAMES as usize) {
        let last = games.min(first + GAMES - 1);
        let (mut game_rows, mut review_rows) = (Rows::default(), Rows::default());
        for product in (first..=last).map(|id| generator.product(id)) {
            add(&product, &mut game_rows, &mut review_rows);
        }
        let into = "games (id, slug, title, description, genre, developer, publisher, platform, release_date, price_cents, \
             images, trailer, updated_at, review_count, review_stars)";
        game_rows.copy(db, into).await?;
        let into = "reviews (id, game_id, customer, stars, text, created_at)";
        review_rows.copy(db, into).await?;
        progress(last as u64, games as u64);
    }
    // COPY has brought numbers of its own; the next review gets the one after them. And the planner knows nothing of the rows yet.
    db.execute(
        "SELECT setval(pg_get_serial_sequence('reviews', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM reviews), false); \
         ANALYZE games, reviews",
    )
    .await
    .map(drop)
}

fn add(product: &Product, games: &mut Rows, reviews: &mut Rows) {
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
