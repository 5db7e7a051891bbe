//! The shop window, and the pages around logging in.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use ch01_clones::Problem;
use ch01_clones::clone::login::MaybeUser;
use ch01_clones::web::extract::Query;
use ch02_database::catalog::{GameQuery, GameSort};
use http::HeaderMap;
use serde::Deserialize;

use super::describe::AWAY;
use super::negotiate::{Explained, page, visitor, wants_html};
use super::{CloneState, unavailable};
use crate::views;

/// How many games of each kind are in the window.
const IN_THE_WINDOW: usize = 8;

/// The shop window for a browser, one line of text for `curl`.
#[utoipa::path(get, path = "/", operation_id = "shop_window", tag = "games", responses(
    (status = 200, description = "One line with the clone's name, or the shop window", content((String = "text/plain"), (String = "text/html"))),
    (status = 503, description = AWAY),
))]
pub(super) async fn home(
    State(state): State<CloneState>,
    MaybeUser(user): MaybeUser,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let explained = Explained::by(state.identity.name());
    if !wants_html(&headers) {
        return Ok(explained.explain(format!(
            "SERVER {}: the game store is open\n",
            state.identity.name()
        )));
    }
    let best = window(&state, GameSort::BestRated);
    let newest = window(&state, GameSort::Newest);
    let html = views::home(
        &best.await?,
        &newest.await?,
        visitor(user.as_deref()),
        &explained.made,
    );
    Ok(explained.rendered("dynamic").explain(page(&html)))
}

async fn window(
    state: &CloneState,
    sort: GameSort,
) -> Result<Vec<ch02_database::model::Listing>, Problem> {
    let query = GameQuery {
        sort,
        ..GameQuery::default()
    };
    let mut games = state
        .services
        .catalog
        .list(&query)
        .await
        .map_err(unavailable)?
        .value
        .items;
    games.truncate(IN_THE_WINDOW);
    Ok(games)
}

#[derive(Deserialize)]
pub(super) struct LoginParams {
    next: Option<String>,
}

/// The login form.
pub(super) async fn login_page(
    State(state): State<CloneState>,
    MaybeUser(user): MaybeUser,
    Query(LoginParams { next }): Query<LoginParams>,
) -> Response {
    let explained = Explained::by(state.identity.name());
    page(&views::login(
        next.as_deref(),
        visitor(user.as_deref()),
        &explained.made,
    ))
}

/// Where the link on pages rendered in advance leads: such a page cannot know whether its reader is logged in.
pub(super) async fn account(MaybeUser(user): MaybeUser) -> Response {
    Redirect::to(if user.is_some() {
        "/orders"
    } else {
        "/login?next=/orders"
    })
    .into_response()
}
