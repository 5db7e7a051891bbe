//! "I will be there": the answer comes at once, the e-mail and the push message follow over the exchange.

use axum::extract::State;
use axum::response::Response;
use ch01_clones::Problem;
use ch01_clones::clone::login::CurrentUser;
use ch01_clones::web::extract::{Json, Path};
use ch04_async::rsvp::Rsvp;
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::describe::{AWAY, NOBODY};
use super::input::Id;
use super::negotiate::private;
use super::{CloneState, unavailable};

/// An RSVP that was taken.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Taken {
    /// The launch event; every game has one, with the game's id.
    #[schema(example = 7)]
    event_id: i64,
    /// Who comes.
    customer: String,
    /// When they said so.
    at: DateTime<Utc>,
}

/// Answers the invitation to a game's launch event. Nobody waits for the notices: they are sent by workers, one over each channel.
#[utoipa::path(post, path = "/events/{id}/rsvp", operation_id = "rsvp", tag = "events",
    params(("id" = i64, Path, description = "The id of the game that is launched", example = 7)), responses(
    (status = 202, description = "Taken; the notices follow", body = Taken),
    (status = 401, description = NOBODY),
    (status = 404, description = "No such event"),
    (status = 503, description = AWAY),
))]
pub(super) async fn answer(
    State(state): State<CloneState>,
    CurrentUser(customer): CurrentUser,
    Path(Id(event_id)): Path<Id>,
) -> Result<Response, Problem> {
    let game = state
        .services
        .catalog
        .game(event_id)
        .await
        .map_err(unavailable)?;
    if game.value.is_none() {
        return Err(Problem::not_found(format!("there is no event {event_id}")));
    }
    let rsvp = Rsvp {
        event_id,
        customer,
        at: Utc::now(),
    };
    if let Err(error) = state.services.events.publish(&rsvp.created()).await {
        tracing::error!(%error, "an RSVP was not confirmed");
        return Err(Problem::unavailable(
            "your answer was not taken, for nobody could pass it on; try again in a second",
        ));
    }
    let Rsvp {
        event_id,
        customer,
        at,
    } = rsvp;
    let taken = Taken {
        event_id,
        customer,
        at,
    };
    Ok(private((StatusCode::ACCEPTED, Json(taken))))
}
