//! A dedicated PostgreSQL primary with streaming replicas.
//!
//! Each replica is a base backup of the primary and follows it through its own replication slot.
//! Replication is asynchronous by default: a commit does not wait for the replicas. A test promotes
//! a replica itself, and then calls [`PostgresCluster::mark_promoted`].

use std::time::Duration;

use futures_util::future::try_join_all;
use sqlx::{AssertSqlSafe, Connection, Executor, Row};
use tokio::time::{Instant, sleep};

use crate::docker::network::gateway;
use crate::docker::{self, client};
use crate::error::Error;
use crate::fault::FaultProxy;
use crate::server::dedicated::Server;
use crate::service::Service;
use crate::service::probe::connect_postgres;
use crate::service::script::replica_script;

/// How long the replicas may take to become synchronous standbys.
const STANDBY_TIMEOUT: Duration = Duration::from_secs(30);

/// The pause between two questions to the primary about its standbys.
const STANDBY_INTERVAL: Duration = Duration::from_millis(20);

/// A primary and its replicas.
#[derive(Debug)]
pub struct PostgresCluster {
    // Dropped first: a replica without a primary fills its log with errors.
    replicas: Vec<Server>,
    former_primaries: Vec<Server>,
    primary: Server,
    /// Between each replica and the primary that it copied, in the order of the replicas.
    wal_links: Vec<Option<FaultProxy>>,
    settings: Vec<(String, String)>,
    has_wal_links: bool,
    started_replicas: usize,
}

/// Settings for a [`PostgresCluster`].
#[derive(Debug)]
pub struct PostgresClusterBuilder {
    replicas: usize,
    settings: Vec<(String, String)>,
    has_wal_links: bool,
    synchronous_standbys: usize,
}

impl PostgresClusterBuilder {
    /// The number of replicas. 1 by default.
    #[must_use]
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// Adds a setting of postgresql.conf to the primary and to all replicas, such as
    /// `("synchronous_commit", "remote_apply")`.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Puts a [`FaultProxy`] between the primary and each replica
    /// ([`PostgresCluster::wal_link`]). Linux only.
    #[must_use]
    pub fn wal_links(mut self) -> Self {
        self.has_wal_links = true;
        self
    }

    /// How many of the replicas must have a commit before the primary confirms it, whichever they
    /// are: `synchronous_standby_names = 'ANY n (*)'`. 0 by default, which is asynchronous.
    #[must_use]
    pub fn synchronous_standbys(mut self, count: usize) -> Self {
        self.synchronous_standbys = count;
        self
    }

    /// Starts the primary, then all replicas at the same time. Returns when all of them answer.
    pub async fn start(self) -> Result<PostgresCluster, Error> {
        let mut primary = Server::builder(Service::Postgres).role("primary");
        for (name, value) in &self.settings {
            primary = primary.setting(name, value);
        }
        let mut cluster = PostgresCluster {
            replicas: Vec::new(),
            wal_links: Vec::new(),
            former_primaries: Vec::new(),
            primary: primary.start().await?,
            settings: self.settings,
            has_wal_links: self.has_wal_links,
            started_replicas: self.replicas,
        };
        let replicas = (1..=self.replicas).map(|number| cluster.start_replica(number));
        (cluster.replicas, cluster.wal_links) = try_join_all(replicas).await?.into_iter().unzip();
        if self.synchronous_standbys > 0 {
            cluster
                .require_synchronous_standbys(self.synchronous_standbys)
                .await?;
        }
        Ok(cluster)
    }
}

impl PostgresCluster {
    /// Starts a primary with this many replicas and the testbed's default settings.
    pub async fn start(replicas: usize) -> Result<PostgresCluster, Error> {
        PostgresCluster::builder().replicas(replicas).start().await
    }

    /// A builder for a cluster with other settings.
    pub fn builder() -> PostgresClusterBuilder {
        PostgresClusterBuilder {
            replicas: 1,
            settings: Vec::new(),
            has_wal_links: false,
            synchronous_standbys: 0,
        }
    }

    /// The server that takes writes.
    pub fn primary(&self) -> &Server {
        &self.primary
    }

