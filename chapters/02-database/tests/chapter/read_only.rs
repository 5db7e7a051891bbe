//! A write through a connection for reads is refused by the database. That it does not compile
//! either is a documentation test of `ReadPool`.

use ch02_database::postgres::{ReadPool, connect, connect_replica};
use sqlx::error::DatabaseError;
use sqlx::{AssertSqlSafe, Executor};
use testbed::PostgresCluster;

use crate::support::poll_until;

/// Statements that change the table `notes (n integer)` or something else in the database.
const WRITES: [&str; 20] = [
    "INSERT INTO notes VALUES (1)",
    "INSERT INTO notes VALUES (1) RETURNING n",
    "UPDATE notes SET n = 2",
    "DELETE FROM notes",
    "WITH gone AS (DELETE FROM notes RETURNING n) SELECT n FROM gone",
    "MERGE INTO notes USING (SELECT 1 AS m) s ON n = m WHEN NOT MATCHED THEN INSERT VALUES (m)",
    "TRUNCATE notes",
    "SELECT n FROM notes FOR UPDATE",
    "SELECT n FROM notes FOR SHARE",
    "SELECT nextval('numbers')",
    "SELECT setval('numbers', 7)",
    "COPY notes FROM STDIN",
    "CREATE TABLE others ()",
    "SELECT 1 AS n INTO others",
    "ALTER TABLE notes ADD m integer",
    "DROP TABLE notes CASCADE",
    "CREATE INDEX ON notes (n)",
    "COMMENT ON TABLE notes IS ''",
    "GRANT SELECT ON notes TO PUBLIC",
    "REFRESH MATERIALIZED VIEW copy",
];

/// PostgreSQL's code for a write in a read-only transaction.
const READ_ONLY: Option<&str> = Some("25006");

async fn assert_refuses_writes(server: &ReadPool, name: &str) {
    for sql in WRITES {
        let error = server.fetch_optional(AssertSqlSafe(sql)).await;
        let error = error.expect_err("the server has taken a write");
        let code = error.as_database_error().and_then(DatabaseError::code);
        assert_eq!(code.as_deref(), READ_ONLY, "{name}, {sql}: {error}");
    }
}

#[tokio::test]
async fn connections_for_reads_refuse_all_writes() {
    let cluster = PostgresCluster::start(1).await.unwrap();
    let primary = connect(&cluster.url()).unwrap();
    primary
        .execute(
            "CREATE TABLE notes (n integer); INSERT INTO notes VALUES (1); \
             CREATE SEQUENCE numbers; CREATE MATERIALIZED VIEW copy AS SELECT n FROM notes",
        )
        .await
        .unwrap();
    for sql in WRITES.iter().filter(|sql| !sql.starts_with("COPY")) {
        let undone = format!("BEGIN; {sql}; ROLLBACK");
        let written = primary.execute(AssertSqlSafe(undone)).await;
        written.unwrap_or_else(|error| panic!("{sql} is no valid statement: {error}"));
    }
    assert_refuses_writes(&ReadPool::of(&primary), "the primary").await;

    let url = &cluster.replica_urls()[0];
    let replica = connect_replica(url).unwrap();
    poll_until("the replica has the table", async || {
        replica.fetch_all("SELECT n FROM notes").await.ok()
    })
    .await;
    assert_refuses_writes(&replica, "the replica").await;
    // During recovery the server refuses a write on any connection.
    let table_lock = "LOCK TABLE notes";
    let refused = connect(url).unwrap().execute(table_lock).await.unwrap_err();
    let code = refused.as_database_error().and_then(DatabaseError::code);
    assert_eq!(code.as_deref(), READ_ONLY, "{refused}");

    let promote = connect(url).unwrap();
    promote.execute("SELECT pg_promote()").await.unwrap();
    promote.execute(WRITES[0]).await.unwrap();
    assert_refuses_writes(&replica, "the promoted replica").await;
}
