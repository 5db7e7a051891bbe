//! A database of one's own on the shared PostgreSQL server.

use std::net::SocketAddr;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::docker::{block, run};
use crate::error::Error;
use crate::lease;
use crate::namespace;
use crate::ready;
use crate::shared::Member;

/// How long the replica may take to hear of a new database.
const REPLICATED_WITHIN: Duration = Duration::from_secs(30);

/// An empty database on the shared primary, which the shared replica follows. Dropping this drops the database.
#[derive(Debug)]
pub struct Postgres {
    database: String,
    primary: SocketAddr,
    replica: SocketAddr,
}

/// An empty database of one's own.
pub async fn postgres() -> Result<Postgres, Error> {
    run(async {
        let primary = Member::Primary.address().await?;
        let replica = Member::Replica.address().await?;
        swept(primary).await?;
        let database = namespace::fresh().await?;
        execute(
            primary,
            format!("CREATE DATABASE {database} TEMPLATE template0"),
        )
        .await?;
        let postgres = Postgres {
            database,
            primary,
            replica,
        };
        postgres.wait_for_replica().await?;
        Ok(postgres)
    })
    .await
}

impl Postgres {
    /// The database on the primary.
    pub fn url(&self) -> String {
        self.url_at(self.primary)
    }

    /// The same database on the replica: read-only, and a moment behind.
    pub fn replica_url(&self) -> String {
        self.url_at(self.replica)
    }

    fn url_at(&self, address: SocketAddr) -> String {
        format!("postgres://workshop@{address}/{}", self.database)
    }

    async fn wait_for_replica(&self) -> Result<(), Error> {
        let deadline = Instant::now() + REPLICATED_WITHIN;
        loop {
            match ready::postgres(self.replica, &self.database).await {
                Ok(connection) => {
                    let _ = connection.close().await;
                    return Ok(());
                }
                Err(error) if Instant::now() > deadline => return Err(refused(&error)),
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let (primary, database) = (self.primary, self.database.clone());
        // If the server is gone, so is the database; else the next run finds it by its name.
        block(async move {
            execute(
                primary,
                format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)"),
            )
            .await
        });
    }
}

/// Drops the databases of processes that have ended, once in this process.
async fn swept(primary: SocketAddr) -> Result<(), Error> {
    static SWEPT: OnceCell<()> = OnceCell::const_new();
    SWEPT.get_or_try_init(|| sweep(primary)).await.copied()
}

async fn sweep(primary: SocketAddr) -> Result<(), Error> {
    let _lock = lease::lock("postgres-databases").await?;
    let databases = async {
        let mut connection = ready::postgres(primary, "workshop").await?;
        sqlx::query_scalar("SELECT datname FROM pg_database")
            .fetch_all(&mut connection)
            .await
    };
    let databases: Vec<String> = databases
        .await
        .map_err(|error: sqlx::Error| refused(&error))?;
    for database in databases {
        if namespace::is_left_behind(&database)? {
            execute(
                primary,
                format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)"),
            )
            .await?;
        }
    }
    Ok(())
}

/// Runs a statement of ours; the names in it are our own.
async fn execute(primary: SocketAddr, statement: String) -> Result<(), Error> {
    let ran = async {
        let mut connection = ready::postgres(primary, "workshop").await?;
        sqlx::query(AssertSqlSafe(statement))
            .execute(&mut connection)
            .await?;
        connection.close().await
    };
    ran.await.map_err(|error: sqlx::Error| refused(&error))
}

fn refused(error: &sqlx::Error) -> Error {
    Error::NoNamespace {
        server: Member::Primary.name(),
        reason: error.to_string(),
    }
}
