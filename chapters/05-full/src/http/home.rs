//! The home page, and the pages for logging in.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use ch01_clones::clone::login::{MaybeUser, find_user};
use ch01_clones::web::extract::Query;
use ch02_database::StoreError;
use ch02_database::catalog::{GameQuery, GameSort};
use ch02_database::model::Listing;
use http::HeaderMap;
use serde::Deserialize;
use utoipa::IntoParams;

use super::consistency::{ClientToken, ConsistencyHeader};
use super::error::ApiError;
use super::negotiation::wants_html;
use super::openapi::UNAVAILABLE;
use super::response::{page, viewer};
use super::state::CloneState;
use crate::views;

/// How many games each section of the home page shows. They fill rows of 2, 3, 4 or 6 cards, as the
/// style sheet arranges them.
const GAMES_PER_SECTION: usize = 12;

/// How many articles the home page shows.
const ARTICLES: usize = 3;

/// The home page for a browser, one line of text for `curl`.
#[utoipa::path(
    get, path = "/", operation_id = "home_page", tag = "games",
    params(ConsistencyHeader),
    responses(
        (status = 200, description = "One line with the clone's name, or the home page",
            content((String = "text/plain"), (String = "text/html"))),
        (status = 503, description = UNAVAILABLE),
    ),
)]
pub(super) async fn home(
    State(state): State<CloneState>,
    MaybeUser(user): MaybeUser,
    mut client: ClientToken,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let info = state.response_info();
    if !wants_html(&headers) {
        let line = format!("SERVER {}: the game store is open\n", state.identity.name());
        return Ok(info.token(client.token()).respond(line));
    }
    let best_rated = first_games(&state, GameSort::BestRated, &mut client).await?;
    let newest = first_games(&state, GameSort::Newest, &mut client).await?;
    let news = &state.services.news;
    let news = news.articles(None, ARTICLES, client.consistency()).await?;
    let news = client.note(news);
    let html = views::home(
        &best_rated,
        &newest,
        &news,
        viewer(user.as_deref()),
        &info.render_info,
    );
    let info = info.rendered("dynamic").token(client.token());
    Ok(info.respond(page(&html)))
}

async fn first_games(
    state: &CloneState,
    sort: GameSort,
    client: &mut ClientToken,
) -> Result<Vec<Listing>, StoreError> {
    let query = GameQuery {
        sort,
        ..GameQuery::default()
    };
    let catalog = &state.services.catalog;
    let read = catalog.list(&query, client.consistency()).await?;
    let mut games = client.note(read).items;
    games.truncate(GAMES_PER_SECTION);
    Ok(games)
}

/// The query of `GET /login`.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LoginParams {
    /// The local path to redirect to after the login.
    #[param(example = "/games/7")]
    next: Option<String>,
}

/// The login form.
#[utoipa::path(
    get, path = "/login", operation_id = "login_page", tag = "sessions",
    params(LoginParams),
    responses(
        (status = 200, description = "The page", body = String, content_type = "text/html"),
        (status = 503, description = UNAVAILABLE),
    ),
)]
pub(super) async fn login_page(
    State(state): State<CloneState>,
    MaybeUser(user): MaybeUser,
    Query(LoginParams { next }): Query<LoginParams>,
) -> Response {
    page(&views::login(
        next.as_deref(),
        viewer(user.as_deref()),
        &state.response_info().render_info,
    ))
}

/// Redirects to the orders or to the login. Pre-rendered pages link here, because they do not know
/// whether their reader is logged in.
#[utoipa::path(
    get, path = "/account", tag = "sessions",
    responses(
        (status = 303, description = "To `/orders`, or to `/login` without a session"),
        (status = 503, description = UNAVAILABLE),
    ),
)]
pub(super) async fn account(
    State(state): State<CloneState>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let user = find_user(&*state.services.sessions, &headers).await?;
    let target = if user.is_some() {
        "/orders"
    } else {
        "/login?next=/orders"
    };
    Ok(Redirect::to(target).into_response())
}
