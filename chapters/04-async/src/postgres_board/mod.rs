//! The jobs' records in PostgreSQL: one board for clones and workers in many processes.
//!
//! A customer watches a job over clone 2 while a worker in another process does it. So a change has to be *told* to all processes, and
//! exactly the changes that happened: [`NOTIFY`](https://www.postgresql.org/docs/17/sql-notify.html) belongs to the transaction that
//! makes the change, is heard when that commits, and never if it does not. The hearing is in `changes.rs`.
//!
//! Left out: very many changes. Commits that notify take turns in the whole database server, which a store notices at some thousands
//! a second; it would tell over Redis or the broker then. Also left out: forgetting old jobs.

mod changes;

use std::future::Future;
use std::io;
use std::time::Duration;

use async_trait::async_trait;
use ch02_database::StoreError;
use ch02_database::postgres::transact;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnection, PgPool, PgRow};
use sqlx::{Row, SqlSafeStr};
use tokio::sync::broadcast;
use uuid::Uuid;

use crate::board::{JobBoard, JobUpdate};
use crate::job::{Job, JobMessage, JobState};
use changes::{CHANNEL, Changes};

/// How long one answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How long making the table may take, waiting for others who make it included.
const MIGRATED_WITHIN: Duration = Duration::from_secs(30);

/// The table that notes which migrations are done. Each chapter has its own, so that they can share a database.
const NOTES: &str = "async_migrations";

const GET: &str = "SELECT id::text, job, customer, state, progress, attempts, result::text FROM jobs WHERE id = $1::uuid";
// FOR UPDATE: of two processes that change a job at once, the second waits, and then sees what the first one wrote.
const GET_TO_CHANGE: &str = "SELECT id::text, job, customer, state, progress, attempts, result::text FROM jobs \
    WHERE id = $1::uuid FOR UPDATE";
const UNFINISHED: &str =
    "SELECT id::text, job, customer FROM jobs WHERE state NOT IN ('done', 'dead') ORDER BY jobs.id";
const INSERT: &str = "INSERT INTO jobs (id, job, customer, state, progress, attempts) VALUES ($1::uuid, $2, $3, $4, $5, $6)";
const UPDATE: &str = "UPDATE jobs SET state = $2, progress = $3, attempts = $4, result = $5::json, \
    changed_at = clock_timestamp() WHERE id = $1::uuid";

/// Job records in a PostgreSQL database.
pub struct PgBoard {
    pool: PgPool,
    changes: Changes,
}

impl PgBoard {
    /// The board in this database (see [`ch02_database::postgres::connect`]). Makes the table if it is missing, and listens for
    /// changes from now on, over a connection of its own.
    pub async fn open(pool: PgPool) -> Result<PgBoard, StoreError> {
        migrate(&pool).await?;
        let changes = Changes::listen(&pool).await.map_err(store_error)?;
        Ok(PgBoard { pool, changes })
    }
}

#[async_trait]
impl JobBoard for PgBoard {
    async fn open(&self, message: &JobMessage) -> Result<Job, StoreError> {
        let job = Job::queued(message);
        let row = job.clone();
        let insert = async move |db: &mut PgConnection| {
            sqlx::query(INSERT)
                .bind(row.id.to_string())
                .bind(&row.job)
                .bind(&row.customer)
                .bind(row.state.as_str())
                .bind(i16::from(row.progress))
                .bind(i64::from(row.attempts))
                .execute(&mut *db)
                .await?;
            tell(db, row.id).await
        };
        transact(&self.pool, move |db| {
            Box::pin(async move { insert(db).await })
        })
        .await?;
        Ok(job)
    }

    async fn get(&self, id: Uuid) -> Result<Option<Job>, StoreError> {
        let row = sqlx::query(GET)
            .bind(id.to_string())
            .fetch_optional(&self.pool);
        within(row).await?.as_ref().map(job).transpose()
    }

