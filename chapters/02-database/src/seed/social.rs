//! Fills the tables of friends, activity and news.
//!
//! A store of an earlier version has games, reviews and orders of customers, but none of these
//! tables. So this step has its own row in the table `meta`, and runs once for a new store and once
//! for an old one. The activity comes from the stored reviews and orders, not from the generator.

use sqlx::Error;
use sqlx::postgres::{PgConnection, PgPool};

use super::copy::Rows;
use super::generator::{ARTICLES, Generator};
use super::parameters::SeedParameters;
use crate::catalog::denormalised::{rebuild_activity, rebuild_counters};
use crate::model::GameId;

/// The key in the table `meta`.
const KEY: &str = "social_and_news";

/// Fills the tables unless they are filled. Runs in the transaction of the seeding, under its lock.
pub(super) async fn fill_social_and_news(
    db: &mut PgConnection,
    shards: &[PgPool],
    parameters: SeedParameters,
) -> Result<(), Error> {
    let inserted = sqlx::query("INSERT INTO meta VALUES ($1, 'filled') ON CONFLICT DO NOTHING")
        .bind(KEY)
        .execute(&mut *db)
        .await?;
    if inserted.rows_affected() == 0 {
        return Ok(());
    }
    let generator = Generator::new(parameters.seed);
    let mut friends = Rows::default();
    for friendship in generator.friendships() {
        let (one, other) = &friendship.between;
        for (customer, friend) in [(one, other), (other, one)] {
            friends
                .column(customer)
                .column(friend)
                .column(friendship.since.to_rfc3339());
            friends.end_row();
        }
    }
    friends
        .copy(db, "friendships (customer, friend, since)")
        .await?;

    let mut news = Rows::default();
    for article in (1..=ARTICLES).map(|id| generator.article(id, GameId::from(parameters.games))) {
        news.column(article.id)
            .column(&article.slug)
            .column(&article.title)
            .column(&article.summary)
            .column(&article.body)
            .column(article.game_id)
            .column(&article.game_title)
            .column(article.published_at.to_rfc3339());
        news.end_row();
    }
    let into = "news (id, slug, title, summary, body, game_id, game_title, published_at)";
    news.copy(db, into).await?;

    rebuild_counters(db).await?;
    rebuild_activity(db, shards).await?;
    sqlx::query("ANALYZE friendships, activity, friend_feed, news")
        .execute(db)
        .await?;
    Ok(())
}
