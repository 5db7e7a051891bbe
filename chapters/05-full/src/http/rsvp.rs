//! RSVPs to launch events. The response comes at once; the notifications follow over the exchange.

use axum::extract::State;
use axum::response::Response;
use ch01_clones::Problem;
use ch01_clones::clone::login::CurrentUser;
use ch01_clones::web::extract::{Json, Path};
use ch04_async::events::rsvp::Rsvp;
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::consistency::{ClientToken, ConsistencyHeader};
use super::error::ApiError;
use super::openapi::{NOT_LOGGED_IN, UNAVAILABLE};
use super::response::private;
use super::state::CloneState;
use super::validation::Id;

/// An accepted RSVP.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AcceptedRsvp {
    /// The launch event. Every game has one with the game's id.
    #[schema(example = 7)]
    event_id: i64,
    /// The customer who comes.
    customer: String,
    /// When the store accepted the RSVP.
    at: DateTime<Utc>,
}

/// Accepts an invitation to a launch event. Workers send the notifications later, one on each
/// channel.
#[utoipa::path(
    post, path = "/events/{id}/rsvp", operation_id = "rsvp", tag = "events",
    params(("id" = i64, Path, description = "The id of the launched game", example = 7),
        ConsistencyHeader),
    responses(
        (status = 202, description = "Accepted; the notifications follow", body = AcceptedRsvp),
        (status = 401, description = NOT_LOGGED_IN),
        (status = 404, description = "There is no such event"),
        (status = 503, description = UNAVAILABLE),
    ),
)]
pub(super) async fn accept(
    State(state): State<CloneState>,
    CurrentUser(customer): CurrentUser,
    mut client: ClientToken,
    Path(Id(event_id)): Path<Id>,
) -> Result<Response, ApiError> {
    let catalog = &state.services.catalog;
    let read = catalog.game(event_id, client.consistency()).await?;
    let node = read.node;
    if client.note(read).is_none() {
        return Err(Problem::not_found(format!("there is no event {event_id}")).into());
    }
    let rsvp = Rsvp {
        event_id,
        customer,
        at: Utc::now(),
    };
    if let Err(error) = state.services.events.publish(&rsvp.created_event()).await {
        tracing::error!(%error, "the broker did not confirm an RSVP");
        let detail = "the RSVP was not accepted, because the broker does not answer; \
                      try again in a second";
        return Err(Problem::unavailable(detail).into());
    }
    let accepted = AcceptedRsvp {
        event_id: rsvp.event_id,
        customer: rsvp.customer,
        at: rsvp.at,
    };
    let info = state.response_info().db(Some(node)).token(client.token());
    Ok(info.respond(private((StatusCode::ACCEPTED, Json(accepted)))))
}
