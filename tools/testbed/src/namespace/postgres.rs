//! A database for one test on the shared PostgreSQL server.

use std::net::SocketAddr;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::docker::{self, lease};
use crate::error::Error;
use crate::namespace;
use crate::server::shared::SharedServer;
use crate::service::probe::connect_postgres;

/// How long the replica may take until it has a new database.
const REPLICATION_TIMEOUT: Duration = Duration::from_secs(30);

/// The pause between two looks at the replica.
const REPLICA_POLL_INTERVAL: Duration = Duration::from_millis(10);

/// An empty database on the shared primary and its replica. Dropping this drops the database.
#[derive(Debug)]
pub struct Postgres {
    database: String,
    primary: SocketAddr,
    replica: SocketAddr,
}

/// An empty database that no other test uses.
pub async fn postgres() -> Result<Postgres, Error> {
    docker::run(async {
        let primary = SharedServer::Primary.address().await?;
        let replica = SharedServer::Replica.address().await?;
        drop_orphans(primary).await?;
        create(primary, replica, "template0").await
    })
    .await
}

async fn create(
    primary: SocketAddr,
    replica: SocketAddr,
    template: &str,
) -> Result<Postgres, Error> {
    let database = namespace::fresh_name().await?;
    let create = format!("CREATE DATABASE {database} TEMPLATE {template}");
    execute(primary, create).await?;
    let postgres = Postgres {
        database,
        primary,
        replica,
    };
    postgres.wait_for_replica().await?;
    Ok(postgres)
}

impl Postgres {
    /// Another database with the content of this one, which is faster than to fill it again. Close
    /// all connections to this one before: PostgreSQL refuses the copy if one stays open for more
    /// than 5 s.
    pub async fn copy(&self) -> Result<Postgres, Error> {
        let (primary, replica, template) = (self.primary, self.replica, self.database.clone());
        docker::run(async move { create(primary, replica, &template).await }).await
    }

    /// The database's URL on the primary.
    pub fn url(&self) -> String {
        self.url_at(self.primary)
    }

    /// The database's URL on the replica, which is read-only and lags a little.
    pub fn replica_url(&self) -> String {
        self.url_at(self.replica)
    }

    fn url_at(&self, address: SocketAddr) -> String {
        format!("postgres://workshop@{address}/{}", self.database)
    }

    async fn wait_for_replica(&self) -> Result<(), Error> {
        let deadline = Instant::now() + REPLICATION_TIMEOUT;
        loop {
            match connect_postgres(self.replica, &self.database).await {
                Ok(connection) => {
                    let _ = connection.close().await;
                    return Ok(());
                }
                Err(error) if Instant::now() > deadline => return Err(namespace_error(&error)),
                Err(_) => tokio::time::sleep(REPLICA_POLL_INTERVAL).await,
            }
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let (primary, database) = (self.primary, self.database.clone());
        // If this fails, the next process drops the database because of its name.
        docker::block_on(async move { drop_database(primary, &database).await });
    }
}

/// Drops the databases of processes that have ended. Does it once in this process.
async fn drop_orphans(primary: SocketAddr) -> Result<(), Error> {
    static DONE: OnceCell<()> = OnceCell::const_new();
    DONE.get_or_try_init(|| drop_orphans_now(primary))
        .await
        .copied()
}

async fn drop_orphans_now(primary: SocketAddr) -> Result<(), Error> {
    let _lock = lease::lock("postgres-databases").await?;
    let databases = async {
        let mut connection = connect_postgres(primary, "workshop").await?;
        sqlx::query_scalar("SELECT datname FROM pg_database")
            .fetch_all(&mut connection)
            .await
    };
    let databases: Vec<String> = databases
        .await
        .map_err(|error: sqlx::Error| namespace_error(&error))?;
    for database in databases {
        if namespace::is_orphaned(&database)? {
            drop_database(primary, &database).await?;
        }
    }
    Ok(())
}

async fn drop_database(primary: SocketAddr, database: &str) -> Result<(), Error> {
    let drop = format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)");
    execute(primary, drop).await
}

/// Runs a statement. It may contain only names that the testbed has made.
async fn execute(primary: SocketAddr, statement: String) -> Result<(), Error> {
    let executed = async {
        let mut connection = connect_postgres(primary, "workshop").await?;
        sqlx::query(AssertSqlSafe(statement))
            .execute(&mut connection)
            .await?;
        connection.close().await
    };
    executed
        .await
        .map_err(|error: sqlx::Error| namespace_error(&error))
}

fn namespace_error(error: &sqlx::Error) -> Error {
    Error::NoNamespace {
        server: SharedServer::Primary.container_name(),
        reason: error.to_string(),
    }
}
