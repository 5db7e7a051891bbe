//! Reviews. A review is part of a product, so a change of a review invalidates the product.

use axum::extract::State;
use axum::response::{Redirect, Response};
use ch01_clones::Problem;
use ch01_clones::clone::login::CurrentUser;
use ch01_clones::web::extract::{Json, Path, Payload};
use ch02_database::catalog::{DeleteOutcome, NewReview};
use ch02_database::model::{MAX_REVIEW_CHARS, Review, ReviewId};
use ch02_database::{GameId, Node};
use http::StatusCode;
use http::header::LOCATION;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa::openapi::Object;

use super::consistency::{ClientToken, ConsistencyHeader};
use super::error::{ApiError, game_not_found};
use super::openapi::{NOT_LOGGED_IN, UNAVAILABLE};
use super::state::CloneState;
use super::validation::{Id, Integer, plain_text, plain_text_schema};

/// The body of `POST /games/{id}/reviews`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WriteReview {
    /// 1 to 5.
    #[schema(example = 5, minimum = 1, maximum = 5, value_type = u8)]
    stars: Integer<u8>,
    #[schema(schema_with = text_schema)]
    text: String,
}

fn text_schema() -> Object {
    plain_text_schema(MAX_REVIEW_CHARS, "My whole family plays it now.")
}

/// Adds a review and updates the game's rating.
#[utoipa::path(
    post, path = "/games/{id}/reviews", operation_id = "add_review", tag = "games",
    params(("id" = GameId, Path), ConsistencyHeader),
    request_body(content(
        (WriteReview = "application/json"),
        (WriteReview = "application/x-www-form-urlencoded"),
    )),
    responses(
        (status = 201, description = "The review; `Location` is its URL", body = Review),
        (status = 303, description = "For an HTML form: a redirect to the game"),
        (status = 401, description = NOT_LOGGED_IN),
        (status = 404, description = "There is no such game"),
        (status = 422, description = "The review is invalid"),
        (status = 503, description = UNAVAILABLE),
    ),
)]
pub(super) async fn add(
    State(state): State<CloneState>,
    CurrentUser(customer): CurrentUser,
    mut client: ClientToken,
    Path(Id(id)): Path<Id>,
    payload: Payload<WriteReview>,
) -> Result<Response, ApiError> {
    let WriteReview {
        stars: Integer(stars),
        text,
    } = payload.value;
    if !(1..=5).contains(&stars) {
        let detail = format!("`stars` is 1 to 5, so it cannot be {stars}");
        return Err(Problem::unprocessable(detail).into());
    }
    let review = NewReview {
        customer,
        stars,
        text: plain_text("text", &text, MAX_REVIEW_CHARS)?,
    };
    let added = state.services.catalog.add_review(id, &review).await?;
    let info = state.response_info().db(Some(Node::Primary));
    let Some(review) = added.value else {
        return Ok(info.respond(game_not_found(id)));
    };
    state.services.game_changed(id, added.token).await;
    client.wrote(&state.services, added.token).await;
    let info = info.token(client.token());
    if payload.is_form {
        return Ok(info.respond(Redirect::to(&format!("/games/{id}"))));
    }
    let location = format!("/games/{id}/reviews/{}", review.id);
    Ok(info.respond((StatusCode::CREATED, [(LOCATION, location)], Json(review))))
}

/// Deletes a review of the user and updates the game's rating.
#[utoipa::path(
    delete, path = "/games/{id}/reviews/{review}", operation_id = "delete_review", tag = "games",
    params(("id" = GameId, Path), ("review" = ReviewId, Path), ConsistencyHeader),
    responses(
        (status = 204, description = "The review is deleted"),
        (status = 401, description = NOT_LOGGED_IN),
        (status = 403, description = "Another user wrote the review"),
        (status = 404, description = "There is no such review"),
        (status = 503, description = UNAVAILABLE),
    ),
)]
pub(super) async fn delete(
    State(state): State<CloneState>,
    CurrentUser(customer): CurrentUser,
    mut client: ClientToken,
    Path((Id(id), Id(review))): Path<(Id, Id)>,
) -> Result<Response, ApiError> {
    let catalog = &state.services.catalog;
    let deletion = catalog.delete_review(id, review, &customer).await?;
    let info = state.response_info().db(Some(Node::Primary));
    Ok(match deletion.value {
        DeleteOutcome::Deleted => {
            state.services.game_changed(id, deletion.token).await;
            client.wrote(&state.services, deletion.token).await;
            info.token(client.token()).respond(StatusCode::NO_CONTENT)
        }
        DeleteOutcome::NotFound => {
            let detail = format!("game {id} has no review {review}");
            info.respond(Problem::not_found(detail))
        }
        DeleteOutcome::NotAuthor => {
            let detail = "only the author of a review may delete it";
            info.respond(Problem::forbidden(detail))
        }
    })
}
