//! The catalogue on PostgreSQL: writes go to the primary, reads to the replicas.
//!
//! A product is joined here and not in SQL, as everywhere in this workshop: two short queries by primary key and index. They are not in one
//! transaction, so a review that is written between the two may be in the list and not yet in the rating.
//!
//! Left out: an index for the search in titles (`pg_trgm`), so it reads all of them; and the place of a page by key instead of
//! `OFFSET`, which reads and throws away all pages before.

use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use sqlx::postgres::{PgConnection, PgPool, PgRow};
use sqlx::{AssertSqlSafe, Error, Postgres, QueryBuilder, Row};

use super::pool::{PATIENCE, REPLICA_PATIENCE, says_the_server_is_away, within};
use super::replication::Replicas;
use super::rows::{game, listing, review};
use super::{rows, storable, store_error, transact};
use crate::catalog::{
    Catalog, Deletion, GAMES_PER_PAGE, GameChange, GameOrder, GamePage, GameQuery, GameVersion,
    NewReview,
};
use crate::game::{Game, GameId, Product, REVIEWS_PER_PRODUCT, Review, ReviewId};
use crate::store::{Node, Read, StoreError};

const GAME: &str = "id, slug, title, description, genre, developer, publisher, platform, release_date, price_cents, \
     images, trailer, updated_at, rating, review_count";

/// The time of a change. Two changes of a game never have the same, and a later one never an earlier, whatever a server's clock does:
/// publishers compare these times.
const LATER: &str = "greatest(clock_timestamp(), updated_at + interval '1 microsecond')";

/// A catalogue on a primary and its replicas.
pub struct PgCatalog {
    primary: PgPool,
    replicas: Replicas,
    patience: Option<Duration>,
}

impl PgCatalog {
    /// How long a write waits for the replicas, unless there is a reason for another time.
    pub const PATIENCE: Duration = Duration::from_secs(1);

    /// The catalogue on these servers. Without replicas the primary answers the reads too.
    ///
    /// `patience` is how long a write waits for the replicas to follow. `None` is the naive version: do not wait, and show the next
    /// reader an old game. Opening counts as a write: a store that was filled a moment ago is not yet on its replicas.
    pub async fn open(primary: PgPool, replicas: Vec<PgPool>, patience: Option<Duration>) -> Self {
        let catalog = PgCatalog {
            primary,
            replicas: Replicas::new(replicas),
            patience,
        };
        catalog.catch_up().await;
        catalog
    }

    async fn catch_up(&self) {
        if let Some(patience) = self.patience {
            self.replicas.catch_up(&self.primary, patience).await;
        }
    }

    // ANCHOR: read
    /// Asks the replicas in turn, and the primary if none of them answers.
    async fn read<'s, T, Answer>(
        &'s self,
        ask: impl Fn(&'s PgPool) -> Answer,
    ) -> Result<Read<T>, StoreError>
    where
        Answer: Future<Output = Result<T, Error>>,
    {
        for replica in self.replicas.in_turn() {
            match within(REPLICA_PATIENCE, ask(&replica.pool)).await {
                Ok(value) => {
                    let node = Node::Replica(replica.number);
                    return Ok(Read { value, node });
                }
                Err(error) if says_the_server_is_away(&error) => {
                    replica.leave_out(&error.to_string())
                }
                // The replica is well, only this statement was not: cancelled by the replay of a change, perhaps, or about a table
                // that has not come this far yet. Somebody else may do better.
                Err(error) => {
                    tracing::info!(replica = replica.number, %error, "a read failed; asking the next server")
                }
            }
        }
        let answer = within(PATIENCE, ask(&self.primary)).await;
        answer.map(Read::from_primary).map_err(store_error)
    }
    // ANCHOR_END: read

    /// Runs a transaction on the primary, then waits for the replicas. Who is dropped in between does not wait, and has promised nobody
    /// anything yet.
    async fn write<T: Send + 'static>(
        &self,
        work: impl for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, Error>>
        + Send
        + 'static,
    ) -> Result<T, StoreError> {
        let value = transact(&self.primary, work).await?;
        self.catch_up().await;
        Ok(value)
    }
}

#[async_trait]
impl Catalog for PgCatalog {
    async fn game(&self, id: GameId) -> Result<Read<Option<Game>>, StoreError> {
        self.read(|server| find(server, id)).await
    }

    // ANCHOR: product
    async fn product(&self, id: GameId) -> Result<Read<Option<Product>>, StoreError> {
        self.read(async |server| {
            let Some(game) = find(server, id).await? else {
                return Ok(None);
            };
            let rows = sqlx::query(
                "SELECT id, customer, stars, text, created_at FROM reviews WHERE game_id = $1 \
                 ORDER BY created_at DESC, id DESC LIMIT $2",
            )
            .bind(id)
            .bind(REVIEWS_PER_PRODUCT as i64)
            .fetch_all(server)
            .await?;
            let reviews = rows.iter().map(review).collect::<Result<_, _>>()?;
            Ok(Some(Product { game, reviews }))
        })
        .await
    }
    // ANCHOR_END: product

    async fn list(&self, query: &GameQuery) -> Result<Read<GamePage>, StoreError> {
        self.read(|server| page(server, query)).await
    }

    async fn versions(&self) -> Result<Read<Vec<GameVersion>>, StoreError> {
        self.read(async |server| {
            let rows = sqlx::query("SELECT id, updated_at FROM games ORDER BY id")
                .fetch_all(server)
                .await?;
            let version = |row: &PgRow| {
                Ok(GameVersion {
                    id: row.try_get("id")?,
                    updated_at: row.try_get("updated_at")?,
                })
            };
            rows.iter().map(version).collect()
        })
        .await
    }

