//! Hearing of changes that other processes make.
//!
//! A notification is a courtesy of the moment: the server tells those who listen now and keeps nothing for those who do not. So a
//! listener that was cut off asks, once it is back, *what has changed meanwhile*, and tells that. Then a customer's page may learn of a
//! change late, but it never waits for one that was told while nobody listened. That a connection is dead one may not notice for a
//! long time, since one that only listens never sends; so this one asks for the time every few seconds.
//!
//! Left out: how often a job changed meanwhile. Whoever is told looks at the board and sees how it stands now.

use std::io;
use std::time::Duration;

use sqlx::Row;
use sqlx::postgres::{PgListener, PgPool, PgPoolOptions};
use tokio::sync::broadcast::{Receiver, Sender};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

/// The name under which changes are told.
pub(super) const CHANNEL: &str = "job_changed";

/// How many changes a slow listener may be behind before it misses some.
const REMEMBERED_CHANGES: usize = 256;

/// How often the connection has to prove that it lives.
const PROOF_EVERY: Duration = Duration::from_secs(3);

/// How long the proof may take, and a new connection.
const PROOF_WITHIN: Duration = Duration::from_secs(2);

/// How long to wait before trying again when the server is away.
const PAUSE: Duration = Duration::from_millis(500);

/// What may have changed since a moment at which everything before had been heard. A minute more than that, because a transaction that
/// was open at that moment has an earlier time than its commit; a change that is told twice does no harm.
const CHANGED_SINCE: &str = "SELECT id::text FROM jobs WHERE changed_at > $1::timestamptz - interval '1 minute' ORDER BY changed_at";

/// Tells this process of changes, until it is dropped.
pub(super) struct Changes {
    heard: Sender<Uuid>,
    listening: JoinHandle<()>,
}

impl Changes {
    /// Listens from now on: what commits after this has returned is heard.
    pub(super) async fn listen(pool: &PgPool) -> Result<Changes, sqlx::Error> {
        let heard = Sender::new(REMEMBERED_CHANGES);
        let mut listener = Listener::connect(pool).await?;
        let (pool, tell) = (pool.clone(), heard.clone());
        let listening = tokio::spawn(async move {
            loop {
                let (since, error) = listener.tell_for_ever(&tell).await;
                if pool.is_closed() {
                    // Not lost but ended, by whoever ends this process.
                    return;
                }
                tracing::warn!(%error, "cannot hear of changed jobs; customers see them late");
                listener = Listener::return_to(&pool, since, &tell).await;
                tracing::info!("hearing of changed jobs again");
            }
        });
        Ok(Changes { heard, listening })
    }

    pub(super) fn receiver(&self) -> Receiver<Uuid> {
        self.heard.subscribe()
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// One connection that listens.
struct Listener {
    connection: PgListener,
    /// The server's time when all changes before it had been heard.
    heard_until: String,
}

impl Listener {
    async fn connect(pool: &PgPool) -> Result<Listener, sqlx::Error> {
        // A pool of its own, and a new one each time: a listener keeps its connection, and would take one of the store's for good.
        let own = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(PROOF_WITHIN)
            .connect_lazy_with((*pool.connect_options()).clone());
        let mut connection = PgListener::connect_with(&own).await?;
        // A connection that is lost should end this listener, not be replaced behind our back.
        connection.eager_reconnect(false);
        answered(connection.listen(CHANNEL)).await?;
        let heard_until = now(&mut connection).await?;
        Ok(Listener {
            connection,
            heard_until,
        })
    }

    /// Connects as often as it takes, then tells what changed meanwhile. In this order: what changes after the question is heard.
    async fn return_to(pool: &PgPool, since: String, tell: &Sender<Uuid>) -> Listener {
        loop {
            match Self::catch_up(pool, &since, tell).await {
                Ok(listener) => return listener,
                Err(error) => tracing::debug!(%error, "the database is still away"),
            }
            sleep(PAUSE).await;
        }
    }

    async fn catch_up(
        pool: &PgPool,
        since: &str,
        tell: &Sender<Uuid>,
    ) -> Result<Listener, sqlx::Error> {
        let mut listener = Self::connect(pool).await?;
        let changed = sqlx::query(CHANGED_SINCE).bind(since);
        for row in answered(changed.fetch_all(&mut listener.connection)).await? {
            tell_of(row.get("id"), tell);
        }
        Ok(listener)
    }

    /// Returns when the connection is lost: until when everything was heard, and why no longer.
    async fn tell_for_ever(mut self, tell: &Sender<Uuid>) -> (String, sqlx::Error) {
        let mut proof = tokio::time::interval(PROOF_EVERY);
        loop {
            // Dropping `try_recv` loses nothing: a notification that has come in part stays in the connection's buffer.
            let heard = tokio::select! {
                heard = self.connection.try_recv() => heard,
                _ = proof.tick() => match now(&mut self.connection).await {
                    // Answers and notifications come in order, so what was told before this moment is in this process by now.
                    Ok(now) => {
                        self.heard_until = now;
                        continue;
                    }
                    Err(error) => Err(error),
                },
            };
            match heard {
                Ok(Some(change)) => tell_of(change.payload(), tell),
                Ok(None) => {
                    return (
                        self.heard_until,
                        io::Error::from(io::ErrorKind::ConnectionAborted).into(),
                    );
                }
                Err(error) => return (self.heard_until, error),
            }
        }
    }
}

async fn now(connection: &mut PgListener) -> Result<String, sqlx::Error> {
    let row = sqlx::query("SELECT clock_timestamp()::text AS now").fetch_one(connection);
    Ok(answered(row).await?.get("now"))
}

async fn answered<T>(
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    timeout(PROOF_WITHIN, answer)
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

fn tell_of(id: &str, tell: &Sender<Uuid>) {
    match Uuid::parse_str(id) {
        // An error means that nobody listens, which is nobody's fault.
        Ok(id) => drop(tell.send(id)),
        Err(error) => tracing::error!(id, %error, "this is not the id of a job"),
    }
}
