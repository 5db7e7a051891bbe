//! Finds that the primary has failed, promotes a replica, and fences the former primary.
//!
//! There is one coordinator. Its steps are public, so that a test can take them one by one.

use std::str::FromStr;
use std::time::Duration;

use futures_util::future::join_all;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Error, Executor, Row};
use tokio::time::sleep;

use super::node::{connect, probe};
use super::{CommitMode, Epoch};
use crate::postgres::with_timeout;

/// The pause between two probes of the primary.
const PROBE_INTERVAL: Duration = Duration::from_millis(250);

/// How many probes must fail one after the other. One lost packet is no reason for a fail-over.
const FAILED_PROBES: u32 = 3;

/// The limit for one step of the fail-over on one server.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);

/// The pause between two questions to a server that is changing its state.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A server of the cluster.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its URL for the coordinator and the clones. The user must be a superuser.
    pub url: String,
    /// The host under which the other servers reach it.
    pub host: String,
    /// The port under which the other servers reach it.
    pub port: u16,
}

/// A finished fail-over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promotion {
    /// The index of the new primary.
    pub node: usize,
    /// The new epoch.
    pub epoch: Epoch,
}

/// Why no server was promoted.
#[derive(Debug, thiserror::Error)]
pub enum FailoverError {
    /// A confirmed write may be on a standby that does not answer. An operator has to decide.
    #[error("only {answered} of {standbys} standbys answer, but {needed} are needed")]
    NotEnoughStandbys {
        /// How many standbys answer.
        answered: usize,
        /// How many there are.
        standbys: usize,
        /// How many have to answer.
        needed: usize,
    },
    /// A server failed during the fail-over. The next attempt starts from the beginning.
    #[error("a server failed during the fail-over: {0}")]
    Database(#[from] Error),
}

/// Promotes and fences the servers of one cluster.
#[derive(Clone, Debug)]
pub struct Coordinator {
    servers: Vec<Server>,
    synchronous_standbys: usize,
}

impl Coordinator {
    /// A coordinator of these servers. A commit waits for `synchronous_standbys` of them; 0 means
    /// asynchronous replication.
    pub fn new(servers: Vec<Server>, synchronous_standbys: usize) -> Self {
        Coordinator {
            servers,
            synchronous_standbys,
        }
    }

    /// Watches the primary for ever. Fails over when it is gone, and fences it when it is back.
    pub async fn run(&self, mut primary: usize) {
        loop {
            self.wait_for_failure(primary).await;
            match self.fail_over(primary).await {
                Ok(promotion) => {
                    tracing::warn!(?promotion, "a replica was promoted");
                    let (coordinator, former) = (self.clone(), primary);
                    tokio::spawn(async move {
                        while coordinator.fence(former, promotion.epoch).await.is_err() {
                            sleep(PROBE_INTERVAL).await;
                        }
                    });
                    primary = promotion.node;
                }
                Err(error) => {
                    tracing::error!(%error, "no replica was promoted");
                    sleep(PROBE_INTERVAL).await;
                }
            }
        }
    }

    /// Returns when several probes of this server have failed one after the other.
    pub async fn wait_for_failure(&self, primary: usize) {
        let mut failed = 0;
        while failed < FAILED_PROBES {
            match probe(&self.servers[primary].url).await {
                Ok(state) if state.is_primary() => failed = 0,
                _ => failed += 1,
            }
            sleep(PROBE_INTERVAL).await;
        }
    }

    // ANCHOR: fail_over
    /// Replaces the failed primary by the most advanced standby.
    pub async fn fail_over(&self, failed: usize) -> Result<Promotion, FailoverError> {
        // 1. From here on no standby confirms anything to the old primary. Without this step, the
        // standby that is not chosen could confirm more commits to a primary that still runs.
        let nodes: Vec<usize> = (0..self.servers.len())
            .filter(|node| *node != failed)
            .collect();
        let cut = join_all(nodes.iter().map(|node| self.cut_off(*node))).await;
        let mut standbys: Vec<Standby> = cut.into_iter().filter_map(Result::ok).collect();
        // A confirmed commit is on `synchronous_standbys` standbys. So one of any
        // `needed` standbys has it.
        let needed = (nodes.len() + 1).saturating_sub(self.synchronous_standbys.max(1));
        let needed = if self.synchronous_standbys == 0 {
            1
        } else {
            needed
        };
        if standbys.len() < needed {
            return Err(FailoverError::NotEnoughStandbys {
                answered: standbys.len(),
                standbys: nodes.len(),
                needed,
            });
        }
        // 2. The standby with the most log has every confirmed commit.
        standbys.sort_by_key(|standby| standby.received);
        let mut chosen = standbys.pop().expect("at least one is needed");
        let epoch = standbys
            .iter()
            .fold(chosen.epoch, |epoch, other| epoch.max(other.epoch))
            + 1;
        let promote = chosen.connection.execute("SELECT pg_promote()");
        with_timeout(STEP_TIMEOUT, promote).await?;
        // 3. The others follow the new primary, so that its commits find a standby.
        let follow = standbys
            .iter_mut()
            .map(|standby| self.follow(standby, chosen.node));
        join_all(follow).await;
        // 4. Writers accept the new primary when they find the new epoch in its data.
        self.start_epoch(&mut chosen.connection, epoch).await?;
        Ok(Promotion {
            node: chosen.node,
            epoch,
        })
    }
    // ANCHOR_END: fail_over

