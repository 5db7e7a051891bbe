//! News: the trait [`News`]. Articles come with the store; nobody writes new ones.

mod postgres;

use async_trait::async_trait;

use crate::model::{Article, ArticleId, StoreError};
use crate::replication::{Consistency, Read};

/// The news articles.
#[async_trait]
pub trait News: Send + Sync + 'static {
    /// Articles, newest first: at most `limit`, and only those with an id below `before`.
    async fn articles(
        &self,
        before: Option<ArticleId>,
        limit: usize,
        consistency: Consistency,
    ) -> Result<Read<Vec<Article>>, StoreError>;

    /// The article with this slug.
    async fn article(
        &self,
        slug: &str,
        consistency: Consistency,
    ) -> Result<Read<Option<Article>>, StoreError>;
}
