//! The job store in PostgreSQL, shared by clones and workers in many processes.
//!
//! A client watches a job through clone 2 while a worker in another process runs it. So every
//! process must learn of each change. PostgreSQL's
//! [`NOTIFY`](https://www.postgresql.org/docs/17/sql-notify.html) belongs to the transaction that
//! makes the change: listeners get it when the transaction commits, and never if it rolls back.
//! `change_listener.rs` receives the notifications.
//!
//! Left out: very many changes. In the whole database server, commits with `NOTIFY` take turns,
//! which limits a store to some thousands a second. A larger store would notify over Redis or the
//! broker.

mod change_listener;

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
use tokio::time::timeout;
use uuid::Uuid;

use super::job::{Job, JobMessage, JobState, JobUpdate};
use super::store::JobStore;
use change_listener::{CHANNEL, ChangeListener};

/// The time-out of one query. A transaction has its own.
const QUERY_TIMEOUT: Duration = Duration::from_secs(5);

/// The time-out of the migration, which includes waiting for other processes that migrate.
const MIGRATION_TIMEOUT: Duration = Duration::from_secs(30);

/// The table that records the applied migrations. Each chapter has its own, so that chapters can
/// share a database.
const MIGRATIONS_TABLE: &str = "async_migrations";

const GET: &str = "SELECT id::text, job, customer, state, progress, attempts, result::text \
    FROM jobs WHERE id = $1::uuid";
// FOR UPDATE: of two processes that change a job at the same time, the second one waits, and then
// reads what the first one wrote.
const GET_FOR_UPDATE: &str = "SELECT id::text, job, customer, state, progress, attempts, \
    result::text FROM jobs WHERE id = $1::uuid FOR UPDATE";
const UNFINISHED: &str = "SELECT id::text, job, customer FROM jobs \
    WHERE state NOT IN ('done', 'dead') ORDER BY jobs.id";
const INSERT: &str = "INSERT INTO jobs (id, job, customer, state, progress, attempts) \
    VALUES ($1::uuid, $2, $3, $4, $5, $6)";
const UPDATE: &str = "UPDATE jobs SET state = $2, progress = $3, attempts = $4, \
    result = $5::json, changed_at = clock_timestamp() WHERE id = $1::uuid";

/// Job records in a PostgreSQL database.
pub struct PgJobStore {
    pool: PgPool,
    changes: ChangeListener,
}

impl PgJobStore {
    /// The job store in this database (see [`ch02_database::postgres::connect`]). Creates the table
    /// if it is missing, and listens for changes over a separate connection.
    pub async fn open(pool: PgPool) -> Result<PgJobStore, StoreError> {
        migrate(&pool).await?;
        let changes = ChangeListener::start(&pool).await;
        let changes = changes.map_err(StoreError::unavailable)?;
        Ok(PgJobStore { pool, changes })
    }
}

#[async_trait]
impl JobStore for PgJobStore {
    async fn create(&self, message: &JobMessage) -> Result<Job, StoreError> {
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
            notify(db, row.id).await
        };
        transact(&self.pool, move |db| {
            Box::pin(async move { insert(db).await })
        })
        .await?;
        Ok(job)
    }

    async fn get(&self, id: Uuid) -> Result<Option<Job>, StoreError> {
        let query = sqlx::query(GET).bind(id.to_string());
        let row = with_timeout(query.fetch_optional(&self.pool)).await?;
        row.as_ref().map(job).transpose()
    }

    async fn update(&self, id: Uuid, update: JobUpdate) -> Result<Option<Job>, StoreError> {
        transact(&self.pool, move |db| {
            Box::pin(async move {
                let query = sqlx::query(GET_FOR_UPDATE).bind(id.to_string());
                let row = query.fetch_optional(&mut *db).await?;
                let mut job = match row.as_ref().map(job).transpose() {
                    Ok(Some(job)) => job,
                    other => return Ok(other),
                };
                job.apply(update);
                save(db, &job).await?;
                notify(db, id).await?;
                Ok(Ok(Some(job)))
            })
        })
        .await?
    }

    async fn unfinished(&self) -> Result<Vec<JobMessage>, StoreError> {
        let rows = with_timeout(sqlx::query(UNFINISHED).fetch_all(&self.pool)).await?;
        rows.iter().map(message).collect()
    }

    fn changes(&self) -> broadcast::Receiver<Uuid> {
        self.changes.subscribe()
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

/// Notifies all processes when this transaction commits.
async fn notify(db: &mut PgConnection, id: Uuid) -> Result<(), sqlx::Error> {
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
            .map_err(|_| corrupt("progress is not a percentage"))?,
        attempts: attempts
            .try_into()
            .map_err(|_| corrupt("attempts is not a count"))?,
        result: result.map_err(|_| corrupt("result is not JSON"))?,
        customer,
    })
}

/// Creates or migrates the table. sqlx takes a lock, so that only one of many processes does it.
async fn migrate(pool: &PgPool) -> Result<(), StoreError> {
    let sql = include_str!("../../../migrations/0001_jobs.sql").into_sql_str();
    let jobs = Migration::new(1, "jobs".into(), MigrationType::Simple, sql, false);
    let mut migrator = Migrator::with_migrations(vec![jobs]);
    migrator.dangerous_set_table_name(MIGRATIONS_TABLE);
    // A detached connection closes at the end of this function. In the pool, sqlx's lock would stay
    // with the connection after an error.
    let connection = pool.acquire().await.map_err(StoreError::unavailable)?;
    let mut connection = connection.detach();
    timeout(MIGRATION_TIMEOUT, migrator.run(&mut connection))
        .await
        .map_err(StoreError::unavailable)?
        .map_err(|error| match error {
            MigrateError::Execute(error) => StoreError::unavailable(error),
            other => StoreError::Corrupt(format!("the table `jobs` cannot be migrated: {other}")),
        })
}

async fn with_timeout<T>(
    query: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreError> {
    timeout(QUERY_TIMEOUT, query)
        .await
        .unwrap_or_else(|elapsed| Err(io::Error::new(io::ErrorKind::TimedOut, elapsed).into()))
        .map_err(StoreError::unavailable)
}