    /// The servers that follow the primary, in the order of their numbers.
    pub fn replicas(&self) -> &[Server] {
        &self.replicas
    }

    /// The servers that were primary before a fail-over, oldest first. They are as the test left
    /// them: one that was killed and is started again believes that it is the primary.
    pub fn former_primaries(&self) -> &[Server] {
        &self.former_primaries
    }

    /// The primary's URL.
    pub fn url(&self) -> String {
        self.primary.url()
    }

    /// The replicas' URLs.
    pub fn replica_urls(&self) -> Vec<String> {
        self.replicas.iter().map(Server::url).collect()
    }

    /// The connection through which this replica receives the write-ahead log (WAL). A fault here
    /// delays or cuts the replication and nothing else.
    ///
    /// # Panics
    /// If the cluster was started without [`PostgresClusterBuilder::wal_links`].
    pub fn wal_link(&self, replica: usize) -> &FaultProxy {
        let link = self.wal_links[replica].as_ref();
        link.expect("start the cluster with `wal_links()` to put a proxy before the primary")
    }

    /// Records that this replica was promoted. It becomes [`primary`](Self::primary), and the
    /// primary becomes the last of [`former_primaries`](Self::former_primaries).
    ///
    /// # Panics
    /// If there is no such replica.
    pub fn mark_promoted(&mut self, replica: usize) {
        let promoted = self.replicas.remove(replica);
        self.wal_links.remove(replica);
        let former = std::mem::replace(&mut self.primary, promoted);
        self.former_primaries.push(former);
    }

    /// Removes all former primaries, and starts a new replica of the current primary for each.
    pub async fn replace_former_primaries(&mut self) -> Result<(), Error> {
        for former in std::mem::take(&mut self.former_primaries) {
            drop(former);
            self.started_replicas += 1;
            let (replica, wal_link) = self.start_replica(self.started_replicas).await?;
            self.replicas.push(replica);
            self.wal_links.push(wal_link);
        }
        Ok(())
    }

    /// Makes commits wait for this many replicas, whichever they are; 0 makes the replication
    /// asynchronous. Returns when that many replicas are connected.
    pub async fn require_synchronous_standbys(&self, count: usize) -> Result<(), Error> {
        let names = match count {
            0 => String::new(),
            count => format!("ANY {count} (*)"),
        };
        let address = self.primary.address();
        let set = async move {
            let mut connection = connect_postgres(address, "workshop").await?;
            let setting = format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'");
            connection.execute(AssertSqlSafe(setting)).await?;
            connection.execute("SELECT pg_reload_conf()").await?;
            let deadline = Instant::now() + STANDBY_TIMEOUT;
            loop {
                let standbys = "SELECT count(*) FROM pg_stat_replication \
                     WHERE sync_state IN ('quorum', 'sync') AND state = 'streaming'";
                let found: i64 = connection.fetch_one(standbys).await?.try_get(0)?;
                if found as usize >= count {
                    return connection.close().await.map(|()| true);
                }
                if Instant::now() > deadline {
                    return Ok(false);
                }
                sleep(STANDBY_INTERVAL).await;
            }
        };
        let refused = |reason: String| Error::Setting {
            server: self.primary.name().to_owned(),
            reason,
        };
        match docker::run(set).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(refused(format!("{count} replicas did not connect"))),
            Err(error) => Err(refused(error.to_string())),
        }
    }

    async fn start_replica(&self, number: usize) -> Result<(Server, Option<FaultProxy>), Error> {
        let (mut host, mut port) = (self.primary.name().to_owned(), Service::Postgres.port());
        let mut wal_link = None;
        if self.has_wal_links {
            let gateway = docker::run(async { gateway(&client().await?).await }).await?;
            // A container cannot reach 127.0.0.1 of this machine.
            let proxy = FaultProxy::listen_on(gateway, self.primary.address()).await?;
            (host, port) = (gateway.to_string(), proxy.address().port());
            wal_link = Some(proxy);
        }
        let slot = format!("replica_{number}");
        let server = Server::builder(Service::Postgres)
            .role(&format!("replica-{number}"))
            .script(replica_script((&host, port), &slot, &self.settings))
            .start()
            .await?;
        Ok((server, wal_link))
    }
}
