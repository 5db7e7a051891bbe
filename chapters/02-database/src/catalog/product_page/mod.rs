//! The product page in three ways: normalised with N+1 queries, normalised with a join, and
//! denormalised as one document.
//!
//! The page shows a game, its reviews, and for each author the number of reviews and of friends.
//!
//! | way | queries | what a new review writes |
//! |---|---|---|
//! | [`NPlusOne`](PageQuery::NPlusOne) | 2, and 2 more for each review | the review |
//! | [`Join`](PageQuery::Join) | 1 | the review |
//! | [`Document`](PageQuery::Document) | 2 | the review, the counters, the whole document |
//!
//! A document holds what belongs to the game alone. The counters of an author stand in the pages of
//! many games. They would have to be written into all of them, so the application joins them.

mod document;
mod join;
mod n_plus_one;
mod page;

use sqlx::Error;

pub use page::{Author, ProductPage};

pub(crate) use document::{DOCUMENTS, add_to_counter, refresh_document};

use crate::model::GameId;
use crate::postgres::ReadPool;

/// How the page is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageQuery {
    /// One query for the list, then some for each of its rows. An object-relational mapper with
    /// lazy loading does this, and nobody sees it in the code.
    NPlusOne,
    /// One query with joins.
    Join,
    /// The document of the game, and the counters of its authors.
    Document,
}

/// Reads the page of a game. `None` if the game does not exist. For [`PageQuery::Document`], also
/// if the documents were never built.
pub async fn product_page(
    server: &ReadPool,
    id: GameId,
    query: PageQuery,
) -> Result<Option<ProductPage>, Error> {
    let page = match query {
        PageQuery::NPlusOne => n_plus_one::page(server, id).await,
        PageQuery::Join => join::page(server, id).await,
        PageQuery::Document => document::page(server, id).await,
    };
    Ok(page?.map(|mut page| {
        page.authors.sort();
        page.authors.dedup();
        page
    }))
}
