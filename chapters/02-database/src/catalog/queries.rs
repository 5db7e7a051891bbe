//! The SQL statements of the catalogue.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Error, Postgres, QueryBuilder};

use super::rows;
use super::{GAMES_PER_PAGE, GamePage, GameQuery, GameSort, GameVersion};
use crate::model::{Game, GameId, REVIEWS_PER_PRODUCT, Review};
use crate::postgres::{ReadPool, replace_nul};

pub(super) const GAME_COLUMNS: &str = "id, slug, title, description, genre, developer, publisher, platform, \
     release_date, price_cents, images, trailer, updated_at, rating, review_count";

/// The time of a change. It is always later than the time of the previous change, even if the
/// server's clock goes back, because publishers compare these times.
const NEXT_UPDATED_AT: &str = "greatest(clock_timestamp(), updated_at + interval '1 microsecond')";

pub(super) async fn select_game(server: &ReadPool, id: GameId) -> Result<Option<Game>, Error> {
    let sql = format!("SELECT {GAME_COLUMNS} FROM games WHERE id = $1");
    let query = sqlx::query(AssertSqlSafe(sql)).bind(id);
    let row = server.fetch_optional(query).await?;
    row.as_ref().map(rows::game).transpose()
}

pub(super) async fn select_reviews(server: &ReadPool, game: GameId) -> Result<Vec<Review>, Error> {
    let query = sqlx::query(
        "SELECT id, customer, stars, text, created_at FROM reviews WHERE game_id = $1 \
         ORDER BY created_at DESC, id DESC LIMIT $2",
    )
    .bind(game)
    .bind(REVIEWS_PER_PRODUCT as i64);
    let rows = server.fetch_all(query).await?;
    rows.iter().map(rows::review).collect()
}

pub(super) async fn select_versions(server: &ReadPool) -> Result<Vec<GameVersion>, Error> {
    let query = sqlx::query("SELECT id, updated_at FROM games ORDER BY id");
    let rows = server.fetch_all(query).await?;
    rows.iter().map(rows::version).collect()
}

pub(super) async fn select_page(server: &ReadPool, query: &GameQuery) -> Result<GamePage, Error> {
    let rows = server.fetch_all(page_statement("", query).build()).await?;
    let page = rows.iter().take(GAMES_PER_PAGE);
    Ok(GamePage {
        items: page.map(rows::listing).collect::<Result<_, _>>()?,
        has_more: rows.len() > GAMES_PER_PAGE,
    })
}

/// The statement for a page of games, after `prefix`.
///
/// An unset filter is not part of the statement. `$1 IS NULL OR …` would hide the index from the
/// planner. The statement contains only fixed text; the client's values are bound.
pub(super) fn page_statement(prefix: &str, query: &GameQuery) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::<Postgres>::new(format!(
        "{prefix}SELECT {GAME_COLUMNS} FROM games WHERE true"
    ));
    if let Some(genre) = &query.genre {
        sql.push(" AND genre = ")
            .push_bind(replace_nul(genre).into_owned());
    }
    if let Some(text) = &query.text {
        let pattern = format!("%{}%", escape_like(&replace_nul(text)));
        sql.push(" AND title ILIKE ")
            .push_bind(pattern)
            .push(r" ESCAPE '\'");
    }
    // ANCHOR: paging_by_key
    if let Some(after) = &query.after {
        match query.sort {
            GameSort::Id => sql.push(" AND id > ").push_bind(after.id),
            GameSort::BestRated => sql
                .push(" AND (coalesce(rating, 0), review_count, -id) < (")
                .push_bind(after.rating.unwrap_or(0.0))
                .push(", ")
                .push_bind(after.review_count)
                .push(", ")
                .push_bind(-after.id)
                .push(")"),
            GameSort::Newest => sql
                .push(" AND (release_date, -id) < (")
                .push_bind(after.release_date)
                .push(", ")
                .push_bind(-after.id)
                .push(")"),
        };
    }
    sql.push(match query.sort {
        GameSort::Id => " ORDER BY id",
        GameSort::BestRated => " ORDER BY coalesce(rating, 0) DESC, review_count DESC, -id DESC",
        GameSort::Newest => " ORDER BY release_date DESC, -id DESC",
    });
    // ANCHOR_END: paging_by_key
    // One row more than a page tells whether another page follows, without counting all games.
    sql.push(" LIMIT ").push_bind(GAMES_PER_PAGE as i64 + 1);
    if query.after.is_none() {
        sql.push(" OFFSET ")
            .push_bind((i64::from(query.page).max(1) - 1) * GAMES_PER_PAGE as i64);
    }
    sql
}

/// Changes price, description or both. `None` leaves a column as it is.
pub(super) async fn update_game(
    db: &mut PgConnection,
    id: GameId,
    price_cents: Option<i64>,
    description: Option<String>,
) -> Result<Option<Game>, Error> {
    let sql = format!(
        "UPDATE games SET price_cents = coalesce($1, price_cents), \
         description = coalesce($2, description), updated_at = {NEXT_UPDATED_AT} \
         WHERE id = $3 RETURNING {GAME_COLUMNS}"
    );
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(price_cents)
        .bind(description)
        .bind(id)
        .fetch_optional(db)
        .await?;
    row.as_ref().map(rows::game).transpose()
}

/// Adds `count` and `stars` to the denormalised columns of a game. Returns the number of updated
/// games: one or none.
pub(super) async fn add_to_rating(
    db: &mut PgConnection,
    id: GameId,
    count: i64,
    stars: i64,
) -> Result<u64, Error> {
    let sql = format!(
        "UPDATE games SET review_count = review_count + $1, review_stars = review_stars + $2, \
         updated_at = {NEXT_UPDATED_AT} WHERE id = $3"
    );
    let update = sqlx::query(AssertSqlSafe(sql))
        .bind(count)
        .bind(stars)
        .bind(id);
    Ok(update.execute(db).await?.rows_affected())
}

/// Escapes `%` and `_`, which are wildcards in a `LIKE` pattern.
fn escape_like(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_")
}
