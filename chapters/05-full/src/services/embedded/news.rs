//! News in the main SQLite database.

use async_trait::async_trait;
use ch02_database::catalog::News;
use ch02_database::model::{Article, ArticleId};
use ch02_database::{Consistency, Read, StoreError};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::catalog::SqliteCatalog;
use super::timestamp;

#[async_trait]
impl News for SqliteCatalog {
    async fn articles(
        &self,
        before: Option<ArticleId>,
        limit: usize,
        _: Consistency,
    ) -> Result<Read<Vec<Article>>, StoreError> {
        let rows = sqlx::query("SELECT * FROM news WHERE id < ? ORDER BY id DESC LIMIT ?")
            .bind(before.unwrap_or(ArticleId::MAX))
            .bind(limit as i64)
            .fetch_all(self.database().readers())
            .await?;
        let articles = rows.iter().map(article).collect::<Result<_, _>>()?;
        Ok(Read::from_primary(articles))
    }

    async fn article(
        &self,
        slug: &str,
        _: Consistency,
    ) -> Result<Read<Option<Article>>, StoreError> {
        let row = sqlx::query("SELECT * FROM news WHERE slug = ?")
            .bind(slug)
            .fetch_optional(self.database().readers())
            .await?;
        Ok(Read::from_primary(row.as_ref().map(article).transpose()?))
    }
}

fn article(row: &SqliteRow) -> Result<Article, StoreError> {
    Ok(Article {
        id: row.get("id"),
        slug: row.get("slug"),
        title: row.get("title"),
        summary: row.get("summary"),
        body: row.get("body"),
        game_id: row.get("game_id"),
        game_title: row.get("game_title"),
        published_at: timestamp::read(row, "published_at")?,
    })
}
