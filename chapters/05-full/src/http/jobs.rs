//! Jobs: submit a job, read its state, follow its progress.

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
use serde_json::Value;
use tokio::sync::broadcast::{self, error::RecvError};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use uuid::Uuid;

use super::error::ApiError;
use super::negotiation::wants_html;
use super::openapi::{NOT_LOGGED_IN, UNAVAILABLE};
use super::response::{page, private, viewer};
use super::state::CloneState;
use crate::jobs::NAMES;
use crate::views::{self, JobView};

/// The query of `POST /work`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WorkParams {
    /// The name of the job.
    #[param(value_type = JobName, inline)]
    job: String,
}

/// The name of a job in the OpenAPI document.
struct JobName;

impl PartialSchema for JobName {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(NAMES))
            .into()
    }
}

impl ToSchema for JobName {}

/// Submits a job. The response comes when the queue has confirmed the job.
#[utoipa::path(
    post, path = "/work", operation_id = "submit_job", tag = "jobs",
    params(WorkParams),
    responses(
        (status = 202, description = "The queue has the job; `Location` shows its state",
            body = Job),
        (status = 303, description = "For `Accept: text/html`: a redirect to the job's page"),
        (status = 401, description = NOT_LOGGED_IN),
        (status = 422, description = "There is no such job"),
        (status = 503,
            description = "The queue did not confirm the job, or a database does not answer"),
    ),
)]
pub(super) async fn submit(
    State(state): State<CloneState>,
    CurrentUser(customer): CurrentUser,
    headers: HeaderMap,
    Query(WorkParams { job }): Query<WorkParams>,
) -> Result<Response, ApiError> {
    if !NAMES.contains(&job.as_str()) {
        let names = NAMES.join("`, `");
        let detail = format!("there is no such job; the jobs are `{names}`");
        return Err(Problem::unprocessable(detail).into());
    }
    let message = JobMessage {
        id: Uuid::now_v7(),
        job,
        customer,
    };
    let services = &state.services;
    let job = services.jobs.create(&message).await?;
    if let Err(error) = services.queue.publish(&message).await {
        tracing::error!(%error, "the queue did not confirm a job");
        // A client that polls this job must learn that no worker will do it.
        let update = JobUpdate::Dead(error.to_string());
        services.jobs.update(message.id, update).await?;
        let detail = format!("the job was not accepted: {error}; try again in a second");
        return Err(Problem::unavailable(detail).into());
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

/// The state of a job. Only its customer may see it.
#[utoipa::path(
    get, path = "/jobs/{id}", operation_id = "show_job", tag = "jobs",
    params(("id" = String, Path, format = "uuid")),
    responses(
        (status = 200, description = "The job",
            content((Job = "application/json"), (String = "text/html"))),
        (status = 401, description = NOT_LOGGED_IN),
        (status = 404, description = "There is no such job, or it is not the user's"),
        (status = 503, description = UNAVAILABLE),
    ),
)]
pub(super) async fn show(
    State(state): State<CloneState>,
    CurrentUser(customer): CurrentUser,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
) -> Result<Response, ApiError> {
    let job = own_job(&state, &customer, id).await?;
    let info = state.response_info();
    if wants_html(&headers) {
        let result = job.result.as_ref().map(result_text);
        let view = JobView {
            id: &job.id.to_string(),
            name: &job.job,
            state: job.state.as_str(),
            progress: job.progress,
            attempts: job.attempts,
            result: result.as_deref(),
        };
        let html = views::job(&view, viewer(Some(&customer)), &info.render_info);
        return Ok(info.respond(page(&html)));
    }
    Ok(info.respond(private(Json(job))))
}

/// Server-sent events named `job`: the current state, then each change until the job ends.
#[utoipa::path(
    get, path = "/jobs/{id}/events", operation_id = "follow_job", tag = "jobs",
    params(("id" = String, Path, format = "uuid")),
    responses(
        (status = 200, description = "A stream of events", body = JobEvent,
            content_type = "text/event-stream"),
        (status = 401, description = NOT_LOGGED_IN),
        (status = 404, description = "There is no such job, or it is not the user's"),
        (status = 503, description = UNAVAILABLE),
    ),
)]
pub(super) async fn events(
    State(state): State<CloneState>,
    CurrentUser(customer): CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<Response, ApiError> {
    // Subscribe before reading the job. Otherwise a change in between would be missed.
    let changes = state.services.jobs.changes();
    let job = own_job(&state, &customer, id).await?;
    let stopping = state.stopping.clone();
    let events = job_events(state, job, changes).take_until(stopping.cancelled_owned());
    Ok(private(Sse::new(events).keep_alive(KeepAlive::default())))
}

/// One event of the stream.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "describes an event in the OpenAPI document; axum's `Event` writes it"
)]
struct JobEvent {
    /// Always `job`.
    #[schema(example = "job")]
    event: String,
    /// The job as JSON, the same as in `GET /jobs/{id}`.
    data: String,
}

/// The next step of an event stream.
enum Step {
    Send(Job),
    WaitForChange(Job),
    End,
}

/// One event for the current state, then one for each change until the state is final.
fn job_events(
    state: CloneState,
    job: Job,
    changes: broadcast::Receiver<Uuid>,
) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    stream::unfold((Step::Send(job), changes), move |(step, mut changes)| {
        let state = state.clone();
        async move {
            let job = match step {
                Step::Send(job) => job,
                Step::WaitForChange(last) => next_change(&state, &last, &mut changes).await?,
                Step::End => return None,
            };
            let event = Event::default()
                .event("job")
                .json_data(&job)
                .expect("a job can always be written as JSON");
            let step = if job.state.is_final() {
                Step::End
            } else {
                Step::WaitForChange(job)
            };
            Some((Ok(event), (step, changes)))
        }
    })
}

/// Waits until the job differs from `last`. `None` ends the stream; the client's `EventSource`
/// reconnects.
async fn next_change(
    state: &CloneState,
    last: &Job,
    changes: &mut broadcast::Receiver<Uuid>,
) -> Option<Job> {
    loop {
        match changes.recv().await {
            Ok(id) if id != last.id => continue,
            // After `Lagged`, some changes are lost. The current state is enough.
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return None,
        }
        match state.services.jobs.get(last.id).await {
            Ok(Some(job)) if job != *last => return Some(job),
            Ok(_) => {}
            Err(_) => return None,
        }
    }
}

/// The job with this id. Another customer's job gets the same 404 as a missing job.
async fn own_job(state: &CloneState, customer: &str, id: Uuid) -> Result<Job, ApiError> {
    let found = state.services.jobs.get(id).await?;
    let job = found.filter(|job| job.customer == customer);
    job.ok_or_else(|| Problem::not_found(format!("you have no job {id}")).into())
}

/// A result as text for a page: the CSV of an export, otherwise indented JSON.
fn result_text(result: &Value) -> String {
    match result["csv"].as_str() {
        Some(csv) => csv.to_owned(),
        None => format!("{result:#}"),
    }
}
