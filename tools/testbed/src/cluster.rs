//! A PostgreSQL primary with streaming replicas, all of them dedicated.
//!
//! Each replica is a base backup of the primary that follows it through a replication slot of its own. Replication is asynchronous unless a
//! setting says otherwise: a commit does not wait for anybody.

use futures_util::future::try_join_all;

use crate::error::Error;
use crate::server::Server;
use crate::service::{Service, replica_script};

/// A primary and its replicas.
#[derive(Debug)]
pub struct PostgresCluster {
    // Replicas are dropped first: a primary waits for nobody, but its log would complain.
    replicas: Vec<Server>,
    primary: Server,
}

/// A cluster whose settings are still to be said.
#[derive(Debug)]
pub struct PostgresClusterBuilder {
    replicas: usize,
    settings: Vec<(String, String)>,
}

impl PostgresClusterBuilder {
    /// How many replicas. 1 by default.
    #[must_use]
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// A setting of postgresql.conf, for the primary and its replicas alike, such as `("synchronous_commit", "remote_apply")`.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts the primary, then all replicas side by side. When this returns, every one of them answers.
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
    /// A primary with this many replicas and PostgreSQL's own settings.
    pub async fn start(replicas: usize) -> Result<PostgresCluster, Error> {
        PostgresCluster::builder().replicas(replicas).start().await
    }

    /// A cluster whose settings are still to be said.
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

    /// The servers that follow it.
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
