//! What is the same for everybody: pages rendered in advance, drawings, the style sheet.

use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use ch01_clones::Problem;
use ch01_clones::web::extract::Path;
use ch02_database::GameId;
use ch04_async::pages::{self, STYLE_CSS, Visitor, art};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::describe::AWAY;
use super::games::no_game;
use super::input::Id;
use super::negotiate::Explained;
use super::{CloneState, unavailable};
use crate::views;

/// A game's page, rendered in advance. Where there is none (yet), it is rendered now.
#[utoipa::path(get, path = "/static/games/{page}", operation_id = "game_page", tag = "pages",
    params(("page" = String, Path, description = "The game's id and `.html`", example = "7.html")), responses(
    (status = 200, description = "The page, the same for everybody", body = String, content_type = "text/html"),
    (status = 304, description = "The page has not changed: the `ETag` is the one in `If-None-Match`"),
    (status = 404, description = "No such page"),
    (status = 503, description = AWAY),
))]
pub(super) async fn game_page(
    State(state): State<CloneState>,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    // A number and nothing else: no path of the client's making ever reaches the page store.
    let Id(id) = name
        .strip_suffix(".html")
        .and_then(|id| Id::try_from(id.to_owned()).ok())
        .ok_or_else(|| {
            Problem::not_found("pages are named by their game, such as `/static/games/7.html`")
        })?;
    let explained = Explained::by(state.identity.name());
    let stored = match state.services.pages.game(id).await {
        Ok(stored) => stored,
        Err(error) => {
            tracing::warn!(game = id, %error, "rendering the page now");
            None
        }
    };
    // "no-cache" means: keep it, but ask before each use whether it is still right. With an ETag asking is cheap.
    let revalidate = (CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let Some(stored) = stored else {
        let found = state.services.products.get(id).await.map_err(unavailable)?;
        state.metrics.cache_lookup(found.status.as_str());
        let explained = explained.cache(found.status).db(found.node);
        let Some(product) = found.product else {
            return Ok(explained.explain(no_game(id)));
        };
        let explained = explained.rendered("dynamic");
        let html = pages::game_page(
            &product,
            Visitor::Unknown,
            Some("rendered for this request"),
            None,
        );
        return Ok(explained.explain(([revalidate], Html(html.into_string()))));
    };
    let explained = explained.rendered("static");
    let etag = HeaderValue::try_from(format!("\"{}\"", stored.etag))
        .expect("an object store's tags are ASCII");
    let headers = if matches(&headers, &etag) {
        return Ok(explained.explain((StatusCode::NOT_MODIFIED, [revalidate, (ETAG, etag)])));
    } else {
        [revalidate, (ETAG, etag)]
    };
    Ok(explained.explain((headers, Html(stored.html))))
}

/// A drawing, made from the game's id alone.
#[utoipa::path(get, path = "/static/art/{id}/{name}", operation_id = "game_drawing", tag = "pages", params(
    ("id" = GameId, Path), ("name" = String, Path, description = "`cover.svg`, `screen-1.svg`, `screen-2.svg` or `trailer.svg`", example = "cover.svg"),
), responses(
    (status = 200, description = "The drawing", body = String, content_type = "image/svg+xml"),
    (status = 404, description = "No such drawing"),
))]
pub(super) async fn art(Path((Id(id), name)): Path<(Id, String)>) -> Result<Response, Problem> {
    let svg = art::svg(&name, id).ok_or_else(|| {
        Problem::not_found(
            "a game's drawings are `cover.svg`, `screen-1.svg`, `screen-2.svg` and `trailer.svg`",
        )
    })?;
    Ok(file("image/svg+xml", "public, max-age=86400", svg))
}

/// `GET /static/style.css`
pub(super) async fn style() -> Response {
    file("text/css; charset=utf-8", "public, max-age=60", STYLE_CSS)
}

/// `GET /static/icon.svg`
pub(super) async fn icon() -> Response {
    file("image/svg+xml", "public, max-age=86400", art::ICON_SVG)
}

/// `GET /static/job.js`
pub(super) async fn job_script() -> Response {
    file(
        "text/javascript; charset=utf-8",
        "public, max-age=60",
        views::JOB_JS,
    )
}

fn file(kind: &'static str, caching: &'static str, content: impl IntoResponse) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CACHE_CONTROL, HeaderValue::from_static(caching)),
    ];
    (headers, content).into_response()
}

/// Whether `If-None-Match` has this tag, or `*`. Compared weakly, as RFC 9110 (13.1.2) wants it.
fn matches(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == "*" || tag.as_bytes() == etag.as_bytes())
}
