//! A job as a message on the queue ([`JobMessage`]) and as a record in the job store ([`Job`]).
//!
//! The two are separate because they live for different times. A broker forgets a message when it
//! is acknowledged. The record stays, so that the customer can read how the job ended.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

/// The message on the queue: what a worker needs to do the job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobMessage {
    /// The job's id, the same as in its record.
    pub id: Uuid,
    /// The job's name. A worker finds the handler by it.
    pub job: String,
    /// The customer for whom the job runs.
    pub customer: String,
}

/// The record of a job, as `GET /jobs/{id}` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// A UUID, version 7: ids sort by the time of their creation.
    #[schema(value_type = String, format = "uuid")]
    pub id: Uuid,
    /// The job's name.
    #[schema(example = "order-export")]
    pub job: String,
    /// The present state.
    pub state: JobState,
    /// The progress of the current attempt in percent, 0 to 100.
    pub progress: u8,
    /// How many attempts workers have started, without those that a shutdown interrupted.
    pub attempts: u32,
    /// The handler's JSON when `done`, `{"error": "…"}` when `failed` or `dead`, else null.
    #[schema(value_type = Option<Object>)]
    pub result: Option<Value>,
    /// The customer who owns the job. Not serialized: only this customer may read the job.
    #[serde(skip)]
    pub customer: String,
}

/// The state of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// On the queue. No worker has it.
    Queued,
    /// A worker runs it.
    Running,
    /// The job succeeded. Final.
    Done,
    /// An attempt failed. Another one follows.
    Failed,
    /// The last attempt failed. Final.
    Dead,
}

/// A change of a job's record.
#[derive(Clone, Debug, PartialEq)]
pub enum JobUpdate {
    /// A worker starts an attempt: one more attempt, progress 0.
    Started,
    /// The progress of the current attempt in percent, 0 to 100.
    Progress(u8),
    /// The job succeeded with this result.
    Done(Value),
    /// The attempt failed for this reason. Another one follows.
    Failed(String),
    /// The last attempt failed for this reason.
    Dead(String),
    /// A shutdown interrupted the attempt. The attempt does not count, and the job is queued again.
    /// Otherwise three restarts during a long job would make the job `Dead`.
    Interrupted,
}

impl Job {
    /// The record of a new job.
    pub fn queued(message: &JobMessage) -> Self {
        Job {
            id: message.id,
            job: message.job.clone(),
            state: JobState::Queued,
            progress: 0,
            attempts: 0,
            result: None,
            customer: message.customer.clone(),
        }
    }

    /// The message that brings this job to a worker.
    pub fn message(&self) -> JobMessage {
        JobMessage {
            id: self.id,
            job: self.job.clone(),
            customer: self.customer.clone(),
        }
    }

    /// Applies an update, unless the job is final. All job stores use this function, so that an
    /// update means the same in each.
    pub fn apply(&mut self, update: JobUpdate) {
        if self.state.is_final() {
            return;
        }
        match update {
            JobUpdate::Started => {
                self.state = JobState::Running;
                self.attempts += 1;
                self.progress = 0;
                self.result = None;
            }
            JobUpdate::Progress(percent) => self.progress = percent,
            JobUpdate::Done(result) => {
                self.state = JobState::Done;
                self.progress = 100;
                self.result = Some(result);
            }
            JobUpdate::Failed(reason) => {
                self.state = JobState::Failed;
                self.result = Some(json!({ "error": reason }));
            }
            JobUpdate::Dead(reason) => {
                self.state = JobState::Dead;
                self.result = Some(json!({ "error": reason }));
            }
            JobUpdate::Interrupted => {
                self.state = JobState::Queued;
                self.attempts = self.attempts.saturating_sub(1);
                self.progress = 0;
            }
        }
    }
}

impl JobState {
    /// Whether the job never changes again.
    pub fn is_final(self) -> bool {
        matches!(self, JobState::Done | JobState::Dead)
    }

    /// The name of the state in JSON and in databases.
    pub fn as_str(self) -> &'static str {
        match self {
            JobState::Queued => "queued",
            JobState::Running => "running",
            JobState::Done => "done",
            JobState::Failed => "failed",
            JobState::Dead => "dead",
        }
    }

    /// The state with this name; the inverse of [`JobState::as_str`].
    pub fn parse(name: &str) -> Option<JobState> {
        [
            JobState::Queued,
            JobState::Running,
            JobState::Done,
            JobState::Failed,
            JobState::Dead,
        ]
        .into_iter()
        .find(|state| state.as_str() == name)
    }
}
