//! The token of a read: a position that covers everything which the read may have shown.

use ch02_database::postgres::{connect, connect_replica};
use ch02_database::{Catalog, Consistency, ConsistencyToken, Node};
use sqlx::{Executor, PgPool};
use testbed::PostgresCluster;

use crate::support::{fill_catalog, open_catalog, poll_until, within_limit};

/// The margin of a token after the replay position, in bytes.
const MARGIN: u64 = 8_192;

/// The header of a page of the log, which a token may leave out.
const HEADER: u64 = 24;

/// The positions up to which a server has replayed and received the log.
async fn positions(server: &PgPool) -> (u64, u64) {
    let sql = "SELECT (pg_last_wal_replay_lsn() - '0/0')::bigint, \
             (pg_last_wal_receive_lsn() - '0/0')::bigint";
    let (replayed, received): (i64, i64) = sqlx::query_as(sql).fetch_one(server).await.unwrap();
    (replayed as u64, received as u64)
}

#[tokio::test]
async fn token_of_a_read_covers_the_next_commit() {
    let cluster = PostgresCluster::start(1).await.unwrap();
    let primary = connect(&cluster.url()).unwrap();
    fill_catalog(&primary).await;
    let url = &cluster.replica_urls()[0];
    let (server, replica) = (connect(url).unwrap(), connect_replica(url).unwrap());
    let catalog = open_catalog(&primary, &[replica]).await;
    poll_until("the replica has the games", async || {
        let found = server.execute("SELECT FROM games WHERE id = 7").await;
        found.ok().filter(|found| found.rows_affected() == 1)
    })
    .await;
    server
        .execute("SELECT pg_wal_replay_pause()")
        .await
        .unwrap();
    poll_until("the replay is paused", async || {
        let sql = "SELECT pg_get_wal_replay_pause_state() = 'paused'";
        let paused: bool = sqlx::query_scalar(sql).fetch_one(&server).await.unwrap();
        paused.then_some(())
    })
    .await;
    // A replica shows a commit a moment before it moves its replay position. Here it stays at this
    // position, and the log goes on: first by less than the margin, then by much more.
    for bytes in [100, 100_000] {
        let write = "SELECT pg_logical_emit_message(true, 'test', repeat('x', $1))";
        let write = sqlx::query(write).bind(bytes).execute(&primary);
        write.await.unwrap();
        let received = poll_until("the replica receives the log", async || {
            let (replayed, received) = positions(&server).await;
            (received - replayed >= bytes as u64).then_some(received)
        })
        .await;
        let read = poll_until("the replica answers", async || {
            let read = catalog.game(7, Consistency::AtLeast(ConsistencyToken::START));
            let read = within_limit(read).await.unwrap();
            (read.node != Node::Primary).then_some(read)
        })
        .await;
        let token = read.token.unwrap().lsn().bytes();
        let (replayed, _) = positions(&server).await;
        assert!(
            token + HEADER >= received.min(replayed + MARGIN),
            "the token {token} is before a commit that the read may have shown"
        );
        assert!(
            token <= replayed + MARGIN,
            "the token {token} demands more than the read has shown"
        );
    }
}
