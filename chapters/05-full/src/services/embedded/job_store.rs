//! The state of each job in the main SQLite database.
//!
//! A broadcast channel notifies the subscribers of this process when a job changes.

use async_trait::async_trait;
use ch02_database::StoreError;
use ch04_async::{Job, JobMessage, JobState, JobStore, JobUpdate};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use tokio::sync::broadcast;
use uuid::Uuid;

use super::database::SqliteDatabase;

/// How many changes the channel keeps for a slow subscriber.
const CHANGES_CAPACITY: usize = 256;

/// Jobs in one SQLite database.
pub struct SqliteJobStore {
    database: SqliteDatabase,
    changes: broadcast::Sender<Uuid>,
}

impl SqliteJobStore {
    /// The jobs in this database.
    pub fn new(database: SqliteDatabase) -> Self {
        SqliteJobStore {
            database,
            changes: broadcast::channel(CHANGES_CAPACITY).0,
        }
    }

    fn notify(&self, id: Uuid) {
        // `send` fails if there is no subscriber.
        let _ = self.changes.send(id);
    }
}

#[async_trait]
impl JobStore for SqliteJobStore {
    async fn create(&self, message: &JobMessage) -> Result<Job, StoreError> {
        let job = Job::queued(message);
        let row = job.clone();
        self.database
            .write(move |connection| Box::pin(async move { save(connection, &row).await }))
            .await?;
        self.notify(job.id);
        Ok(job)
    }

    async fn get(&self, id: Uuid) -> Result<Option<Job>, StoreError> {
        let row = sqlx::query("SELECT * FROM jobs WHERE id = ?")
            .bind(id.to_string())
            .fetch_optional(self.database.readers())
            .await?;
        row.as_ref().map(job).transpose()
    }

    async fn update(&self, id: Uuid, update: JobUpdate) -> Result<Option<Job>, StoreError> {
        let updated = self
            .database
            .write(move |connection| {
                Box::pin(async move {
                    let row = sqlx::query("SELECT * FROM jobs WHERE id = ?")
                        .bind(id.to_string())
                        .fetch_optional(&mut *connection)
                        .await?;
                    let mut job = match row.as_ref().map(job).transpose() {
                        Ok(Some(job)) => job,
                        other => return Ok(other),
                    };
                    job.apply(update);
                    save(connection, &job).await?;
                    Ok(Ok(Some(job)))
                })
            })
            .await??;
        self.notify(id);
        Ok(updated)
    }

    async fn unfinished(&self) -> Result<Vec<JobMessage>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, job, customer FROM jobs WHERE state NOT IN ('done', 'dead') ORDER BY id",
        )
        .fetch_all(self.database.readers())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(JobMessage {
                    id: uuid(row)?,
                    job: row.get("job"),
                    customer: row.get("customer"),
                })
            })
            .collect()
    }

    fn changes(&self) -> broadcast::Receiver<Uuid> {
        self.changes.subscribe()
    }
}

async fn save(connection: &mut SqliteConnection, job: &Job) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT OR REPLACE INTO jobs \
         (id, job, customer, state, progress, attempts, result) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(job.id.to_string())
    .bind(&job.job)
    .bind(&job.customer)
    .bind(job.state.as_str())
    .bind(job.progress)
    .bind(job.attempts)
    .bind(job.result.as_ref().map(ToString::to_string))
    .execute(connection)
    .await
    .map(drop)
}

fn job(row: &SqliteRow) -> Result<Job, StoreError> {
    let state: String = row.get("state");
    let result: Option<String> = row.get("result");
    Ok(Job {
        id: uuid(row)?,
        job: row.get("job"),
        state: JobState::parse(&state)
            .ok_or_else(|| StoreError::Corrupt(format!("job state {state:?}")))?,
        progress: row.get("progress"),
        attempts: row.get("attempts"),
        result: result
            .map(|result| serde_json::from_str(&result))
            .transpose()
            .map_err(|error| StoreError::Corrupt(format!("job result: {error}")))?,
        customer: row.get("customer"),
    })
}

fn uuid(row: &SqliteRow) -> Result<Uuid, StoreError> {
    let id: String = row.get("id");
    Uuid::parse_str(&id).map_err(|error| StoreError::Corrupt(format!("job id {id:?}: {error}")))
}