    async fn change(&self, id: GameId, change: &GameChange) -> Result<Option<Game>, StoreError> {
        let price_cents = change.price_cents;
        let description = change
            .description
            .as_deref()
            .map(|text| storable(text).into_owned());
        self.write(move |db| {
            Box::pin(async move {
                let sql = format!(
                    "UPDATE games SET price_cents = coalesce($1, price_cents), \
                     description = coalesce($2, description), updated_at = {LATER} WHERE id = $3 RETURNING {GAME}"
                );
                let row = sqlx::query(AssertSqlSafe(sql))
                    .bind(price_cents)
                    .bind(description)
                    .bind(id)
                    .fetch_optional(db)
                    .await?;
                row.as_ref().map(game).transpose()
            })
        })
        .await
    }

    async fn add_review(
        &self,
        id: GameId,
        review: &NewReview,
    ) -> Result<Option<Review>, StoreError> {
        let (customer, text) = (
            storable(&review.customer).into_owned(),
            storable(&review.text).into_owned(),
        );
        let stars = i16::from(review.stars);
        self.write(move |db| {
            Box::pin(async move {
                // The game first, here and in `delete_review`: its row is the lock that puts the reviews of a game in a queue.
                if count_review(db, id, 1, i64::from(stars)).await? == 0 {
                    return Ok(None);
                }
                let row = sqlx::query(
                    "INSERT INTO reviews (game_id, customer, stars, text, created_at) \
                     VALUES ($1, $2, $3, $4, clock_timestamp()) RETURNING id, customer, stars, text, created_at",
                )
                .bind(id)
                .bind(customer)
                .bind(stars)
                .bind(text)
                .fetch_one(db)
                .await?;
                rows::review(&row).map(Some)
            })
        })
        .await
    }

    async fn delete_review(
        &self,
        id: GameId,
        review: ReviewId,
        customer: &str,
    ) -> Result<Deletion, StoreError> {
        let customer = storable(customer).into_owned();
        self.write(move |db| {
            Box::pin(async move {
                sqlx::query("SELECT 1 FROM games WHERE id = $1 FOR UPDATE")
                    .bind(id)
                    .execute(&mut *db)
                    .await?;
                let author: Option<String> = sqlx::query_scalar(
                    "SELECT customer FROM reviews WHERE id = $1 AND game_id = $2",
                )
                .bind(review)
                .bind(id)
                .fetch_optional(&mut *db)
                .await?;
                match author {
                    None => return Ok(Deletion::NotFound),
                    Some(author) if author != customer => return Ok(Deletion::NotYours),
                    Some(_) => {}
                }
                let stars: i16 =
                    sqlx::query_scalar("DELETE FROM reviews WHERE id = $1 RETURNING stars")
                        .bind(review)
                        .fetch_one(&mut *db)
                        .await?;
                count_review(db, id, -1, -i64::from(stars)).await?;
                Ok(Deletion::Deleted)
            })
        })
        .await
    }
}

async fn find(server: &PgPool, id: GameId) -> Result<Option<Game>, Error> {
    let row = sqlx::query(AssertSqlSafe(format!(
        "SELECT {GAME} FROM games WHERE id = $1"
    )))
    .bind(id)
    .fetch_optional(server)
    .await?;
    row.as_ref().map(game).transpose()
}

async fn page(server: &PgPool, query: &GameQuery) -> Result<GamePage, Error> {
    // A filter that is not set is left out of the text instead of being written as `$1 IS NULL OR …`, which would hide the index from
    // the planner. Only fixed text goes into the statement; what the client sent is bound.
    let mut sql = QueryBuilder::<Postgres>::new(format!("SELECT {GAME} FROM games WHERE true"));
    if let Some(genre) = &query.genre {
        sql.push(" AND genre = ").push_bind(storable(genre));
    }
    if let Some(text) = &query.text {
        let pattern = format!("%{}%", escape_like(&storable(text)));
        sql.push(" AND title ILIKE ")
            .push_bind(pattern)
            .push(r" ESCAPE '\'");
    }
    sql.push(match query.order {
        GameOrder::Id => " ORDER BY id",
        // To PostgreSQL NULL is the greatest of all values.
        GameOrder::BestRated => " ORDER BY rating DESC NULLS LAST, review_count DESC, id",
        GameOrder::Newest => " ORDER BY release_date DESC, id",
    });
    // One more than a page: whether it comes tells whether another page follows, without counting all games.
    sql.push(" LIMIT ").push_bind(GAMES_PER_PAGE as i64 + 1);
    sql.push(" OFFSET ")
        .push_bind((i64::from(query.page).max(1) - 1) * GAMES_PER_PAGE as i64);
    let rows = sql.build().fetch_all(server).await?;
    Ok(GamePage {
        items: rows
            .iter()
            .take(GAMES_PER_PAGE)
            .map(listing)
            .collect::<Result<_, _>>()?,
        has_more: rows.len() > GAMES_PER_PAGE,
    })
}

/// Brings the denormalised columns of a game up to date. Returns how many games there were to update: one or none.
async fn count_review(
    db: &mut PgConnection,
    id: GameId,
    count: i64,
    stars: i64,
) -> Result<u64, Error> {
    let sql = format!(
        "UPDATE games SET review_count = review_count + $1, review_stars = review_stars + $2, updated_at = {LATER} \
         WHERE id = $3"
    );
    let counted = sqlx::query(AssertSqlSafe(sql))
        .bind(count)
        .bind(stars)
        .bind(id);
    Ok(counted.execute(db).await?.rows_affected())
}

/// Makes `%` and `_` in what somebody searches for mean themselves.
fn escape_like(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_")
}
