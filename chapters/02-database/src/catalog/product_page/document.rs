//! SQL as a document store: one JSONB value per game.

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Error, Row};

use super::page::{Author, ProductPage};
use crate::model::{GameId, Product};
use crate::postgres::ReadPool;

/// The documents of all games, made from the tables: columns `id` and `document`. The number is
/// [`REVIEWS_PER_PRODUCT`](crate::model::REVIEWS_PER_PRODUCT).
pub(crate) const DOCUMENTS: &str = "SELECT g.id, \
     to_jsonb(g) - 'review_count' - 'review_stars' || jsonb_build_object('reviews', coalesce( \
         (SELECT jsonb_agg(to_jsonb(r) - 'game_id' ORDER BY r.created_at DESC, r.id DESC) FROM \
             (SELECT * FROM reviews WHERE game_id = g.id \
              ORDER BY created_at DESC, id DESC LIMIT 50) r), '[]')) AS document FROM games g";

// ANCHOR: document
/// One query for the document, one for the counters of all authors: the application joins.
pub(super) async fn page(server: &ReadPool, id: GameId) -> Result<Option<ProductPage>, Error> {
    let document = "SELECT document::text FROM product_documents WHERE game_id = $1";
    let document = sqlx::query(document).bind(id);
    let Some(row) = server.fetch_optional(document).await? else {
        return Ok(None);
    };
    let product: Product =
        serde_json::from_str(row.try_get(0)?).map_err(|error| Error::Decode(error.into()))?;
    let reviews = product.reviews.iter();
    let names: Vec<&str> = reviews.map(|review| review.customer.as_str()).collect();
    let counters =
        "SELECT customer, reviews, friends FROM customer_counters WHERE customer = ANY ($1)";
    let rows = server.fetch_all(sqlx::query(counters).bind(names)).await?;
    let authors = rows.iter().map(author).collect::<Result<_, _>>()?;
    Ok(Some(ProductPage { product, authors }))
}
// ANCHOR_END: document

/// Writes the document of a game again. Does nothing if the game has none: then the documents were
/// never built. Runs in the transaction that changes the game or its reviews.
pub(crate) async fn refresh_document(db: &mut PgConnection, game: GameId) -> Result<(), Error> {
    let sql = format!(
        "UPDATE product_documents p SET document = d.document FROM ({DOCUMENTS} WHERE g.id = $1) d \
         WHERE p.game_id = $1"
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(game)
        .execute(db)
        .await
        .map(drop)
}

/// Counts a written review (1) or a deleted one (-1).
pub(crate) async fn add_to_counter(
    db: &mut PgConnection,
    customer: &str,
    count: i64,
) -> Result<(), Error> {
    // A row is inserted before it is found to exist, so the inserted number must not be negative.
    sqlx::query(
        "INSERT INTO customer_counters AS c (customer, reviews) VALUES ($1, greatest($2, 0)) \
         ON CONFLICT (customer) DO UPDATE SET reviews = c.reviews + $2",
    )
    .bind(customer)
    .bind(count)
    .execute(db)
    .await
    .map(drop)
}

fn author(row: &PgRow) -> Result<Author, Error> {
    Ok(Author {
        name: row.try_get("customer")?,
        reviews: row.try_get("reviews")?,
        friends: row.try_get("friends")?,
    })
}
