//! Watching cakes on the board, as a customer would: told of a change, look.

use std::time::Duration;

use anyhow::{Context, bail};
use ch04_async::{Job, JobBoard, JobState, PgBoard};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

/// How long to believe that something will still happen.
const DEADLINE: Duration = Duration::from_secs(20);

/// Some jobs that are watched.
pub struct Watch<'b> {
    board: &'b PgBoard,
    changes: Receiver<Uuid>,
    jobs: Vec<Uuid>,
}

/// How they ended, or did not.
pub struct Tally {
    /// How many were done.
    pub done: usize,
    /// How many a worker is at, or so their records say.
    pub running: usize,
    /// How many wait for one.
    pub queued: usize,
    /// How many were begun more than once.
    pub again: usize,
}

impl<'b> Watch<'b> {
    /// Watches these.
    pub fn of(board: &'b PgBoard, jobs: Vec<Uuid>) -> Self {
        Watch {
            board,
            changes: board.changes(),
            jobs,
        }
    }

    /// Watches all that are not done yet.
    pub async fn unfinished(board: &'b PgBoard) -> anyhow::Result<Self> {
        let unfinished = board.unfinished().await?;
        Ok(Watch::of(
            board,
            unfinished.into_iter().map(|message| message.id).collect(),
        ))
    }

    /// Waits until so many jobs at once are as they should be.
    pub async fn until(
        &mut self,
        is_so: impl Fn(&Job) -> bool,
        count: usize,
    ) -> anyhow::Result<()> {
        let reached = async {
            // Look first: what has happened already is not told again.
            while self.look().await?.iter().filter(|job| is_so(job)).count() < count {
                if let Err(RecvError::Closed) = self.changes.recv().await {
                    bail!("the board tells no changes any more");
                }
            }
            Ok(())
        };
        let waited = tokio::time::timeout(DEADLINE, reached).await;
        waited.with_context(|| format!("nothing of the kind within {} s", DEADLINE.as_secs()))?
    }

    /// How they stand.
    pub async fn tally(&self) -> anyhow::Result<Tally> {
        let jobs = self.look().await?;
        let count = |state| jobs.iter().filter(|job| job.state == state).count();
        Ok(Tally {
            done: count(JobState::Done),
            running: count(JobState::Running),
            queued: count(JobState::Queued),
            again: jobs.iter().filter(|job| job.attempts > 1).count(),
        })
    }

    async fn look(&self) -> anyhow::Result<Vec<Job>> {
        let mut jobs = Vec::new();
        for id in &self.jobs {
            jobs.push(
                self.board
                    .get(*id)
                    .await?
                    .context("a record has vanished")?,
            );
        }
        Ok(jobs)
    }
}