    // ANCHOR: fence
    /// Makes a former primary refuse writes, also those of clients that still believe in it.
    pub async fn fence(&self, former: usize, epoch: Epoch) -> Result<(), Error> {
        with_timeout(STEP_TIMEOUT, async {
            let mut connection = connect(&self.servers[former].url).await?;
            let setting = "ALTER SYSTEM SET default_transaction_read_only = on";
            connection.execute(setting).await?;
            connection.execute("SELECT pg_reload_conf()").await?;
            // A commit that waits for its standby holds the lock which `fence` needs.
            connection.execute(END_OTHER_CONNECTIONS).await?;
            let raise = format!(
                "BEGIN READ WRITE; SET LOCAL synchronous_commit = local; \
                 SELECT fence({epoch}); COMMIT"
            );
            connection.execute(AssertSqlSafe(raise)).await?;
            // Clients that have connected in between.
            connection.execute(END_OTHER_CONNECTIONS).await?;
            Ok(())
        })
        .await
    }
    // ANCHOR_END: fence

    /// Stops the stream from the old primary to this standby.
    async fn cut_off(&self, node: usize) -> Result<Standby, Error> {
        with_timeout(STEP_TIMEOUT, async {
            let mut connection = connect(&self.servers[node].url).await?;
            connection
                .execute("ALTER SYSTEM SET primary_conninfo = ''")
                .await?;
            connection.execute("SELECT pg_reload_conf()").await?;
            let is_connected = "SELECT EXISTS (SELECT FROM pg_stat_wal_receiver)";
            while sqlx::query_scalar(is_connected)
                .fetch_one(&mut connection)
                .await?
            {
                sleep(POLL_INTERVAL).await;
            }
            let row = sqlx::query(
                "SELECT (greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - '0/0') \
                 ::bigint AS received, (SELECT epoch FROM cluster_epoch) AS epoch",
            );
            let row = row.fetch_one(&mut connection).await?;
            Ok(Standby {
                node,
                received: row.try_get("received")?,
                epoch: row.try_get("epoch")?,
                connection,
            })
        })
        .await
    }

    /// Makes a standby follow the new primary. A standby that fails here is behind, but it harms
    /// nothing.
    async fn follow(&self, standby: &mut Standby, primary: usize) {
        let Server { url, host, port } = &self.servers[primary];
        let options = PgConnectOptions::from_str(url);
        let user = options
            .as_ref()
            .map_or("postgres", PgConnectOptions::get_username);
        let follow =
            format!("ALTER SYSTEM SET primary_conninfo = 'host={host} port={port} user={user}'");
        let settings = [
            follow.as_str(),
            // The slot exists only on the old primary.
            "ALTER SYSTEM SET primary_slot_name = ''",
            "SELECT pg_reload_conf()",
        ];
        for setting in settings {
            let set = standby
                .connection
                .execute(AssertSqlSafe(setting.to_owned()));
            if let Err(error) = with_timeout(STEP_TIMEOUT, set).await {
                tracing::warn!(node = standby.node, %error, "a standby does not follow");
                return;
            }
        }
    }

    async fn start_epoch(&self, connection: &mut PgConnection, epoch: Epoch) -> Result<(), Error> {
        let (names, mode) = match self.synchronous_standbys {
            0 => (String::new(), CommitMode::Local),
            count => (format!("ANY {count} (*)"), CommitMode::On),
        };
        let setting = format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'");
        let raise = format!(
            "BEGIN; SET LOCAL synchronous_commit = {mode}; SELECT start_epoch({epoch}); COMMIT"
        );
        with_timeout(STEP_TIMEOUT, async {
            connection.execute(AssertSqlSafe(setting)).await?;
            connection.execute("SELECT pg_reload_conf()").await?;
            // Otherwise the new epoch itself could be lost in the next fail-over.
            while sqlx::query_scalar::<_, i64>(COUNT_STANDBYS)
                .fetch_one(&mut *connection)
                .await?
                < self.synchronous_standbys as i64
            {
                sleep(POLL_INTERVAL).await;
            }
            connection.execute(AssertSqlSafe(raise)).await?;
            Ok(())
        })
        .await
    }
}

/// A standby that no longer follows the old primary.
struct Standby {
    node: usize,
    /// The end of the log that it has, in bytes since the cluster was created.
    received: i64,
    epoch: Epoch,
    connection: PgConnection,
}

const END_OTHER_CONNECTIONS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
     WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";

const COUNT_STANDBYS: &str = "SELECT count(*) FROM pg_stat_replication \
     WHERE sync_state IN ('sync', 'quorum') AND state = 'streaming'";
