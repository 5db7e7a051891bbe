//! The catalogue over HTTP: lists, product pages, price changes.

use axum::extract::State;
use axum::response::Response;
use ch01_clones::Problem;
use ch01_clones::clone::login::{CurrentUser, MaybeUser};
use ch01_clones::web::extract::{Json, Path, Query};
use ch02_database::catalog::{GameChange, GameQuery, GameSort};
use ch02_database::model::{Game, Listing, MAX_DESCRIPTION_CHARS, MAX_PRICE_CENTS, Product};
use ch02_database::{GameId, Node};
use ch04_async::pages;
use http::HeaderMap;
use http::header::CACHE_CONTROL;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::describe::{AWAY, NOBODY};
use super::input::{Id, plain_text, search_term};
use super::negotiate::{Explained, page, visitor, wants_html};
use super::{CloneState, unavailable};
use crate::views;

/// The highest page that is looked for. Beyond it lie no games, only slow queries.
const MAX_PAGE: u32 = 100_000;

/// What `GET /games` takes.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(super) struct ListParams {
    /// Counted from 1.
    #[param(minimum = 1, maximum = 100_000)]
    page: Option<u32>,
    /// Only this genre.
    #[param(max_length = 100)]
    genre: String,
    /// Only games with this text in their title.
    #[param(max_length = 100)]
    q: String,
}

/// A page of games.
#[derive(Serialize, ToSchema)]
pub(super) struct GameList {
    items: Vec<Listing>,
    /// Where the next page is; null on the last one.
    next: Option<String>,
}

/// Lists games, 24 at a time.
#[utoipa::path(get, path = "/games", operation_id = "list_games", tag = "games", params(ListParams), responses(
    (status = 200, description = "A page of games", content((GameList = "application/json"), (String = "text/html"))),
    (status = 503, description = AWAY),
))]
pub(super) async fn list(
    State(state): State<CloneState>,
    MaybeUser(user): MaybeUser,
    headers: HeaderMap,
    Query(params): Query<ListParams>,
) -> Result<Response, Problem> {
    let number = params.page.unwrap_or(1);
    if !(1..=MAX_PAGE).contains(&number) {
        return Err(Problem::bad_request(format!(
            "`page` is counted from 1 to {MAX_PAGE}, so it cannot be {number}"
        )));
    }
    let query = GameQuery {
        page: number,
        genre: search_term("genre", params.genre)?,
        text: search_term("q", params.q)?,
        sort: GameSort::Id,
    };
    let read = state
        .services
        .catalog
        .list(&query)
        .await
        .map_err(unavailable)?;
    let explained = Explained::by(state.identity.name()).db(Some(read.node));
    let next = read.value.has_more.then(|| page_url(&query, number + 1));
    if wants_html(&headers) {
        let previous = (number > 1).then(|| page_url(&query, number - 1));
        let (next, previous) = (next.as_deref(), previous.as_deref());
        let html = views::games(
            &read.value,
            &query,
            next,
            previous,
            visitor(user.as_deref()),
            &explained.made,
        );
        return Ok(explained.explain(page(&html)));
    }
    let items = read.value.items;
    Ok(explained.explain(Json(GameList { items, next })))
}

/// One game with its reviews. Comes from the cache unless the request says `Cache-Control: no-cache`.
#[utoipa::path(get, path = "/games/{id}", operation_id = "show_game", tag = "games", params(("id" = GameId, Path)), responses(
    (status = 200, description = "The game", content((Product = "application/json"), (String = "text/html"))),
    (status = 404, description = "No such game"),
    (status = 503, description = AWAY),
))]
pub(super) async fn show(
    State(state): State<CloneState>,
    MaybeUser(user): MaybeUser,
    headers: HeaderMap,
    Path(Id(id)): Path<Id>,
) -> Result<Response, Problem> {
    let products = &state.services.products;
    let found = if says_no_cache(&headers) {
        products.bypass(id).await
    } else {
        products.get(id).await
    };
    let found = found.map_err(unavailable)?;
    state.metrics.cache_lookup(found.status.as_str());
    let explained = Explained::by(state.identity.name())
        .cache(found.status)
        .db(found.node);
    let Some(product) = found.product else {
        return Ok(explained.explain(no_game(id)));
    };
    let explained = explained.rendered("dynamic");
    if wants_html(&headers) {
        // A key for the order that this page may become. Reloading makes another one; sending the form twice does not.
        let key = Uuid::new_v4().to_string();
        let html = pages::game_page(
            &product,
            visitor(user.as_deref()),
            Some(&explained.made),
            Some(&key),
        );
        return Ok(explained.explain(page(&html)));
    }
    Ok(explained.explain(Json(product)))
}

