//! A job, in its two forms: the message that travels over the queue, and the record that the customer watches.
//!
//! They are kept apart because they fail apart. A broker forgets a message once it is acknowledged; the record has to outlive
//! it, or nobody could ask how the job ended. Left out: schedules, priorities, payloads other than the customer's name.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::board::JobUpdate;

/// What travels over the queue: enough to do the work, and no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobMessage {
    /// The job's id; the record on the board has the same.
    pub id: Uuid,
    /// What to do; a worker finds its handler by this name.
    pub job: String,
    /// For whom.
    pub customer: String,
}

/// The record of a job, as `GET /jobs/{id}` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// A UUID, version 7: ids sort by the time they were made.
    #[schema(value_type = String, format = "uuid")]
    pub id: Uuid,
    /// What is to be done.
    #[schema(example = "order-export")]
    pub job: String,
    /// Where it stands.
    pub state: JobState,
    /// How much of the current attempt is done, 0 to 100.
    pub progress: u8,
    /// How often a worker has begun it, not counting attempts that a stop of the store interrupted.
    pub attempts: u32,
    /// What came of it: the handler's own JSON when `done`, `{"error": "…"}` when `failed` or `dead`, else null.
    #[schema(value_type = Option<Object>)]
    pub result: Option<Value>,
    /// Whose job it is. Not shown: only its customer may read a job.
    #[serde(skip)]
    pub customer: String,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// On the queue; no worker is at it.
    Queued,
    /// A worker is at it.
    Running,
    /// It succeeded. Final.
    Done,
    /// An attempt failed; another one will follow.
    Failed,
    /// Its last attempt failed; nobody will try again. Final.
    Dead,
}

impl Job {
    /// The record of a job that nobody has begun.
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

    /// Takes one step, unless the job is final already. Every board applies updates through this, so all agree on what a step
    /// means.
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
    /// Whether nothing more will happen to the job.
    pub fn is_final(self) -> bool {
        matches!(self, JobState::Done | JobState::Dead)
    }

    /// The name in JSON and in databases.
    pub fn as_str(self) -> &'static str {
        match self {
            JobState::Queued => "queued",
            JobState::Running => "running",
            JobState::Done => "done",
            JobState::Failed => "failed",
            JobState::Dead => "dead",
        }
    }

    /// The state with this name.
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
