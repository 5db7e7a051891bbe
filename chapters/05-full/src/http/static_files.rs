//! What is the same for all users: pre-rendered pages, images, the style sheet.

use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use ch01_clones::Problem;
use ch01_clones::web::etag::is_not_modified;
use ch01_clones::web::extract::Path;
use ch02_database::GameId;
use ch04_async::prerender::pages::{self, STYLE_CSS, Viewer};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::consistency::{ClientToken, ConsistencyHeader, token_in_header};
use super::error::{ApiError, game_not_found};
use super::openapi::UNAVAILABLE;
use super::state::CloneState;
use super::validation::Id;
use crate::views;

/// A cache may keep the response but must revalidate it before each use, cheaply with an `ETag`.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

/// The pre-rendered page of a game. Without one, the clone renders the page for this request, and
/// also for a request with `x-consistency`, because a page has no position.
#[utoipa::path(
    get, path = "/static/games/{page}", operation_id = "game_page", tag = "pages",
    params(("page" = String, Path, description = "The game's id and `.html`", example = "7.html",
        pattern = r"^[0-9]+\.html$"), ConsistencyHeader),
    responses(
        (status = 200, description = "The page, the same for all users", body = String,
            content_type = "text/html"),
        (status = 304, description = "The page has not changed: its `ETag` is in `If-None-Match`"),
        (status = 404, description = "There is no such page"),
        (status = 503, description = UNAVAILABLE),
    ),
)]
pub(super) async fn game_page(
    State(state): State<CloneState>,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    // The page store gets a number and never a path from a client.
    let Id(id) = name
        .strip_suffix(".html")
        .and_then(|id| Id::try_from(id.to_owned()).ok())
        .ok_or_else(|| {
            Problem::not_found("pages are named by their game, such as `/static/games/7.html`")
        })?;
    // A session needs no look at its pin here: its write has withdrawn the page from all clones.
    if token_in_header(&headers)?.is_some() {
        return render_now(&state, &headers, id).await;
    }
    let stored = match state.services.pages.game(id).await {
        Ok(stored) => stored,
        Err(error) => {
            tracing::warn!(game = id, %error, "the page store failed, so the page is rendered now");
            None
        }
    };
    let Some(stored) = stored else {
        return render_now(&state, &headers, id).await;
    };
    let info = state.response_info().rendered("static");
    let etag = HeaderValue::try_from(format!("\"{}\"", stored.etag))
        .expect("the tags of an object store are ASCII");
    let has_page = is_not_modified(&headers, &etag);
    let headers = [(CACHE_CONTROL, REVALIDATE), (ETAG, etag)];
    if has_page {
        return Ok(info.respond((StatusCode::NOT_MODIFIED, headers)));
    }
    Ok(info.respond((headers, Html(stored.html))))
}

async fn render_now(
    state: &CloneState,
    headers: &HeaderMap,
    id: GameId,
) -> Result<Response, ApiError> {
    let mut client = ClientToken::find(&state.services, headers).await?;
    let products = &state.services.products;
    let found = products.get(id, client.consistency()).await?;
    client.seen(found.token);
    state.metrics.count_cache_lookup(found.status.as_str());
    let info = state.response_info().cache(found.status);
    let info = info.db(found.node).token(client.token());
    let Some(product) = found.product else {
        return Ok(info.respond(game_not_found(id)));
    };
    let html = pages::game_page(
        &product,
        Viewer::Anyone,
        Some("rendered for this request"),
        None,
    );
    let response = ([(CACHE_CONTROL, REVALIDATE)], Html(html.into_string()));
    Ok(info.rendered("dynamic").respond(response))
}

/// An image of a game, generated from the game's id.
#[utoipa::path(
    get, path = "/static/art/{id}/{name}", operation_id = "game_image", tag = "pages",
    params(
        ("id" = GameId, Path),
        ("name" = String, Path, example = "cover.svg",
            description = "`cover.svg`, `screen-1.svg`, `screen-2.svg` or `trailer.svg`"),
    ),
    responses(
        (status = 200, description = "The image", body = String, content_type = "image/svg+xml"),
        (status = 404, description = "There is no such image"),
    ),
)]
pub(super) async fn image(Path((Id(id), name)): Path<(Id, String)>) -> Result<Response, Problem> {
    let svg = artwork::svg(&name, id).ok_or_else(|| {
        Problem::not_found(
            "a game's images are `cover.svg`, `screen-1.svg`, `screen-2.svg` and `trailer.svg`",
        )
    })?;
    Ok(file("image/svg+xml", "public, max-age=86400", svg))
}

/// The style sheet of the pages.
#[utoipa::path(
    get, path = "/static/style.css", operation_id = "style", tag = "pages",
    responses((status = 200, description = "The file", body = String, content_type = "text/css")),
)]
pub(super) async fn style() -> Response {
    file("text/css; charset=utf-8", "public, max-age=60", STYLE_CSS)
}

/// The icon of the pages.
#[utoipa::path(
    get, path = "/static/icon.svg", operation_id = "icon", tag = "pages",
    responses((status = 200, description = "The file", body = String, content_type = "image/svg+xml")),
)]
pub(super) async fn icon() -> Response {
    file("image/svg+xml", "public, max-age=86400", artwork::ICON_SVG)
}

/// The script of a job's page.
#[utoipa::path(
    get, path = "/static/job.js", operation_id = "job_script", tag = "pages",
    responses((status = 200, description = "The file", body = String, content_type = "text/javascript")),
)]
pub(super) async fn job_script() -> Response {
    file(
        "text/javascript; charset=utf-8",
        "public, max-age=60",
        views::JOB_JS,
    )
}

fn file(
    content_type: &'static str,
    cache_control: &'static str,
    content: impl IntoResponse,
) -> Response {
    let headers = [(CONTENT_TYPE, content_type), (CACHE_CONTROL, cache_control)];
    (headers, content).into_response()
}
