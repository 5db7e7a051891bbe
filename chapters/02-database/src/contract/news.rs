//! The contract of [`News`].

use crate::catalog::News;
use crate::model::{Article, ArticleId, GameId};
use crate::replication::Consistency;
use crate::seed::generator::{ARTICLES, DEFAULT_SEED, Generator};

/// Checks what every [`News`] must do. Takes a store that was just filled with `games` games of the
/// default seed.
///
/// # Panics
/// At the first broken promise. The message names the likely mistake.
pub async fn check_news(news: &dyn News, games: GameId) {
    let generator = Generator::new(DEFAULT_SEED);
    let expected: Vec<Article> = (1..=ARTICLES)
        .rev()
        .map(|id| generator.article(id, games))
        .collect();
    for limit in [1, 7, 1_000] {
        let mut found: Vec<Article> = Vec::new();
        loop {
            let before = found.last().map(|article| article.id);
            let page = news
                .articles(before, limit, Consistency::Eventual)
                .await
                .unwrap()
                .value;
            assert!(page.len() <= limit, "a page must not exceed its limit");
            if page.is_empty() {
                break;
            }
            found.extend(page);
        }
        assert_eq!(
            found, expected,
            "all articles, newest first, {limit} a page"
        );
    }
    for before in [0, 1, ArticleId::MIN] {
        let page = news
            .articles(Some(before), 5, Consistency::Eventual)
            .await
            .unwrap()
            .value;
        assert_eq!(page, [], "no article has an id below {before}");
    }
    for article in &expected {
        let found = news
            .article(&article.slug, Consistency::Eventual)
            .await
            .unwrap()
            .value;
        assert_eq!(found.as_ref(), Some(article), "{}", article.slug);
    }
    for slug in ["", "nonesuch", "%", "a\0b", "../1", "'"] {
        let found = news
            .article(slug, Consistency::Eventual)
            .await
            .unwrap()
            .value;
        assert_eq!(found, None, "slug {slug:?}");
    }
}
