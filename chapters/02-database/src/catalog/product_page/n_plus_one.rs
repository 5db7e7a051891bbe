//! The trap: a query in a loop.

use sqlx::{Error, Row};

use super::page::{Author, ProductPage};
use crate::catalog::queries::{select_game, select_reviews};
use crate::model::{GameId, Product};
use crate::postgres::ReadPool;

// ANCHOR: n_plus_one
pub(super) async fn page(server: &ReadPool, id: GameId) -> Result<Option<ProductPage>, Error> {
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

async fn select_author(server: &ReadPool, name: &str) -> Result<Author, Error> {
    let reviews = sqlx::query("SELECT count(*) FROM reviews WHERE customer = $1").bind(name);
    let friends = sqlx::query("SELECT count(*) FROM friendships WHERE customer = $1").bind(name);
    Ok(Author {
        name: name.to_owned(),
        reviews: server.fetch_one(reviews).await?.try_get(0)?,
        friends: server.fetch_one(friends).await?.try_get(0)?,
    })
}
// ANCHOR_END: n_plus_one
