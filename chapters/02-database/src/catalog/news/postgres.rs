//! News in the catalogue's database.

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{Error, Row};

use super::News;
use crate::catalog::PgCatalog;
use crate::model::{Article, ArticleId, StoreError};
use crate::postgres::{ReadPool, replace_nul};
use crate::replication::{Consistency, Read};

#[async_trait]
impl News for PgCatalog {
    async fn articles(
        &self,
        before: Option<ArticleId>,
        limit: usize,
        consistency: Consistency,
    ) -> Result<Read<Vec<Article>>, StoreError> {
        self.read(consistency, |server| select_articles(server, before, limit))
            .await
    }

    async fn article(
        &self,
        slug: &str,
        consistency: Consistency,
    ) -> Result<Read<Option<Article>>, StoreError> {
        let slug = &*replace_nul(slug);
        self.read(consistency, |server| select_article(server, slug))
            .await
    }
}

async fn select_articles(
    server: &ReadPool,
    before: Option<ArticleId>,
    limit: usize,
) -> Result<Vec<Article>, Error> {
    let query = sqlx::query("SELECT * FROM news WHERE id < $1 ORDER BY id DESC LIMIT $2")
        .bind(before.unwrap_or(ArticleId::MAX))
        .bind(limit as i64);
    let rows = server.fetch_all(query).await?;
    rows.iter().map(article).collect()
}

async fn select_article(server: &ReadPool, slug: &str) -> Result<Option<Article>, Error> {
    let query = sqlx::query("SELECT * FROM news WHERE slug = $1").bind(slug);
    let row = server.fetch_optional(query).await?;
    row.as_ref().map(article).transpose()
}

fn article(row: &PgRow) -> Result<Article, Error> {
    Ok(Article {
        id: row.try_get("id")?,
        slug: row.try_get("slug")?,
        title: row.try_get("title")?,
        summary: row.try_get("summary")?,
        body: row.try_get("body")?,
        game_id: row.try_get("game_id")?,
        game_title: row.try_get("game_title")?,
        published_at: row.try_get("published_at")?,
    })
}
