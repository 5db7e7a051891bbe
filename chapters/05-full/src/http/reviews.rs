//! Reviews over HTTP. A review changes the product that it belongs to, so the copies of that product have to go.

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

use super::describe::{AWAY, NOBODY};
use super::games::no_game;
use super::input::{Id, plain_text};
use super::negotiate::Explained;
use super::{CloneState, unavailable};

/// What `POST /games/{id}/reviews` takes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WriteReview {
    /// 1 to 5.
    #[schema(example = 5, minimum = 1, maximum = 5)]
    stars: u8,
    /// 1 to 2,000 characters of plain text.
    #[schema(
        example = "My whole family plays it now.",
        min_length = 1,
        max_length = 2_000
    )]
    text: String,
}

/// Adds a review; the game's rating follows.
#[utoipa::path(post, path = "/games/{id}/reviews", operation_id = "add_review", tag = "games", params(("id" = GameId, Path)), request_body(content(
    (WriteReview = "application/json"), (WriteReview = "application/x-www-form-urlencoded"),
)), responses(
    (status = 201, description = "The review; `Location` is its address", body = Review),
    (status = 303, description = "The same for an HTML form: back to the game"),
    (status = 401, description = NOBODY),
    (status = 404, description = "No such game"),
    (status = 422, description = "Not a review"),
    (status = 503, description = AWAY),
))]
pub(super) async fn add(
    State(state): State<CloneState>,
    CurrentUser(customer): CurrentUser,
    Path(Id(id)): Path<Id>,
    payload: Payload<WriteReview>,
) -> Result<Response, Problem> {
    let WriteReview { stars, text } = payload.value;
    if !(1..=5).contains(&stars) {
        return Err(Problem::unprocessable(format!(
            "`stars` is 1 to 5, so it cannot be {stars}"
        )));
    }
    let text = plain_text("text", &text, MAX_REVIEW_CHARS)?;
    let review = NewReview {
        customer,
        stars,
        text,
    };
    let added = state
        .services
        .catalog
        .add_review(id, &review)
        .await
        .map_err(unavailable)?;
    let explained = Explained::by(state.identity.name()).db(Some(Node::Primary));
    let Some(review) = added else {
        return Ok(explained.explain(no_game(id)));
    };
    state.services.game_changed(id).await;
    if payload.is_form {
        return Ok(explained.explain(Redirect::to(&format!("/games/{id}"))));
    }
    let location = format!("/games/{id}/reviews/{}", review.id);
    Ok(explained.explain((StatusCode::CREATED, [(LOCATION, location)], Json(review))))
}

/// Deletes a review of one's own; the game's rating follows.
#[utoipa::path(delete, path = "/games/{id}/reviews/{review}", operation_id = "delete_review", tag = "games",
    params(("id" = GameId, Path), ("review" = ReviewId, Path)), responses(
    (status = 204, description = "It is gone"),
    (status = 401, description = NOBODY),
    (status = 403, description = "Somebody else wrote it"),
    (status = 404, description = "No such review"),
    (status = 503, description = AWAY),
))]
pub(super) async fn delete(
    State(state): State<CloneState>,
    CurrentUser(customer): CurrentUser,
    Path((Id(id), Id(review))): Path<(Id, Id)>,
) -> Result<Response, Problem> {
    let deletion = state
        .services
        .catalog
        .delete_review(id, review, &customer)
        .await
        .map_err(unavailable)?;
    let explained = Explained::by(state.identity.name()).db(Some(Node::Primary));
    Ok(match deletion {
        DeleteOutcome::Deleted => {
            state.services.game_changed(id).await;
            explained.explain(StatusCode::NO_CONTENT)
        }
        DeleteOutcome::NotFound => explained.explain(Problem::not_found(format!(
            "game {id} has no review {review}"
        ))),
        DeleteOutcome::NotAuthor => {
            explained.explain(Problem::forbidden("only who wrote a review may delete it"))
        }
    })
}