/// What `PATCH /games/{id}` takes: at least one of the two.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeGame {
    /// 0 to 1,000,000.
    #[schema(example = 1999, minimum = 0, maximum = 1_000_000)]
    price_cents: Option<i64>,
    /// 1 to 5,000 characters of plain text.
    #[schema(min_length = 1, max_length = 5_000)]
    description: Option<String>,
}

/// Changes price or description. When the answer comes, neither cache nor pre-rendered page shows the old game any more.
///
/// Anybody who is logged in may do this: roles are not what this workshop teaches.
#[utoipa::path(patch, path = "/games/{id}", operation_id = "change_game", tag = "games",
    params(("id" = GameId, Path)), request_body = ChangeGame, responses(
    (status = 200, description = "The game as it is now, without its reviews", body = Game),
    (status = 401, description = NOBODY),
    (status = 404, description = "No such game"),
    (status = 422, description = "Not a change that can be made"),
    (status = 503, description = AWAY),
))]
pub(super) async fn change(
    State(state): State<CloneState>,
    CurrentUser(_): CurrentUser,
    Path(Id(id)): Path<Id>,
    Json(change): Json<ChangeGame>,
) -> Result<Response, Problem> {
    let description = change
        .description
        .map(|text| plain_text("description", &text, MAX_DESCRIPTION_CHARS));
    let change = GameChange {
        price_cents: change.price_cents,
        description: description.transpose()?,
    };
    if change == GameChange::default() {
        return Err(Problem::unprocessable(
            r#"nothing to change; send `{"price_cents":1999}` or a `description`"#,
        ));
    }
    if let Some(price) = change
        .price_cents
        .filter(|price| !(0..=MAX_PRICE_CENTS).contains(price))
    {
        return Err(Problem::unprocessable(format!(
            "`price_cents` is 0 to {MAX_PRICE_CENTS}, so it cannot be {price}"
        )));
    }
    let changed = state
        .services
        .catalog
        .change(id, &change)
        .await
        .map_err(unavailable)?;
    let explained = Explained::by(state.identity.name()).db(Some(Node::Primary));
    let Some(game) = changed else {
        return Ok(explained.explain(no_game(id)));
    };
    state.services.game_changed(id).await;
    Ok(explained.explain(Json(game)))
}

/// Whether the client wants no copy. `Cache-Control` is a list: some send `no-cache` alone, others `no-cache, max-age=0`.
fn says_no_cache(headers: &HeaderMap) -> bool {
    let values = headers.get_all(CACHE_CONTROL).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|directive| directive.trim().eq_ignore_ascii_case("no-cache"))
}

/// The answer to an id that no game has.
pub(super) fn no_game(id: GameId) -> Problem {
    Problem::not_found(format!(
        "there is no game {id}; `GET /games` lists those that exist"
    ))
}

fn page_url(query: &GameQuery, number: u32) -> String {
    let mut params = vec![("page", number.to_string())];
    params.extend(query.genre.iter().map(|genre| ("genre", genre.clone())));
    params.extend(query.text.iter().map(|text| ("q", text.clone())));
    let query =
        serde_urlencoded::to_string(params).expect("names and strings can always be encoded");
    format!("/games?{query}")
}
