//! Seeds an empty store with the generator's games, reviews and sample orders.
//!
//! The shards are filled first, and can be filled again. The main database is filled last, in one
//! transaction that also writes the [`SeedParameters`]. So an interrupted seeding starts again.

use ch02_database::StoreError;
use ch02_database::model::{GameId, Order, Product};
use ch02_database::seed::SeedParameters;
use ch02_database::seed::generator::{Generator, SAMPLE_ORDERS};
use ch02_database::sharding::{ShardMap, bucket_of_order};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::database::SqliteDatabase;
use super::seed_parameters;
use super::timestamp;

/// How many rows one INSERT writes. SQLite allows 32,766 parameters in a statement; a game has 16.
const ROWS_PER_INSERT: usize = 1_000;

/// Writes all rows. `progress` gets the number of games that are written.
pub(super) async fn seed(
    main: &SqliteDatabase,
    shards: &[SqliteDatabase],
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
            .write(move |connection| Box::pin(insert_orders(connection, orders)))
            .await?;
    }
    main.write(move |connection| {
        Box::pin(async move {
            let mut batch = Vec::with_capacity(ROWS_PER_INSERT);
            for id in 1..=games {
                batch.push(generator.product(id));
                if batch.len() == ROWS_PER_INSERT || id == games {
                    insert_products(connection, &batch).await?;
                    batch.clear();
                    progress(id as u64);
                }
            }
            seed_parameters::write(connection, parameters).await
        })
    })
    .await
}

async fn insert_products(
    connection: &mut SqliteConnection,
    products: &[Product],
) -> Result<(), sqlx::Error> {
    let mut games = QueryBuilder::<Sqlite>::new(
        "INSERT INTO games (id, slug, title, description, genre, developer, publisher, platform, \
         release_date, price_cents, images, trailer, updated_at, review_count, review_stars, \
         rating) ",
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
            .push_bind(timestamp::format(game.updated_at))
            .push_bind(product.reviews.len() as i64)
            .push_bind(stars)
            .push_bind(game.rating);
    });
    games.build().execute(&mut *connection).await?;

    let reviews: Vec<_> = products
        .iter()
        .flat_map(|product| {
            product
                .reviews
                .iter()
                .map(move |review| (product.game.id, review))
        })
        .collect();
    for chunk in reviews.chunks(ROWS_PER_INSERT) {
        let mut insert = QueryBuilder::<Sqlite>::new(
            "INSERT INTO reviews (id, game_id, customer, stars, text, created_at) ",
        );
        insert.push_values(chunk, |mut row, (game, review)| {
            row.push_bind(review.id)
                .push_bind(game)
                .push_bind(&review.customer)
                .push_bind(review.stars)
                .push_bind(&review.text)
                .push_bind(timestamp::format(review.created_at));
        });
        insert.build().execute(&mut *connection).await?;
    }
    Ok(())
}

async fn insert_orders(
    connection: &mut SqliteConnection,
    orders: Vec<Order>,
) -> Result<(), sqlx::Error> {
    // An interrupted seeding may have left orders here, perhaps with another seed.
    sqlx::query("DELETE FROM orders WHERE id <= ?")
        .bind(SAMPLE_ORDERS)
        .execute(&mut *connection)
        .await?;
    for chunk in orders.chunks(ROWS_PER_INSERT) {
        let mut insert = QueryBuilder::<Sqlite>::new(
            "INSERT INTO orders (id, customer, game_id, quantity, total_cents, created_at) ",
        );
        insert.push_values(chunk, |mut row, order| {
            row.push_bind(order.id)
                .push_bind(&order.customer)
                .push_bind(order.game_id)
                .push_bind(order.quantity)
                .push_bind(order.total_cents)
                .push_bind(timestamp::format(order.created_at));
        });
        insert.build().execute(&mut *connection).await?;
    }
    Ok(())
}
