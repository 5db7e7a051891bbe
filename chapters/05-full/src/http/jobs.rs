//! Jobs over HTTP: handed in, looked at, and followed as they move.

use std::convert::Infallible;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Redirect, Response};
use ch01_clones::Problem;
use ch01_clones::clone::login::CurrentUser;
use ch01_clones::web::extract::{Json, Path, Query};
use ch04_async::{Job, JobMessage, JobUpdate};
use futures_util::{Stream, StreamExt, stream};
use http::header::LOCATION;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use tokio::sync::broadcast::{self, error::RecvError};
use utoipa::IntoParams;
use utoipa::openapi::{Object, ObjectBuilder, Type};
use uuid::Uuid;

use super::describe::{AWAY, NOBODY};
use super::negotiate::{Explained, page, private, visitor, wants_html};
use super::{CloneState, unavailable};
use crate::jobs::NAMES;
use crate::views::{self, JobView};

/// What `POST /work` takes.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WorkParams {
    /// What is to be done.
    #[param(schema_with = job_names)]
    job: String,
}

/// The schema of a name that some worker knows.
fn job_names() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(NAMES))
        .build()
}

/// Hands a job in. The answer comes once the queue has confirmed it, long before it is done.
#[utoipa::path(post, path = "/work", operation_id = "hand_in_job", tag = "jobs", params(WorkParams), responses(
    (status = 202, description = "The job is on the queue; `Location` tells where to watch it", body = Job),
    (status = 303, description = "The same for `Accept: text/html`: on to the job's page"),
    (status = 401, description = NOBODY),
    (status = 422, description = "No such job"),
    (status = 503, description = "The queue did not confirm, or a part of the store is away"),
))]
pub(super) async fn work(
    State(state): State<CloneState>,
    CurrentUser(customer): CurrentUser,
    headers: HeaderMap,
    Query(WorkParams { job }): Query<WorkParams>,
) -> Result<Response, Problem> {
    if !NAMES.contains(&job.as_str()) {
        let known = NAMES.join("`, `");
        return Err(Problem::unprocessable(format!(
            "there is no such job; the jobs are `{known}`"
        )));
    }
    let message = JobMessage {
        id: Uuid::now_v7(),
        job,
        customer,
    };
    let job = state
        .services
        .board
        .open(&message)
        .await
        .map_err(unavailable)?;
    if let Err(error) = state.services.queue.publish(&message).await {
        tracing::error!(%error, "a job was not confirmed");
        // Whoever asks for this job later should learn that nobody will do it.
        let given_up = JobUpdate::Dead(error.to_string());
        state
            .services
            .board
            .update(message.id, given_up)
            .await
            .map_err(unavailable)?;
        return Err(Problem::unavailable(format!(
            "the job was not accepted: {error}; try again in a second"
        )));
    }
    let location = format!("/jobs/{}", job.id);
    if wants_html(&headers) {
        return Ok(private(Redirect::to(&location)));
    }
    Ok(private((
        StatusCode::ACCEPTED,
        [(LOCATION, location)],
        Json(job),
    )))
}

/// How a job stands. Only its customer may see it.
#[utoipa::path(get, path = "/jobs/{id}", operation_id = "show_job", tag = "jobs",
    params(("id" = String, Path, format = "uuid")), responses(
    (status = 200, description = "The job", content((Job = "application/json"), (String = "text/html"))),
    (status = 401, description = NOBODY),
    (status = 404, description = "No such job, or not yours"),
    (status = 503, description = AWAY),
))]
pub(super) async fn show(
    State(state): State<CloneState>,
    CurrentUser(customer): CurrentUser,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
) -> Result<Response, Problem> {
    let job = own_job(&state, &customer, id).await?;
    let explained = Explained::by(state.identity.name());
    if wants_html(&headers) {
        let result = job.result.as_ref().map(readable);
        let id = job.id.to_string();
        let view = JobView {
            id: &id,
            name: &job.job,
            state: job.state.as_str(),
            progress: job.progress,
            attempts: job.attempts,
            result: result.as_deref(),
        };
        let html = views::job(&view, visitor(Some(&customer)), &explained.made);
        return Ok(explained.explain(page(&html)));
    }
    Ok(explained.explain(private(Json(job))))
}

/// The job's changes as they happen (server-sent events named `job`), from how it stands now to its end.
#[utoipa::path(get, path = "/jobs/{id}/events", operation_id = "follow_job", tag = "jobs",
    params(("id" = String, Path, format = "uuid")), responses(
    (status = 200, description = "Events named `job`; the data of each is the job as JSON", body = String, content_type = "text/event-stream"),
    (status = 401, description = NOBODY),
    (status = 404, description = "No such job, or not yours"),
    (status = 503, description = AWAY),
))]
pub(super) async fn events(
    State(state): State<CloneState>,
    CurrentUser(customer): CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<Response, Problem> {
    // Listen first, look second. The other way round, a change between the two would be missed.
    let changes = state.services.board.changes();
    let job = own_job(&state, &customer, id).await?;
    let stopping = state.stopping.clone();
    let events = job_events(state, job, changes).take_until(stopping.cancelled_owned());
    Ok(private(Sse::new(events).keep_alive(KeepAlive::default())))
}

/// One event for the job as it stands, then one for each change, until the job is final.
fn job_events(
    state: CloneState,
    job: Job,
    changes: broadcast::Receiver<Uuid>,
) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    enum Next {
        Tell(Job),
        Wait(Job),
        End,
    }
    let id = job.id;
    stream::unfold((Next::Tell(job), changes), move |(next, mut changes)| {
        let board = state.services.board.clone();
        async move {
            let job = match next {
                Next::Tell(job) => job,
                Next::Wait(last) => loop {
                    match changes.recv().await {
                        Ok(other) if other != id => continue,
                        // Too slow to hear of every change: look how the job stands now.
                        Ok(_) | Err(RecvError::Lagged(_)) => {}
                        Err(RecvError::Closed) => return None,
                    }
                    match board.get(id).await {
                        Ok(Some(job)) if job != last => break job,
                        Ok(_) => {}
                        // The client's EventSource connects again by itself.
                        Err(_) => return None,
                    }
                },
                Next::End => return None,
            };
            let event = Event::default()
                .event("job")
                .json_data(&job)
                .expect("a job has only string keys");
            let next = if job.state.is_final() {
                Next::End
            } else {
                Next::Wait(job)
            };
            Some((Ok(event), (next, changes)))
        }
    })
}

/// The job with this id, if it is this customer's. The same answer for "not yours" as for "not there".
async fn own_job(state: &CloneState, customer: &str, id: Uuid) -> Result<Job, Problem> {
    let found = state.services.board.get(id).await.map_err(unavailable)?;
    found
        .filter(|job| job.customer == customer)
        .ok_or_else(|| Problem::not_found(format!("you have no job {id}")))
}

/// A result as a person likes to read it: the CSV of an export as it is, anything else as indented JSON.
fn readable(result: &serde_json::Value) -> String {
    match result["csv"].as_str() {
        Some(csv) => csv.to_owned(),
        None => format!("{result:#}"),
    }
}
