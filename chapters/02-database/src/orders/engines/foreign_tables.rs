//! PostgreSQL's own way: a hash-partitioned table whose partitions are foreign tables.
//!
//! One server, the *coordinator*, has the table `orders` without any row. Each partition is a table
//! on a shard, which the coordinator reads and writes through `postgres_fdw`. A program uses one
//! table, and the planner asks only the shards that a query needs.
//!
//! Three things are missing, and the tests show them. No unique index reaches across the shards. An
//! aggregate over several shards is computed by the coordinator, from all rows. A transaction on
//! several shards is not atomic, because the coordinator commits on one shard after the other.
//! <https://www.postgresql.org/docs/17/postgres-fdw.html>

use std::fmt::Write as _;

use sqlx::postgres::{PgExecutor, PgPool};
use sqlx::{AssertSqlSafe, Error, Executor};

/// Where the coordinator finds a shard. The address is that in the coordinator's network.
#[derive(Clone, Debug)]
pub struct ForeignShard {
    /// The shard's host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Its database.
    pub database: String,
    /// The user of the coordinator's connections.
    pub user: String,
}

// ANCHOR: columns
/// The columns of the coordinator's table and of each partition.
const COLUMNS: &str = "\
    id              bigint      NOT NULL, \
    customer        text        NOT NULL, \
    game_id         bigint      NOT NULL, \
    quantity        integer     NOT NULL, \
    total_cents     bigint      NOT NULL, \
    created_at      timestamptz NOT NULL, \
    idempotency_key text";
// ANCHOR_END: columns

/// Creates a shard's table. Only its own indexes make anything unique.
pub async fn create_shard(shard: &PgPool) -> Result<(), Error> {
    let table = format!(
        "CREATE TABLE orders ({COLUMNS}, PRIMARY KEY (id), UNIQUE (customer, idempotency_key)); \
         CREATE INDEX orders_by_customer ON orders (customer, id)"
    );
    shard.execute(AssertSqlSafe(table)).await.map(drop)
}

// ANCHOR: create_coordinator
/// Creates the coordinator's table with one partition for each shard.
pub async fn create_coordinator(
    coordinator: impl PgExecutor<'_>,
    shards: &[ForeignShard],
) -> Result<(), Error> {
    let mut sql = format!(
        "CREATE EXTENSION IF NOT EXISTS postgres_fdw; \
         CREATE TABLE orders ({COLUMNS}) PARTITION BY HASH (customer);"
    );
    for (number, shard) in shards.iter().enumerate() {
        let (host, database, user) = (
            quote(&shard.host),
            quote(&shard.database),
            quote(&shard.user),
        );
        let (port, modulus) = (shard.port, shards.len());
        // `async_capable`: a query to several shards asks them at the same time.
        write!(
            sql,
            "CREATE SERVER shard_{number} FOREIGN DATA WRAPPER postgres_fdw \
                 OPTIONS (host {host}, port '{port}', dbname {database}, async_capable 'true'); \
             CREATE USER MAPPING FOR CURRENT_USER SERVER shard_{number} OPTIONS (user {user}); \
             CREATE FOREIGN TABLE orders_{number} PARTITION OF orders \
                 FOR VALUES WITH (MODULUS {modulus}, REMAINDER {number}) \
                 SERVER shard_{number} OPTIONS (table_name 'orders');"
        )
        .expect("writing to a String cannot fail");
    }
    coordinator.execute(AssertSqlSafe(sql)).await.map(drop)
}
// ANCHOR_END: create_coordinator

/// An SQL literal. The server must have `standard_conforming_strings` on, as by default.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
