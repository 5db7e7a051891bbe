//! The catalogue in the main SQLite database.
//!
//! The database has no replicas, so every read names the primary. A product takes two queries that
//! are joined here and not in SQL, so the reviews could move to another database.

use std::fmt::Write as _;

use async_trait::async_trait;
use ch02_database::catalog::{
    DeleteOutcome, GAMES_PER_PAGE, GameChange, GamePage, GameQuery, GameSort, GameVersion,
    NewReview,
};
use ch02_database::model::{
    Game, Listing, Product, REVIEWS_PER_PRODUCT, Review, ReviewId, ReviewSummary,
};
use ch02_database::{Catalog, Consistency, GameId, Read, StoreError, Written};
use chrono::NaiveDate;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use super::activity::{add_review_activity, delete_activity};
use super::database::SqliteDatabase;
use super::timestamp;

const GAME_COLUMNS: &str = "id, slug, title, description, genre, developer, publisher, platform, \
     release_date, price_cents, images, trailer, updated_at, rating, review_count";

/// A catalogue in one SQLite database.
pub struct SqliteCatalog {
    database: SqliteDatabase,
}

impl SqliteCatalog {
    /// The catalogue in this database.
    pub fn new(database: SqliteDatabase) -> Self {
        SqliteCatalog { database }
    }

    pub(super) fn database(&self) -> &SqliteDatabase {
        &self.database
    }

    async fn find(&self, id: GameId) -> Result<Option<Game>, StoreError> {
        let row = sqlx::query(AssertSqlSafe(format!(
            "SELECT {GAME_COLUMNS} FROM games WHERE id = ?"
        )))
        .bind(id)
        .fetch_optional(self.database.readers())
        .await?;
        row.as_ref().map(game).transpose()
    }
}

#[async_trait]
impl Catalog for SqliteCatalog {
    async fn game(&self, id: GameId, _: Consistency) -> Result<Read<Option<Game>>, StoreError> {
        Ok(Read::from_primary(self.find(id).await?))
    }

    async fn product(
        &self,
        id: GameId,
        _: Consistency,
    ) -> Result<Read<Option<Product>>, StoreError> {
        let Some(game) = self.find(id).await? else {
            return Ok(Read::from_primary(None));
        };
        let rows = sqlx::query(
            "SELECT id, customer, stars, text, created_at FROM reviews WHERE game_id = ? \
             ORDER BY created_at DESC, id DESC LIMIT ?",
        )
        .bind(id)
        .bind(REVIEWS_PER_PRODUCT as i64)
        .fetch_all(self.database.readers())
        .await?;
        let reviews = rows.iter().map(review).collect::<Result<_, _>>()?;
        Ok(Read::from_primary(Some(Product { game, reviews })))
    }

    async fn list(&self, query: &GameQuery, _: Consistency) -> Result<Read<GamePage>, StoreError> {
        let order = match query.sort {
            GameSort::Id => "id",
            GameSort::BestRated => "coalesce(rating, 0) DESC, review_count DESC, id",
            GameSort::Newest => "release_date DESC, id",
        };
        let after = query.after.map(|after| match query.sort {
            GameSort::Id => format!(" AND id > {}", after.id),
            GameSort::BestRated => format!(
                " AND (coalesce(rating, 0), review_count, -id) < ({:?}, {}, {})",
                after.rating.unwrap_or(0.0),
                after.review_count,
                -after.id
            ),
            GameSort::Newest => format!(
                " AND (release_date, -id) < ('{}', {})",
                after.release_date, -after.id
            ),
        });
        // An unset filter is left out. With `? IS NULL OR …` the planner would not use an index.
        // The statement consists of fixed text; the client's values are bound.
        let mut sql = format!("SELECT {GAME_COLUMNS} FROM games WHERE true");
        let text = query
            .text
            .as_deref()
            .map(|text| format!("%{}%", escape_like(text)));
        if query.genre.is_some() {
            sql.push_str(" AND genre = ?");
        }
        if text.is_some() {
            sql.push_str(" AND title LIKE ? ESCAPE '\\'");
        }
        // Numbers and a date, no text of a client.
        sql.push_str(after.as_deref().unwrap_or_default());
        write!(sql, " ORDER BY {order} LIMIT ? OFFSET ?").expect("writing to a String cannot fail");
        let mut statement = sqlx::query(AssertSqlSafe(sql));
        for filter in [&query.genre, &text].into_iter().flatten() {
            statement = statement.bind(filter);
        }
        // One more row than a page: if it exists, there is a next page. No count is needed.
        let rows = statement
            .bind(GAMES_PER_PAGE as i64 + 1)
            .bind(match query.after {
                Some(_) => 0,
                None => (i64::from(query.page).max(1) - 1) * GAMES_PER_PAGE as i64,
            })
            .fetch_all(self.database.readers())
            .await?;
        let items = rows
            .iter()
            .take(GAMES_PER_PAGE)
            .map(listing)
            .collect::<Result<_, _>>()?;
        Ok(Read::from_primary(GamePage {
            items,
            has_more: rows.len() > GAMES_PER_PAGE,
        }))
    }

    async fn versions(&self, _: Consistency) -> Result<Read<Vec<GameVersion>>, StoreError> {
        let rows = sqlx::query("SELECT id, updated_at FROM games ORDER BY id")
            .fetch_all(self.database.readers())
            .await?;
        let versions = rows.iter().map(|row| {
            Ok(GameVersion {
                id: row.get("id"),
                updated_at: timestamp::read(row, "updated_at")?,
            })
        });
        Ok(Read::from_primary(
            versions.collect::<Result<_, StoreError>>()?,
        ))
    }

