//! Receives the notifications of changes that other processes make.
//!
//! PostgreSQL sends a notification only to the sessions that listen at that moment, and stores
//! none. So after a lost connection the listener asks *which jobs have changed since then*, and
//! reports them. A client may learn of such a change late, but always learns of it. A connection
//! that only listens never sends, and would not notice that it is dead. So the listener sends a
//! query every few seconds.
//!
//! Left out: how often a job has changed. A listener reads the record and sees its present state.

use std::io;
use std::time::Duration;

use sqlx::Row;
use sqlx::postgres::{PgListener, PgPool, PgPoolOptions};
use tokio::sync::broadcast::{Receiver, Sender};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

/// The channel of `NOTIFY` and `LISTEN`.
pub(super) const CHANNEL: &str = "job_changed";

/// How many changes a slow subscriber may be behind before it misses some.
const CHANGE_BUFFER: usize = 256;

/// The interval between two queries that check the connection.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(3);

/// The time-out of a new connection, and of each query on it.
const QUERY_TIMEOUT: Duration = Duration::from_secs(2);

/// The pause between two attempts to connect.
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);

/// The jobs that may have changed since a moment up to which all changes were received.
///
/// It starts one minute earlier: a transaction that was open at that moment has a `changed_at`
/// before its commit. Some changes are reported twice, which does no harm.
const CHANGED_SINCE: &str = "SELECT id::text FROM jobs \
    WHERE changed_at > $1::timestamptz - interval '1 minute' ORDER BY changed_at";

/// Passes changes on to subscribers in this process. Stops when it is dropped.
pub(super) struct ChangeListener {
    changes: Sender<Uuid>,
    task: JoinHandle<()>,
}

impl ChangeListener {
    /// Starts listening. Subscribers learn of every commit after this has returned.
    pub(super) async fn start(pool: &PgPool) -> Result<ChangeListener, sqlx::Error> {
        let changes = Sender::new(CHANGE_BUFFER);
        let mut connection = ListenConnection::open(pool).await?;
        let (pool, sender) = (pool.clone(), changes.clone());
        let task = tokio::spawn(async move {
            loop {
                let (since, error) = connection.forward_until_lost(&sender).await;
                if pool.is_closed() {
                    // Not a failure: this process is shutting down.
                    return;
                }
                tracing::warn!(%error, "lost the connection that reports changed jobs; reconnecting");
                connection = ListenConnection::reconnect(&pool, since, &sender).await;
                tracing::info!("receiving changed jobs again");
            }
        });
        Ok(ChangeListener { changes, task })
    }

    pub(super) fn subscribe(&self) -> Receiver<Uuid> {
        self.changes.subscribe()
    }
}

impl Drop for ChangeListener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection that listens.
struct ListenConnection {
    connection: PgListener,
    /// The server's time up to which all changes were received.
    received_until: String,
}

impl ListenConnection {
    async fn open(pool: &PgPool) -> Result<ListenConnection, sqlx::Error> {
        // A separate pool for each connection. A listener keeps its connection for ever, and would
        // take one from the store's pool.
        let own_pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(QUERY_TIMEOUT)
            .connect_lazy_with((*pool.connect_options()).clone());
        let mut connection = PgListener::connect_with(&own_pool).await?;
        // A lost connection must end this value. sqlx would replace it without a word, and the
        // changes in between would be missed.
        connection.eager_reconnect(false);
        with_timeout(connection.listen(CHANNEL)).await?;
        let received_until = server_time(&mut connection).await?;
        Ok(ListenConnection {
            connection,
            received_until,
        })
    }

    /// Tries to connect until it succeeds, then reports what has changed meanwhile.
    async fn reconnect(pool: &PgPool, since: String, changes: &Sender<Uuid>) -> ListenConnection {
        loop {
            match Self::catch_up(pool, &since, changes).await {
                Ok(connection) => return connection,
                Err(error) => tracing::debug!(%error, "the database is still unavailable"),
            }
            sleep(RECONNECT_PAUSE).await;
        }
    }

    /// Listens first and then queries, so that no change between the two is missed.
    async fn catch_up(
        pool: &PgPool,
        since: &str,
        changes: &Sender<Uuid>,
    ) -> Result<ListenConnection, sqlx::Error> {
        let mut listening = Self::open(pool).await?;
        let query = sqlx::query(CHANGED_SINCE).bind(since);
        for row in with_timeout(query.fetch_all(&mut listening.connection)).await? {
            report_change(row.get("id"), changes);
        }
        Ok(listening)
    }

    /// Passes notifications on until the connection is lost. Returns the server's time up to which
    /// all changes were received, and the error.
    async fn forward_until_lost(mut self, changes: &Sender<Uuid>) -> (String, sqlx::Error) {
        let mut keepalive = tokio::time::interval(KEEPALIVE_INTERVAL);
        loop {
            // `try_recv` is cancel-safe: a half-received notification stays in the connection's
            // buffer.
            let notification = tokio::select! {
                notification = self.connection.try_recv() => notification,
                _ = keepalive.tick() => match server_time(&mut self.connection).await {
                    // Replies and notifications arrive in order, so this process has received all
                    // notifications from before this time.
                    Ok(time) => {
                        self.received_until = time;
                        continue;
                    }
                    Err(error) => Err(error),
                },
            };
            let error = match notification {
                Ok(Some(change)) => {
                    report_change(change.payload(), changes);
                    continue;
                }
                Ok(None) => io::Error::from(io::ErrorKind::ConnectionAborted).into(),
                Err(error) => error,
            };
            return (self.received_until, error);
        }
    }
}

async fn server_time(connection: &mut PgListener) -> Result<String, sqlx::Error> {
    let query = sqlx::query("SELECT clock_timestamp()::text AS now").fetch_one(connection);
    Ok(with_timeout(query).await?.get("now"))
}

async fn with_timeout<T>(
    query: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    timeout(QUERY_TIMEOUT, query)
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

fn report_change(id: &str, changes: &Sender<Uuid>) {
    match Uuid::parse_str(id) {
        // `send` fails if there is no subscriber, which is fine.
        Ok(id) => drop(changes.send(id)),
        Err(error) => tracing::error!(id, %error, "a notification does not contain a job's id"),
    }
}
