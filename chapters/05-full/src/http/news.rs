//! News: a list and articles. They are the same for all users, so that a publisher can render them
//! in advance, and so that a cache may keep them.

use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use ch01_clones::Problem;
use ch01_clones::web::etag::is_not_modified;
use ch01_clones::web::extract::{Path, Query};
use ch02_database::model::{Article, ArticleId};
use common::hash::fnv1a;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, StatusCode};
use maud::Markup;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::consistency::{ClientToken, ConsistencyHeader};
use super::error::ApiError;
use super::negotiation::wants_html;
use super::openapi::UNAVAILABLE;
use super::state::CloneState;
use crate::views;

const ARTICLES_PER_PAGE: usize = 10;

/// The longest slug that is looked up.
const MAX_SLUG_BYTES: usize = 200;

/// The query of `GET /news`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParams {
    /// Only articles with a lower id. The last id of a page leads to the next page.
    before: Option<ArticleId>,
}

/// A page of articles.
#[derive(Serialize, ToSchema)]
pub(super) struct NewsList {
    items: Vec<Article>,
    /// The URL of the next page; null on the last page.
    next: Option<String>,
}

/// The news, newest first.
#[utoipa::path(
    get, path = "/news", operation_id = "list_news", tag = "news",
    params(ListParams, ConsistencyHeader),
    responses(
        (status = 200, description = "A page of articles",
            content((NewsList = "application/json"), (String = "text/html"))),
        (status = 304, description = "Nothing has changed: the `ETag` is in `If-None-Match`"),
        (status = 503, description = UNAVAILABLE),
    ),
)]
pub(super) async fn list(
    State(state): State<CloneState>,
    mut client: ClientToken,
    headers: HeaderMap,
    Query(ListParams { before }): Query<ListParams>,
) -> Result<Response, ApiError> {
    // One more article than a page: if it exists, there is a next page.
    let news = &state.services.news;
    let read = news
        .articles(before, ARTICLES_PER_PAGE + 1, client.consistency())
        .await?;
    let node = read.node;
    let mut items = client.note(read);
    let has_more = items.len() > ARTICLES_PER_PAGE;
    items.truncate(ARTICLES_PER_PAGE);
    let last = items.last().filter(|_| has_more);
    let next = last.map(|last| format!("/news?before={}", last.id));
    let info = state.response_info().db(Some(node)).token(client.token());
    let content = if wants_html(&headers) {
        Content::html(views::news(&items, next.as_deref(), before.is_some()))
    } else {
        Content::json(&NewsList { items, next })
    };
    Ok(info.respond(content.respond(&headers)))
}

/// One article.
#[utoipa::path(
    get, path = "/news/{slug}", operation_id = "show_article", tag = "news",
    params(("slug" = String, Path, description = "The article's slug",
        pattern = "^[a-z0-9-]{1,200}$"), ConsistencyHeader),
    responses(
        (status = 200, description = "The article",
            content((Article = "application/json"), (String = "text/html"))),
        (status = 304, description = "Nothing has changed: the `ETag` is in `If-None-Match`"),
        (status = 404, description = "There is no such article"),
        (status = 503, description = UNAVAILABLE),
    ),
)]
pub(super) async fn show(
    State(state): State<CloneState>,
    mut client: ClientToken,
    headers: HeaderMap,
    Path(slug): Path<String>,
) -> Result<Response, ApiError> {
    let is_slug = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if slug.is_empty() || slug.len() > MAX_SLUG_BYTES || !slug.chars().all(is_slug) {
        let detail = "a slug has 1 to 200 of a-z, 0-9 and -; `GET /news` lists the articles";
        return Err(Problem::bad_request(detail).into());
    }
    let news = &state.services.news;
    let read = news.article(&slug, client.consistency()).await?;
    let node = read.node;
    let found = client.note(read);
    let info = state.response_info().db(Some(node)).token(client.token());
    let Some(article) = found else {
        let detail = format!("there is no article `{slug}`; `GET /news` lists the articles");
        return Ok(info.respond(Problem::not_found(detail)));
    };
    let content = if wants_html(&headers) {
        Content::html(views::article(&article))
    } else {
        Content::json(&article)
    };
    Ok(info.respond(content.respond(&headers)))
}

/// A document that is the same for all users.
struct Content {
    content_type: &'static str,
    text: String,
}

impl Content {
    fn html(markup: Markup) -> Self {
        Content {
            content_type: "text/html; charset=utf-8",
            text: markup.into_string(),
        }
    }

    fn json(value: &impl Serialize) -> Self {
        Content {
            content_type: "application/json",
            text: serde_json::to_string(value).expect("articles can always be written as JSON"),
        }
    }

    /// 304 if the client has this text already. A cache may keep it but must ask before each use.
    fn respond(self, headers: &HeaderMap) -> Response {
        let etag = format!("\"{:016x}\"", fnv1a(self.text.as_bytes()));
        let etag = HeaderValue::try_from(etag).expect("hexadecimal digits are ASCII");
        let cache = [
            (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
            (ETAG, etag.clone()),
        ];
        if is_not_modified(headers, &etag) {
            return (StatusCode::NOT_MODIFIED, cache).into_response();
        }
        let content_type = HeaderValue::from_static(self.content_type);
        (cache, [(CONTENT_TYPE, content_type)], Html(self.text)).into_response()
    }
}