    async fn update(&self, id: Uuid, update: JobUpdate) -> Result<Option<Job>, StoreError> {
        transact(&self.pool, move |db| {
            Box::pin(async move {
                let query = sqlx::query(GET_TO_CHANGE).bind(id.to_string());
                let row = query.fetch_optional(&mut *db).await?;
                let mut job = match row.as_ref().map(job).transpose() {
                    Ok(Some(job)) => job,
                    other => return Ok(other),
                };
                job.apply(update);
                save(db, &job).await?;
                tell(db, id).await?;
                Ok(Ok(Some(job)))
            })
        })
        .await?
    }

    async fn unfinished(&self) -> Result<Vec<JobMessage>, StoreError> {
        let rows = within(sqlx::query(UNFINISHED).fetch_all(&self.pool)).await?;
        rows.iter().map(message).collect()
    }

    fn changes(&self) -> broadcast::Receiver<Uuid> {
        self.changes.receiver()
    }
}

async fn save(db: &mut PgConnection, job: &Job) -> Result<(), sqlx::Error> {
    sqlx::query(UPDATE)
        .bind(job.id.to_string())
        .bind(job.state.as_str())
        .bind(i16::from(job.progress))
        .bind(i64::from(job.attempts))
        .bind(job.result.as_ref().map(ToString::to_string))
        .execute(db)
        .await
        .map(drop)
}

/// Tells all processes, when this transaction commits.
async fn tell(db: &mut PgConnection, id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_notify($1, $2)")
        .bind(CHANNEL)
        .bind(id.to_string())
        .execute(db)
        .await
        .map(drop)
}

fn message(row: &PgRow) -> Result<JobMessage, StoreError> {
    let id: String = row.get("id");
    Ok(JobMessage {
        id: Uuid::parse_str(&id)
            .map_err(|error| StoreError::Corrupt(format!("job id {id:?}: {error}")))?,
        job: row.get("job"),
        customer: row.get("customer"),
    })
}

fn job(row: &PgRow) -> Result<Job, StoreError> {
    let corrupt =
        |what: &str| StoreError::Corrupt(format!("job {}: {what}", row.get::<String, _>("id")));
    let (progress, attempts): (i16, i64) = (row.get("progress"), row.get("attempts"));
    let result: Option<String> = row.get("result");
    let result = result
        .map(|result| serde_json::from_str(&result))
        .transpose();
    let JobMessage { id, job, customer } = message(row)?;
    Ok(Job {
        id,
        job,
        state: JobState::parse(row.get("state")).ok_or_else(|| corrupt("unknown state"))?,
        progress: progress
            .try_into()
            .map_err(|_| corrupt("progress is no percentage"))?,
        attempts: attempts
            .try_into()
            .map_err(|_| corrupt("attempts is no count"))?,
        result: result.map_err(|_| corrupt("result is no JSON"))?,
        customer,
    })
}

/// Makes the table, or brings it up to date. A lock of sqlx's makes sure that of many processes one does it.
async fn migrate(pool: &PgPool) -> Result<(), StoreError> {
    let sql = include_str!("../../migrations/0001_jobs.sql").into_sql_str();
    let jobs = Migration::new(1, "jobs".into(), MigrationType::Simple, sql, false);
    let mut migrator = Migrator::with_migrations(vec![jobs]);
    migrator.dangerous_set_table_name(NOTES);
    // Not the pool's any more, and so closed in any case: after an error, sqlx's lock would stay with the connection.
    let mut connection = pool.acquire().await.map_err(store_error)?.detach();
    let migrating = tokio::time::timeout(MIGRATED_WITHIN, migrator.run(&mut connection));
    migrating
        .await
        .map_err(StoreError::unavailable)?
        .map_err(|error| match error {
            MigrateError::Execute(error) => store_error(error),
            other => StoreError::Corrupt(format!(
                "the table of jobs cannot be brought up to date: {other}"
            )),
        })
}

/// Puts an end to waiting for a server that hangs. A transaction has its own limit.
async fn within<T>(answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
    let answer = tokio::time::timeout(ANSWER_WITHIN, answer).await;
    answer
        .unwrap_or_else(|elapsed| Err(io::Error::new(io::ErrorKind::TimedOut, elapsed).into()))
        .map_err(store_error)
}

fn store_error(error: sqlx::Error) -> StoreError {
    StoreError::unavailable(error)
}
