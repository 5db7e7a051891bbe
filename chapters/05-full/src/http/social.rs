//! Friends of a user, and the activity stream.
//!
//! Every client sees the friends of a user, and the user's reviews. Only the user and friends see
//! the user's orders. Only the user sees the stream of all friends.

use axum::extract::State;
use axum::response::Response;
use ch01_clones::Problem;
use ch01_clones::clone::login::{MaybeUser, find_user};
use ch01_clones::clone::session::UserName;
use ch01_clones::web::extract::{Json, Path, Query};
use ch02_database::catalog::ActivityKey;
use ch02_database::model::{Activity, Friend};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::consistency::{ClientToken, ConsistencyHeader};
use super::error::ApiError;
use super::negotiation::wants_html;
use super::openapi::{NOT_LOGGED_IN, UNAVAILABLE};
use super::response::{page, private, viewer};
use super::state::CloneState;
use crate::views;

const FRIENDS_PER_PAGE: usize = 50;
const EVENTS_PER_PAGE: usize = 20;

/// The query of `GET /users/{id}/friends`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FriendsParams {
    /// Only names after this one. The last name of a page leads to the next page.
    after: Option<UserName>,
}

/// A page of friends.
#[derive(Serialize, ToSchema)]
pub(super) struct FriendList {
    items: Vec<Friend>,
    /// The URL of the next page; null on the last page.
    next: Option<String>,
}

/// The friends of a user, sorted by name. A user without friends has an empty list.
#[utoipa::path(
    get, path = "/users/{id}/friends", operation_id = "list_friends", tag = "users",
    params(("id" = UserName, Path, description = "The user's name"), FriendsParams,
        ConsistencyHeader),
    responses(
        (status = 200, description = "A page of friends",
            content((FriendList = "application/json"), (String = "text/html"))),
        (status = 503, description = UNAVAILABLE),
    ),
)]
pub(super) async fn friends(
    State(state): State<CloneState>,
    MaybeUser(user): MaybeUser,
    mut client: ClientToken,
    headers: HeaderMap,
    Path(name): Path<UserName>,
    Query(FriendsParams { after }): Query<FriendsParams>,
) -> Result<Response, ApiError> {
    let (name, after) = (name.as_str(), after.as_ref().map(UserName::as_str));
    // One more friend than a page: if it exists, there is a next page.
    let social = &state.services.social;
    let read = social
        .friends(name, after, FRIENDS_PER_PAGE + 1, client.consistency())
        .await?;
    let node = read.node;
    let mut items = client.note(read);
    let info = state.response_info().db(Some(node)).token(client.token());
    let has_more = items.len() > FRIENDS_PER_PAGE;
    items.truncate(FRIENDS_PER_PAGE);
    let last = items.last().filter(|_| has_more);
    let next = last.map(|last| format!("/users/{name}/friends?after={}", last.name));
    if wants_html(&headers) {
        let viewer = viewer(user.as_deref());
        let html = views::friends(name, &items, next.as_deref(), viewer, &info.render_info);
        return Ok(info.respond(page(&html)));
    }
    Ok(info.respond(Json(FriendList { items, next })))
}

/// The query of `GET /users/{id}/activity`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ActivityParams {
    /// `friends`: the activity of all friends instead of the user's own. Only the user may see it.
    #[param(inline)]
    of: Option<ActivityScope>,
    /// Only what comes after this position of the stream. The field `next` contains it.
    #[param(
        example = "1767225600000000.review-50",
        pattern = r"^[0-9]{1,16}\.(order|review)-[0-9]{1,18}$"
    )]
    before: Option<String>,
}

/// Whose activity the stream shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ActivityScope {
    Friends,
}

/// A page of an activity stream.
#[derive(Serialize, ToSchema)]
pub(super) struct ActivityList {
    items: Vec<Activity>,
    /// The URL of the next page; null on the last page.
    next: Option<String>,
}

/// What a user did, newest first: reviews, and for the user and friends also orders.
#[utoipa::path(
    get, path = "/users/{id}/activity", operation_id = "list_activity", tag = "users",
    params(("id" = UserName, Path, description = "The user's name"), ActivityParams,
        ConsistencyHeader),
    security((), ("session" = [])),
    responses(
        (status = 200, description = "A page of the stream",
            content((ActivityList = "application/json"), (String = "text/html"))),
        (status = 401, description = NOT_LOGGED_IN),
        (status = 404, description = "The activity of the friends of another user"),
        (status = 503, description = UNAVAILABLE),
    ),
)]
pub(super) async fn activity(
    State(state): State<CloneState>,
    mut client: ClientToken,
    headers: HeaderMap,
    Path(name): Path<UserName>,
    Query(ActivityParams { of, before }): Query<ActivityParams>,
) -> Result<Response, ApiError> {
    let name = name.as_str();
    let before: Option<ActivityKey> = before
        .map(|text| text.parse())
        .transpose()
        .map_err(|error| Problem::bad_request(format!("`before`: {error}")))?;
    // The response depends on the user, so an unknown session is an error here.
    let user = find_user(&*state.services.sessions, &headers).await?;
    let user = user.as_deref();
    let social = &state.services.social;
    let (before, limit) = (before.as_ref(), EVENTS_PER_PAGE + 1);
    let read = if of == Some(ActivityScope::Friends) {
        check_own(name, user)?;
        social
            .friends_activity(name, before, limit, client.consistency())
            .await?
    } else {
        social
            .activity(name, user, before, limit, client.consistency())
            .await?
    };
    let node = read.node;
    let mut items = client.note(read);
    let info = state.response_info().db(Some(node)).token(client.token());
    let has_more = items.len() > EVENTS_PER_PAGE;
    items.truncate(EVENTS_PER_PAGE);
    let last = items.last().filter(|_| has_more).map(ActivityKey::from);
    let filter = of.map_or("", |_| "of=friends&");
    let next = last.map(|last| format!("/users/{name}/activity?{filter}before={last}"));
    if wants_html(&headers) {
        let stream = views::Stream {
            name,
            of_friends: of.is_some(),
            items: &items,
            next: next.as_deref(),
        };
        let html = views::activity(&stream, viewer(user), &info.render_info);
        return Ok(info.respond(page(&html)));
    }
    Ok(info.respond(private(Json(ActivityList { items, next }))))
}

fn check_own(name: &str, user: Option<&str>) -> Result<(), Problem> {
    match user {
        Some(user) if user == name => Ok(()),
        Some(_) => Err(Problem::not_found(
            "only the user may see the activity of all friends; leave `of=friends` out",
        )),
        None => Err(Problem::unauthorized(
            "you are not logged in; send `POST /login` with {\"user\":\"ada\"} first, \
             or leave `of=friends` out",
        )),
    }
}
