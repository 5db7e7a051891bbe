//! A dedicated PostgreSQL primary with streaming replicas.
//!
//! Each replica is a base backup of the primary and follows it through its own replication slot.
//! Replication is asynchronous by default: a commit does not wait for the replicas.

use futures_util::future::try_join_all;

use crate::error::Error;
use crate::server::dedicated::Server;
use crate::service::Service;
use crate::service::script::replica_script;

/// A primary and its replicas.
#[derive(Debug)]
pub struct PostgresCluster {
    // Dropped first: a replica without a primary fills its log with errors.
    replicas: Vec<Server>,
    primary: Server,
}

/// Settings for a [`PostgresCluster`].
#[derive(Debug)]
pub struct PostgresClusterBuilder {
    replicas: usize,
    settings: Vec<(String, String)>,
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

    /// Starts the primary, then all replicas at the same time. Returns when all of them answer.
    pub async fn start(self) -> Result<PostgresCluster, Error> {
        let mut primary = Server::builder(Service::Postgres).role("primary");
        for (name, value) in &self.settings {
            primary = primary.setting(name, value);
        }
        let primary = primary.start().await?;
        let replicas = (1..=self.replicas).map(|number| {
            let role = format!("replica-{number}");
            let script =
                replica_script(primary.name(), &format!("replica_{number}"), &self.settings);
            Server::builder(Service::Postgres)
                .role(&role)
                .script(script)
                .start()
        });
        let replicas = try_join_all(replicas).await?;
        Ok(PostgresCluster { replicas, primary })
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

    /// The primary's URL.
    pub fn url(&self) -> String {
        self.primary.url()
    }

    /// The replicas' URLs.
    pub fn replica_urls(&self) -> Vec<String> {
        self.replicas.iter().map(Server::url).collect()
    }
}
