//! Friends and activity in the main SQLite database.
//!
//! The naive form of the friends' activity: a join at each read. Chapter 2 writes a feed for each
//! reader instead.

use async_trait::async_trait;
use ch02_database::catalog::{ActivityKey, Social};
use ch02_database::model::{Activity, ActivityKind, Friend};
use ch02_database::{Consistency, Order, Read, StoreError, Written};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Row, Sqlite};

use super::activity::add_order_activity;
use super::catalog::SqliteCatalog;
use super::timestamp;

const ACTIVITY_COLUMNS: &str =
    "a.id, a.customer, a.kind, a.game_id, a.game_title, a.stars, a.created_at";

#[async_trait]
impl Social for SqliteCatalog {
    async fn friends(
        &self,
        customer: &str,
        after: Option<&str>,
        limit: usize,
        _: Consistency,
    ) -> Result<Read<Vec<Friend>>, StoreError> {
        let rows = sqlx::query(
            "SELECT friend, since FROM friendships WHERE customer = ? AND friend > ? \
             ORDER BY friend LIMIT ?",
        )
        .bind(customer)
        .bind(after.unwrap_or_default())
        .bind(limit as i64)
        .fetch_all(self.database().readers())
        .await?;
        let friend = |row: &SqliteRow| {
            Ok(Friend {
                name: row.get("friend"),
                since: timestamp::read(row, "since")?,
            })
        };
        let friends = rows.iter().map(friend).collect::<Result<_, StoreError>>()?;
        Ok(Read::from_primary(friends))
    }

    async fn activity(
        &self,
        customer: &str,
        viewer: Option<&str>,
        before: Option<&ActivityKey>,
        limit: usize,
        _: Consistency,
    ) -> Result<Read<Vec<Activity>>, StoreError> {
        let sql = format!(
            "SELECT {ACTIVITY_COLUMNS} FROM activity a WHERE a.customer = ?1 \
             AND (a.is_public OR ?4 = ?1 OR EXISTS \
                 (SELECT 1 FROM friendships WHERE customer = ?1 AND friend = ?4)) \
             AND (a.created_at, a.id) < (?2, ?3) \
             ORDER BY a.created_at DESC, a.id DESC LIMIT ?5"
        );
        let query = bind_key(sqlx::query(AssertSqlSafe(sql)).bind(customer), before);
        self.stream(query.bind(viewer).bind(limit as i64)).await
    }

    async fn friends_activity(
        &self,
        reader: &str,
        before: Option<&ActivityKey>,
        limit: usize,
        _: Consistency,
    ) -> Result<Read<Vec<Activity>>, StoreError> {
        let sql = format!(
            "SELECT {ACTIVITY_COLUMNS} FROM friendships f JOIN activity a ON a.customer = f.friend \
             WHERE f.customer = ?1 AND (a.created_at, a.id) < (?2, ?3) \
             ORDER BY a.created_at DESC, a.id DESC LIMIT ?4"
        );
        let query = bind_key(sqlx::query(AssertSqlSafe(sql)).bind(reader), before);
        self.stream(query.bind(limit as i64)).await
    }

    async fn record_order(&self, order: &Order) -> Result<Written<()>, StoreError> {
        let order = order.clone();
        let copy = self.database().write(move |connection| {
            Box::pin(async move { add_order_activity(connection, &order).await })
        });
        copy.await.map(Written::without_token)
    }
}

type Query<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

impl SqliteCatalog {
    async fn stream(&self, query: Query<'_>) -> Result<Read<Vec<Activity>>, StoreError> {
        let rows = query.fetch_all(self.database().readers()).await?;
        let events = rows.iter().map(activity).collect::<Result<_, _>>()?;
        Ok(Read::from_primary(events))
    }
}

/// Binds `?2` and `?3`. Without a key, every event comes after `~`: times start with a digit.
fn bind_key<'q>(query: Query<'q>, before: Option<&ActivityKey>) -> Query<'q> {
    let time = before.map(|key| timestamp::format(key.created_at));
    let id = before.map(|key| key.id.clone()).unwrap_or_default();
    query.bind(time.unwrap_or_else(|| "~".to_owned())).bind(id)
}

fn activity(row: &SqliteRow) -> Result<Activity, StoreError> {
    let kind: String = row.get("kind");
    Ok(Activity {
        id: row.get("id"),
        customer: row.get("customer"),
        kind: ActivityKind::from_name(&kind)
            .ok_or_else(|| StoreError::Corrupt(format!("unknown kind of activity: {kind}")))?,
        game_id: row.get("game_id"),
        game_title: row.get("game_title"),
        stars: row.get("stars"),
        created_at: timestamp::read(row, "created_at")?,
    })
}
