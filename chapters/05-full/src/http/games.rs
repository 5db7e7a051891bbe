//! The catalogue: lists, product pages, price changes.

use axum::extract::State;
use axum::response::Response;
use ch01_clones::Problem;
use ch01_clones::clone::login::{CurrentUser, MaybeUser};
use ch01_clones::web::extract::{Json, Path, Query};
use ch01_clones::web::header_list::{Quotes, members};
use ch02_database::catalog::{GameChange, GameCursor, GameQuery, GameSort};
use ch02_database::model::{Game, Listing, MAX_DESCRIPTION_CHARS, MAX_PRICE_CENTS, Product};
use ch02_database::{GameId, Node};
use ch04_async::prerender::pages;
use http::HeaderMap;
use http::header::CACHE_CONTROL;
use serde::{Deserialize, Serialize};
use utoipa::openapi::Object;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::consistency::{ClientToken, ConsistencyHeader};
use super::error::{ApiError, game_not_found};
use super::negotiation::wants_html;
use super::openapi::{NOT_LOGGED_IN, UNAVAILABLE};
use super::response::{page, viewer};
use super::state::CloneState;
use super::validation::{
    Genre, Id, Integer, SearchTerm, genre, not_null, plain_text, plain_text_schema, search_term,
};
use crate::views;

/// The greatest page number. A large offset makes a slow query.
const MAX_PAGE: u32 = 100_000;

/// The query of `GET /games`.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(super) struct ListParams {
    /// The page number, from 1.
    #[param(minimum = 1, maximum = 100_000)]
    page: Option<u32>,
    /// Only games with a greater id: the last game of the page before. It makes a late page as fast
    /// as the first one. The field `next` contains it; `page` then only numbers the page.
    after: Option<GameId>,
    /// Only games of this genre. Empty means all genres.
    #[param(value_type = Genre, inline, required = false)]
    genre: String,
    /// Only games with this text in the title.
    #[param(value_type = SearchTerm, inline, required = false)]
    q: String,
}

/// A page of games.
#[derive(Serialize, ToSchema)]
pub(super) struct GameList {
    items: Vec<Listing>,
    /// The URL of the next page; null on the last page.
    next: Option<String>,
}

/// Lists games, 24 on a page.
#[utoipa::path(
    get, path = "/games", operation_id = "list_games", tag = "games",
    params(ListParams, ConsistencyHeader),
    responses(
        (status = 200, description = "A page of games",
            content((GameList = "application/json"), (String = "text/html"))),
        (status = 503, description = UNAVAILABLE),
    ),
)]
pub(super) async fn list(
    State(state): State<CloneState>,
    MaybeUser(user): MaybeUser,
    mut client: ClientToken,
    headers: HeaderMap,
    Query(params): Query<ListParams>,
) -> Result<Response, ApiError> {
    let number = params.page.unwrap_or(1);
    if !(1..=MAX_PAGE).contains(&number) {
        let detail = format!("`page` is counted from 1 to {MAX_PAGE}, so it cannot be {number}");
        return Err(Problem::bad_request(detail).into());
    }
    let query = GameQuery {
        page: number,
        after: params.after.map(GameCursor::by_id),
        genre: genre(params.genre)?,
        text: search_term("q", params.q)?,
        sort: GameSort::Id,
    };
    let catalog = &state.services.catalog;
    let read = catalog.list(&query, client.consistency()).await?;
    let node = read.node;
    let games = client.note(read);
    let info = state.response_info().db(Some(node)).token(client.token());
    let last = games.items.last().filter(|_| games.has_more);
    let next = last.map(|last| page_url(&query, number + 1, Some(last.game.id)));
    if wants_html(&headers) {
        let previous = (number > 1).then(|| page_url(&query, number - 1, None));
        let html = views::games(
            &games,
            &query,
            next.as_deref(),
            previous.as_deref(),
            viewer(user.as_deref()),
            &info.render_info,
        );
        return Ok(info.respond(page(&html)));
    }
    let items = games.items;
    Ok(info.respond(Json(GameList { items, next })))
}

