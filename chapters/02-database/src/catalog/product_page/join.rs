//! One query for the whole page. The columns of the game come back once for each review.

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Error, Row};

use super::page::{Author, ProductPage};
use crate::catalog::queries::GAME_COLUMNS;
use crate::catalog::rows;
use crate::model::{GameId, Product, REVIEWS_PER_PRODUCT, Review};
use crate::postgres::ReadPool;

pub(super) async fn page(server: &ReadPool, id: GameId) -> Result<Option<ProductPage>, Error> {
    let columns = format!("g.{}", GAME_COLUMNS.replace(", ", ", g."));
    let sql = format!(
        "SELECT {columns}, r.id AS review, r.customer, r.stars, r.text, r.created_at, \
         (SELECT count(*) FROM reviews x WHERE x.customer = r.customer) AS author_reviews, \
         (SELECT count(*) FROM friendships f WHERE f.customer = r.customer) AS author_friends \
         FROM games g LEFT JOIN LATERAL \
             (SELECT * FROM reviews WHERE game_id = g.id \
              ORDER BY created_at DESC, id DESC LIMIT $2) r ON true \
         WHERE g.id = $1 ORDER BY r.created_at DESC, r.id DESC"
    );
    let query = sqlx::query(AssertSqlSafe(sql))
        .bind(id)
        .bind(REVIEWS_PER_PRODUCT as i64);
    let rows = server.fetch_all(query).await?;
    let Some(first) = rows.first() else {
        return Ok(None);
    };
    let game = rows::game(first)?;
    let (mut reviews, mut authors) = (Vec::new(), Vec::new());
    for row in &rows {
        if let Some(id) = row.try_get("review")? {
            let (review, author) = review_with_author(id, row)?;
            reviews.push(review);
            authors.push(author);
        }
    }
    let product = Product { game, reviews };
    Ok(Some(ProductPage { product, authors }))
}

fn review_with_author(id: i64, row: &PgRow) -> Result<(Review, Author), Error> {
    let stars: i16 = row.try_get("stars")?;
    let customer: String = row.try_get("customer")?;
    let author = Author {
        name: customer.clone(),
        reviews: row.try_get("author_reviews")?,
        friends: row.try_get("author_friends")?,
    };
    let review = Review {
        id,
        customer,
        stars: u8::try_from(stars).map_err(|error| Error::Decode(error.into()))?,
        text: row.try_get("text")?,
        created_at: row.try_get("created_at")?,
    };
    Ok((review, author))
}
