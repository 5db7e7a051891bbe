//! Fills the tables of friends, activity and news, in a new store and in one of an earlier version.
//!
//! A row in the table `meta` says that the tables are filled. The activity comes from the stored
//! reviews and orders, so an old store shows what its customers did.

use ch02_database::model::{Article, Order};
use ch02_database::seed::SeedParameters;
use ch02_database::seed::generator::{ARTICLES, Friendship, Generator};
use ch02_database::{GameId, StoreError};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::activity::add_order_activity;
use super::database::SqliteDatabase;
use super::orders::all_orders;
use super::timestamp;

/// The key in the table `meta`.
const KEY: &str = "social_and_news";

/// SQLite allows 32,766 parameters in a statement; an article has 8.
const ROWS_PER_INSERT: usize = 1_000;

/// Fills the tables in one transaction, unless they are filled.
pub(super) async fn fill_social_and_news(
    main: &SqliteDatabase,
    shards: &[SqliteDatabase],
    parameters: SeedParameters,
) -> Result<(), StoreError> {
    let filled = sqlx::query("SELECT 1 FROM meta WHERE key = ?").bind(KEY);
    if filled.fetch_optional(main.readers()).await?.is_some() {
        return Ok(());
    }
    let mut orders = Vec::new();
    for shard in shards {
        orders.extend(all_orders(shard).await?);
    }
    let generator = Generator::new(parameters.seed);
    let games = GameId::from(parameters.games);
    let articles: Vec<Article> = (1..=ARTICLES)
        .map(|id| generator.article(id, games))
        .collect();
    let friendships = generator.friendships();
    main.write(move |connection| {
        Box::pin(async move {
            insert_friendships(connection, &friendships).await?;
            insert_articles(connection, &articles).await?;
            copy_activity(connection, &orders).await?;
            sqlx::query("INSERT INTO meta VALUES (?, 'filled')")
                .bind(KEY)
                .execute(connection)
                .await
                .map(drop)
        })
    })
    .await
}

async fn insert_friendships(
    connection: &mut SqliteConnection,
    friendships: &[Friendship],
) -> Result<(), sqlx::Error> {
    for chunk in friendships.chunks(ROWS_PER_INSERT) {
        let both_ways = chunk.iter().flat_map(|Friendship { between, since }| {
            let (one, other) = between;
            [(one, other, *since), (other, one, *since)]
        });
        let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO friendships ");
        insert.push_values(both_ways, |mut row, (customer, friend, since)| {
            row.push_bind(customer)
                .push_bind(friend)
                .push_bind(timestamp::format(since));
        });
        insert.build().execute(&mut *connection).await?;
    }
    Ok(())
}

async fn insert_articles(
    connection: &mut SqliteConnection,
    articles: &[Article],
) -> Result<(), sqlx::Error> {
    let mut insert = QueryBuilder::<Sqlite>::new(
        "INSERT INTO news (id, slug, title, summary, body, game_id, game_title, published_at) ",
    );
    insert.push_values(articles, |mut row, article| {
        row.push_bind(article.id)
            .push_bind(&article.slug)
            .push_bind(&article.title)
            .push_bind(&article.summary)
            .push_bind(&article.body)
            .push_bind(article.game_id)
            .push_bind(&article.game_title)
            .push_bind(timestamp::format(article.published_at));
    });
    insert.build().execute(connection).await.map(drop)
}

async fn copy_activity(
    connection: &mut SqliteConnection,
    orders: &[Order],
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO activity SELECT 'review-' || r.id, r.customer, 'review', g.id, g.title, \
         r.stars, 1, r.created_at FROM reviews r JOIN games g ON g.id = r.game_id",
    )
    .execute(&mut *connection)
    .await?;
    for order in orders {
        add_order_activity(connection, order).await?;
    }
    Ok(())
}
