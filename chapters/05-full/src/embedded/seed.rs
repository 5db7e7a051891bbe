//! Fills an empty store with the generator's games, reviews and sample orders.
//!
//! Either all of it is there or none: the shards come first and may be written again without harm, the store's database comes last
//! in one transaction, and the row that says "seeded" is part of that transaction. A seeding that is killed begins anew.

use ch02_database::StoreError;
use ch02_database::model::{GameId, Order, Product};
use ch02_database::seed::SeedParameters;
use ch02_database::seed::generator::{Generator, SAMPLE_ORDERS};
use ch02_database::sharding::{ShardMap, bucket_of_order};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::catalog::stored;
use super::data_dir::write_seed_parameters;
use super::db::Db;

/// Rows in one INSERT. SQLite takes at most 32,766 parameters a statement; a game has 16.
const ROWS: usize = 1_000;

/// Writes everything that `parameters` asks for. `progress` hears the number of games written so far.
pub(super) async fn seed(
    store: &Db,
    shards: &[Db],
    parameters: SeedParameters,
    progress: impl Fn(u64) + Send + Sync + 'static,
) -> Result<(), StoreError> {
    let generator = Generator::new(parameters.seed);
    let games = parameters.games as GameId;
    let map = ShardMap::even(shards.len());
    for (number, shard) in shards.iter().enumerate() {
        let orders: Vec<Order> = (1..=SAMPLE_ORDERS)
            .filter(|id| map.owner(bucket_of_order(*id)) == number)
            .map(|id| generator.order(id, games))
            .collect();
        shard
            .write(move |db| Box::pin(insert_orders(db, orders)))
            .await?;
    }
    store
        .write(move |db| {
            Box::pin(async move {
                let mut batch = Vec::with_capacity(ROWS);
                for id in 1..=games {
                    batch.push(generator.product(id));
                    if batch.len() == ROWS || id == games {
                        insert_products(db, &batch).await?;
                        batch.clear();
                        progress(id as u64);
                    }
                }
                write_seed_parameters(db, parameters).await
            })
        })
        .await
}

async fn insert_products(
    db: &mut SqliteConnection,
    products: &[Product],
) -> Result<(), sqlx::Error> {
    let mut games = QueryBuilder::<Sqlite>::new(
        "INSERT INTO games (id, slug, title, description, genre, developer, publisher, platform, release_date, \
         price_cents, images, trailer, updated_at, review_count, review_stars, rating) ",
    );
    games.push_values(products, |mut row, product| {
        let game = &product.game;
        let stars: i64 = product
            .reviews
            .iter()
            .map(|review| i64::from(review.stars))
            .sum();
        row.push_bind(game.id)
            .push_bind(&game.slug)
            .push_bind(&game.title)
            .push_bind(&game.description)
            .push_bind(&game.genre)
            .push_bind(&game.developer)
            .push_bind(&game.publisher)
            .push_bind(&game.platform)
            .push_bind(game.release_date.to_string())
            .push_bind(game.price_cents)
            .push_bind(serde_json::json!(game.images).to_string())
            .push_bind(&game.trailer)
            .push_bind(stored(game.updated_at))
            .push_bind(product.reviews.len() as i64)
            .push_bind(stars)
            .push_bind(game.rating);
    });
    games.build().execute(&mut *db).await?;

    let reviews: Vec<_> = products
        .iter()
        .flat_map(|product| {
            product
                .reviews
                .iter()
                .map(move |review| (product.game.id, review))
        })
        .collect();
    for chunk in reviews.chunks(ROWS) {
        let mut insert = QueryBuilder::<Sqlite>::new(
            "INSERT INTO reviews (id, game_id, customer, stars, text, created_at) ",
        );
        insert.push_values(chunk, |mut row, (game, review)| {
            row.push_bind(review.id)
                .push_bind(game)
                .push_bind(&review.customer)
                .push_bind(review.stars)
                .push_bind(&review.text)
                .push_bind(stored(review.created_at));
        });
        insert.build().execute(&mut *db).await?;
    }
    Ok(())
}

async fn insert_orders(db: &mut SqliteConnection, orders: Vec<Order>) -> Result<(), sqlx::Error> {
    // An earlier seeding that was killed may have come this far, with other numbers perhaps.
    sqlx::query("DELETE FROM orders WHERE id <= ?")
        .bind(SAMPLE_ORDERS)
        .execute(&mut *db)
        .await?;
    for chunk in orders.chunks(ROWS) {
        let mut insert = QueryBuilder::<Sqlite>::new(
            "INSERT INTO orders (id, customer, game_id, quantity, total_cents, created_at) ",
        );
        insert.push_values(chunk, |mut row, order| {
            row.push_bind(order.id)
                .push_bind(&order.customer)
                .push_bind(order.game_id)
                .push_bind(order.quantity)
                .push_bind(order.total_cents)
                .push_bind(stored(order.created_at));
        });
        insert.build().execute(&mut *db).await?;
    }
    Ok(())
}
