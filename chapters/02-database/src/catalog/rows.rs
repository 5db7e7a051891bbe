//! Converts rows to games and reviews. A missing column or another type is an error and not a
//! panic, because an operator or another version of the program can change a table.

use sqlx::postgres::PgRow;
use sqlx::{Error, Row};

use super::GameVersion;
use crate::model::{Game, Listing, Review, ReviewSummary};

pub(super) fn game(row: &PgRow) -> Result<Game, Error> {
    Ok(Game {
        id: row.try_get("id")?,
        slug: row.try_get("slug")?,
        title: row.try_get("title")?,
        description: row.try_get("description")?,
        genre: row.try_get("genre")?,
        developer: row.try_get("developer")?,
        publisher: row.try_get("publisher")?,
        platform: row.try_get("platform")?,
        release_date: row.try_get("release_date")?,
        price_cents: row.try_get("price_cents")?,
        rating: row.try_get("rating")?,
        images: row.try_get("images")?,
        trailer: row.try_get("trailer")?,
        updated_at: row.try_get("updated_at")?,
    })
}

pub(super) fn listing(row: &PgRow) -> Result<Listing, Error> {
    let game = game(row)?;
    let reviews = ReviewSummary {
        count: row.try_get("review_count")?,
        average: game.rating,
    };
    Ok(Listing { game, reviews })
}

pub(super) fn review(row: &PgRow) -> Result<Review, Error> {
    let stars: i16 = row.try_get("stars")?;
    Ok(Review {
        id: row.try_get("id")?,
        customer: row.try_get("customer")?,
        stars: u8::try_from(stars).map_err(|error| Error::Decode(error.into()))?,
        text: row.try_get("text")?,
        created_at: row.try_get("created_at")?,
    })
}

pub(super) fn version(row: &PgRow) -> Result<GameVersion, Error> {
    Ok(GameVersion {
        id: row.try_get("id")?,
        updated_at: row.try_get("updated_at")?,
    })
}
