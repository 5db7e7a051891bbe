//! The trap: a query in a loop.

use sqlx::Error;
use sqlx::postgres::PgPool;

use super::page::{Author, ProductPage};
use crate::catalog::queries::{select_game, select_reviews};
use crate::model::{GameId, Product};

// ANCHOR: n_plus_one
pub(super) async fn page(server: &PgPool, id: GameId) -> Result<Option<ProductPage>, Error> {
    let Some(game) = select_game(server, id).await? else {
        return Ok(None);
    };
    let reviews = select_reviews(server, id).await?;
    let mut authors = Vec::new();
    for review in &reviews {
        authors.push(select_author(server, &review.customer).await?);
    }
    let product = Product { game, reviews };
    Ok(Some(ProductPage { product, authors }))
}

async fn select_author(server: &PgPool, name: &str) -> Result<Author, Error> {
    let reviews = sqlx::query_scalar("SELECT count(*) FROM reviews WHERE customer = $1")
        .bind(name)
        .fetch_one(server);
    let friends = sqlx::query_scalar("SELECT count(*) FROM friendships WHERE customer = $1")
        .bind(name)
        .fetch_one(server);
    Ok(Author {
        name: name.to_owned(),
        reviews: reviews.await?,
        friends: friends.await?,
    })
}
// ANCHOR_END: n_plus_one