/// One game with its reviews, from the cache. `Cache-Control: no-cache` bypasses the cache.
#[utoipa::path(
    get, path = "/games/{id}", operation_id = "show_game", tag = "games",
    params(("id" = GameId, Path), ConsistencyHeader),
    responses(
        (status = 200, description = "The game",
            content((Product = "application/json"), (String = "text/html"))),
        (status = 404, description = "There is no such game"),
        (status = 503, description = UNAVAILABLE),
    ),
)]
pub(super) async fn show(
    State(state): State<CloneState>,
    MaybeUser(user): MaybeUser,
    mut client: ClientToken,
    headers: HeaderMap,
    Path(Id(id)): Path<Id>,
) -> Result<Response, ApiError> {
    let products = &state.services.products;
    let found = if has_no_cache(&headers) {
        products.bypass(id, client.consistency()).await?
    } else {
        products.get(id, client.consistency()).await?
    };
    state.metrics.count_cache_lookup(found.status.as_str());
    client.seen(found.token);
    let info = state.response_info().cache(found.status);
    let info = info.db(found.node).token(client.token());
    let Some(product) = found.product else {
        return Ok(info.respond(game_not_found(id)));
    };
    let info = info.rendered("dynamic");
    if wants_html(&headers) {
        // The idempotency key of the order form. Sending the form twice sends the same key.
        let key = Uuid::new_v4().to_string();
        let html = pages::game_page(
            &product,
            viewer(user.as_deref()),
            Some(&info.render_info),
            Some(&key),
        );
        return Ok(info.respond(page(&html)));
    }
    Ok(info.respond(Json(product)))
}

/// The body of `PATCH /games/{id}`: at least one of the two fields.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(min_properties = 1)]
pub(super) struct ChangeGame {
    /// 0 to 1,000,000.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(example = 1999, minimum = 0, maximum = 1_000_000, nullable = false)]
    #[schema(value_type = Option<i64>)]
    price_cents: Option<Integer<i64>>,
    #[serde(default, deserialize_with = "not_null")]
    #[schema(schema_with = description_schema, required = false)]
    description: Option<String>,
}

fn description_schema() -> Object {
    plain_text_schema(MAX_DESCRIPTION_CHARS, "A puzzle game for rainy days.")
}

/// Changes the price or the description. After the response, no cache and no page shows the old
/// game.
///
/// Every user who is logged in may do this: the workshop does not teach permissions.
#[utoipa::path(
    patch, path = "/games/{id}", operation_id = "change_game", tag = "games",
    params(("id" = GameId, Path), ConsistencyHeader),
    request_body = ChangeGame,
    responses(
        (status = 200, description = "The changed game, without its reviews", body = Game),
        (status = 401, description = NOT_LOGGED_IN),
        (status = 404, description = "There is no such game"),
        (status = 422, description = "The change is invalid"),
        (status = 503, description = UNAVAILABLE),
    ),
)]
pub(super) async fn change(
    State(state): State<CloneState>,
    CurrentUser(_): CurrentUser,
    mut client: ClientToken,
    Path(Id(id)): Path<Id>,
    Json(change): Json<ChangeGame>,
) -> Result<Response, ApiError> {
    let change = change.validate()?;
    let changed = state.services.catalog.change(id, &change).await?;
    let info = state.response_info().db(Some(Node::Primary));
    let Some(game) = changed.value else {
        return Ok(info.respond(game_not_found(id)));
    };
    state.services.game_changed(id, changed.token).await;
    client.wrote(&state.services, changed.token).await;
    let info = info.token(client.token());
    Ok(info.respond(Json(game)))
}

impl ChangeGame {
    fn validate(self) -> Result<GameChange, Problem> {
        let description = self
            .description
            .map(|text| plain_text("description", &text, MAX_DESCRIPTION_CHARS));
        let change = GameChange {
            price_cents: self.price_cents.map(|Integer(price)| price),
            description: description.transpose()?,
        };
        if change == GameChange::default() {
            return Err(Problem::unprocessable(
                r#"there is nothing to change; send `{"price_cents":1999}` or a `description`"#,
            ));
        }
        match change.price_cents {
            Some(price) if !(0..=MAX_PRICE_CENTS).contains(&price) => Err(Problem::unprocessable(
                format!("`price_cents` is 0 to {MAX_PRICE_CENTS}, so it cannot be {price}"),
            )),
            _ => Ok(change),
        }
    }
}

/// Whether `Cache-Control` contains `no-cache`. The header is a list of directives.
fn has_no_cache(headers: &HeaderMap) -> bool {
    members(headers, &CACHE_CONTROL, Quotes::Escaped)
        .any(|directive| directive.eq_ignore_ascii_case(b"no-cache"))
}

fn page_url(query: &GameQuery, number: u32, after: Option<GameId>) -> String {
    let mut params = vec![("page", number.to_string())];
    params.extend(after.map(|id| ("after", id.to_string())));
    params.extend(query.genre.iter().map(|genre| ("genre", genre.clone())));
    params.extend(query.text.iter().map(|text| ("q", text.clone())));
    let query = serde_urlencoded::to_string(params).expect("strings can always be encoded");
    format!("/games?{query}")
}