    async fn change(
        &self,
        id: GameId,
        change: &GameChange,
    ) -> Result<Written<Option<Game>>, StoreError> {
        let GameChange {
            price_cents,
            description,
        } = change.clone();
        let row = self
            .database
            .write(move |connection| {
                Box::pin(async move {
                    let sql = format!(
                        "UPDATE games SET price_cents = coalesce(?, price_cents), \
                         description = coalesce(?, description), updated_at = ? \
                         WHERE id = ? RETURNING {GAME_COLUMNS}"
                    );
                    sqlx::query(AssertSqlSafe(sql))
                        .bind(price_cents)
                        .bind(description)
                        .bind(timestamp::now())
                        .bind(id)
                        .fetch_optional(connection)
                        .await
                })
            })
            .await?;
        let changed = row.as_ref().map(game).transpose()?;
        Ok(Written::without_token(changed))
    }

    async fn add_review(
        &self,
        id: GameId,
        review: &NewReview,
    ) -> Result<Written<Option<Review>>, StoreError> {
        let new = review.clone();
        self.database
            .write(move |connection| {
                Box::pin(async move {
                    if update_review_counts(connection, id, 1, i64::from(new.stars)).await? == 0 {
                        return Ok(None);
                    }
                    let row = sqlx::query(
                        "INSERT INTO reviews (game_id, customer, stars, text, created_at) \
                         VALUES (?, ?, ?, ?, ?) \
                         RETURNING id, customer, stars, text, created_at",
                    )
                    .bind(id)
                    .bind(new.customer)
                    .bind(new.stars)
                    .bind(new.text)
                    .bind(timestamp::now())
                    .fetch_one(&mut *connection)
                    .await?;
                    let review =
                        self::review(&row).map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
                    add_review_activity(connection, id, &review).await?;
                    Ok(Some(review))
                })
            })
            .await
            .map(Written::without_token)
    }

    async fn delete_review(
        &self,
        id: GameId,
        review: ReviewId,
        customer: &str,
    ) -> Result<Written<DeleteOutcome>, StoreError> {
        let customer = customer.to_owned();
        let deletion = self
            .database
            .write(move |connection| {
                Box::pin(async move {
                    let found = sqlx::query(
                        "SELECT customer, stars FROM reviews WHERE id = ? AND game_id = ?",
                    )
                    .bind(review)
                    .bind(id)
                    .fetch_optional(&mut *connection)
                    .await?;
                    let Some(found) = found else {
                        return Ok(DeleteOutcome::NotFound);
                    };
                    if found.get::<String, _>("customer") != customer {
                        return Ok(DeleteOutcome::NotAuthor);
                    }
                    sqlx::query("DELETE FROM reviews WHERE id = ?")
                        .bind(review)
                        .execute(&mut *connection)
                        .await?;
                    let stars: i64 = found.get("stars");
                    update_review_counts(&mut *connection, id, -1, -stars).await?;
                    delete_activity(connection, review).await?;
                    Ok(DeleteOutcome::Deleted)
                })
            })
            .await?;
        Ok(Written::without_token(deletion))
    }
}

/// Updates the denormalised columns of a game. Returns how many games were updated: one or zero.
async fn update_review_counts(
    connection: &mut SqliteConnection,
    id: GameId,
    count: i64,
    stars: i64,
) -> Result<u64, sqlx::Error> {
    let updated = sqlx::query(
        "UPDATE games SET review_count = review_count + ?1, review_stars = review_stars + ?2, \
         rating = round(CAST(review_stars + ?2 AS REAL) / nullif(review_count + ?1, 0), 1), \
         updated_at = ?3 WHERE id = ?4",
    )
    .bind(count)
    .bind(stars)
    .bind(timestamp::now())
    .bind(id)
    .execute(connection)
    .await?;
    Ok(updated.rows_affected())
}

fn game(row: &SqliteRow) -> Result<Game, StoreError> {
    let images: String = row.get("images");
    let release_date: String = row.get("release_date");
    Ok(Game {
        id: row.get("id"),
        slug: row.get("slug"),
        title: row.get("title"),
        description: row.get("description"),
        genre: row.get("genre"),
        developer: row.get("developer"),
        publisher: row.get("publisher"),
        platform: row.get("platform"),
        release_date: release_date.parse::<NaiveDate>().map_err(|error| {
            StoreError::Corrupt(format!("release date {release_date:?}: {error}"))
        })?,
        price_cents: row.get("price_cents"),
        rating: row.get("rating"),
        images: serde_json::from_str(&images)
            .map_err(|error| StoreError::Corrupt(format!("images {images:?}: {error}")))?,
        trailer: row.get("trailer"),
        updated_at: timestamp::read(row, "updated_at")?,
    })
}

fn listing(row: &SqliteRow) -> Result<Listing, StoreError> {
    let game = game(row)?;
    let reviews = ReviewSummary {
        count: row.get("review_count"),
        average: game.rating,
    };
    Ok(Listing { game, reviews })
}

fn review(row: &SqliteRow) -> Result<Review, StoreError> {
    Ok(Review {
        id: row.get("id"),
        customer: row.get("customer"),
        stars: row.get("stars"),
        text: row.get("text"),
        created_at: timestamp::read(row, "created_at")?,
    })
}

/// Escapes the wildcards `%` and `_` of LIKE, so that they match themselves.
fn escape_like(text: &str) -> String {
    // SQLite ends the pattern at a NUL. No title contains the character that replaces it.
    let text = text.replace('\0', "\u{fffd}");
    text.replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_")
}
