//! The contract of every fail-over: what a client was told about a write is true afterwards.
//!
//! A [`Journal`] holds a client's side of many writes: a number for each write, its outcome, and
//! its times. After the faults it is compared with the rows in the database.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use sqlx::Executor;
use sqlx::postgres::PgPool;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::StoreError;
use crate::failover::{WriteOutcome, Writer};

/// The pause of a client after a write without success.
const RETRY_PAUSE: Duration = Duration::from_millis(5);

/// What a client was told about a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The write is confirmed.
    Committed,
    /// Nothing was written.
    Failed,
    /// Neither is known.
    Unknown,
}

/// One write of a client.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its number, and its row in the database.
    pub number: i64,
    /// When the client sent it.
    pub start: Instant,
    /// When the client got its answer.
    pub end: Instant,
    /// The answer.
    pub answer: Answer,
}

/// All writes of some clients.
#[derive(Debug, Default)]
pub struct Journal {
    next: AtomicI64,
    is_stopped: AtomicBool,
    entries: Mutex<Vec<Entry>>,
}

/// The comparison of a journal with the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Confirmed writes.
    pub committed: usize,
    /// Confirmed writes whose row is missing. Must be 0.
    pub lost: usize,
    /// Failed writes whose row is there. Must be 0.
    pub resurrected: usize,
    /// Unknown writes, and how many of their rows are there.
    pub unknown: (usize, usize),
}

impl Journal {
    /// Creates the table of the rows, which must not exist.
    pub async fn create(primary: &PgPool) -> Result<Arc<Journal>, StoreError> {
        primary
            .execute("CREATE TABLE journal (number bigint PRIMARY KEY)")
            .await?;
        Ok(Arc::default())
    }

    /// Writes one row and records the outcome.
    pub async fn write(&self, writer: &Writer) -> Answer {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let start = Instant::now();
        let outcome = writer
            .write(move |db| {
                Box::pin(async move {
                    let insert = sqlx::query("INSERT INTO journal VALUES ($1)").bind(number);
                    insert.execute(db).await.map(drop)
                })
            })
            .await;
        let answer = match outcome {
            WriteOutcome::Committed(()) => Answer::Committed,
            WriteOutcome::Failed(_) => Answer::Failed,
            WriteOutcome::Unknown(_) => Answer::Unknown,
        };
        let end = Instant::now();
        self.entries.lock().push(Entry {
            number,
            start,
            end,
            answer,
        });
        answer
    }

    /// Starts this many clients, each of which writes until [`stop`](Self::stop).
    pub fn start_clients(self: &Arc<Self>, count: usize, writer: &Writer) -> Vec<JoinHandle<()>> {
        self.is_stopped.store(false, Ordering::Relaxed);
        let client = |_| {
            let (journal, writer) = (Arc::clone(self), writer.clone());
            tokio::spawn(async move {
                while !journal.is_stopped.load(Ordering::Relaxed) {
                    if journal.write(&writer).await != Answer::Committed {
                        tokio::time::sleep(RETRY_PAUSE).await;
                    }
                }
            })
        };
        (0..count).map(client).collect()
    }

    /// Lets the clients finish their writes, and waits for them.
    pub async fn stop(&self, clients: Vec<JoinHandle<()>>) {
        self.is_stopped.store(true, Ordering::Relaxed);
        join_all(clients).await;
    }

    /// The writes so far.
    pub fn entries(&self) -> Vec<Entry> {
        self.entries.lock().clone()
    }

    /// The number of the write that was started last.
    pub fn last_number(&self) -> i64 {
        self.next.load(Ordering::Relaxed) - 1
    }

    /// The number of confirmed writes that were sent after this time.
    pub fn committed_since(&self, time: Instant) -> usize {
        let entries = self.entries.lock();
        let since = entries.iter().rev().filter(|entry| entry.start >= time);
        since
            .filter(|entry| entry.answer == Answer::Committed)
            .count()
    }

    /// Compares the journal with the rows of this server.
    pub async fn compare(&self, primary: &PgPool) -> Result<Comparison, StoreError> {
        let rows = sqlx::query_scalar("SELECT number FROM journal");
        let rows: HashSet<i64> = rows.fetch_all(primary).await?.into_iter().collect();
        let entries = self.entries();
        let count = |answer: Answer, is_there: bool| {
            let of_answer = entries.iter().filter(|entry| entry.answer == answer);
            of_answer
                .filter(|entry| rows.contains(&entry.number) == is_there)
                .count()
        };
        let present = count(Answer::Committed, true);
        let lost = count(Answer::Committed, false);
        let (unknown, unknown_present) =
            (count(Answer::Unknown, false), count(Answer::Unknown, true));
        Ok(Comparison {
            committed: present + lost,
            lost,
            resurrected: count(Answer::Failed, true),
            unknown: (unknown + unknown_present, unknown_present),
        })
    }
}
