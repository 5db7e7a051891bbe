//! Which replicas get reads: the lag monitor, and the limit of reads that fall back to the primary.

use std::time::Duration;

use ch02_database::catalog::GameChange;
use ch02_database::postgres::{ReadPool, connect, connect_replica};
use ch02_database::replication::{LagLimits, Lsn, ReplicaChoice, RouterSettings};
use ch02_database::{Catalog, Consistency, ConsistencyToken, GameId, Node, PgCatalog, StoreError};
use futures_util::future::join_all;
use sqlx::{Executor, PgPool};
use testbed::PostgresCluster;

use crate::support::{GAMES, Store, drop_after, fill_catalog, poll_until, within_limit};

/// A cluster with two replicas, and the connections of one clone.
struct Clone {
    cluster: PostgresCluster,
    primary: PgPool,
    replicas: Vec<ReadPool>,
}

impl Clone {
    async fn start() -> Clone {
        let cluster = PostgresCluster::start(2).await.unwrap();
        let primary = connect(&cluster.url()).unwrap();
        fill_catalog(&primary).await;
        let urls = cluster.replica_urls();
        let replicas = urls.iter().map(|url| connect_replica(url).unwrap());
        Clone {
            replicas: replicas.collect(),
            primary,
            cluster,
        }
    }

    async fn open(&self, settings: RouterSettings) -> PgCatalog {
        PgCatalog::open(self.primary.clone(), self.replicas.clone(), settings).await
    }

    /// Stops or continues the replay of a replica. It receives the log all the same.
    async fn set_replay(&self, replica: usize, runs: bool) {
        let server = connect(&self.cluster.replica_urls()[replica]).unwrap();
        let sql = if runs {
            "SELECT pg_wal_replay_resume()"
        } else {
            "SELECT pg_wal_replay_pause()"
        };
        server.execute(sql).await.unwrap();
        if !runs {
            poll_until("the replay is paused", async || {
                let sql = "SELECT pg_get_wal_replay_pause_state() = 'paused'";
                let paused: bool = sqlx::query_scalar(sql).fetch_one(&server).await.unwrap();
                paused.then_some(())
            })
            .await;
        }
    }
}

async fn set_price(catalog: &PgCatalog, price_cents: i64) {
    let change = GameChange {
        price_cents: Some(price_cents),
        description: None,
    };
    within_limit(catalog.change(7, &change)).await.unwrap();
}

/// The servers and the prices of 20 reads.
async fn read_20(catalog: &PgCatalog) -> Vec<(Node, i64)> {
    let mut reads = Vec::new();
    for _ in 0..20 {
        let read = within_limit(catalog.game(7, Consistency::Eventual)).await;
        let read = read.expect("a read failed although the primary is up");
        reads.push((read.node, read.value.unwrap().price_cents));
    }
    reads
}

/// Waits until exactly these replicas are in rotation.
async fn wait_for_rotation(catalog: &PgCatalog, expected: [bool; 2]) {
    poll_until(
        "the monitor has found the state of the replicas",
        async || {
            let replicas = catalog.replicas();
            let found = replicas.iter().map(|replica| replica.is_in_rotation);
            found.eq(expected).then_some(())
        },
    )
    .await;
}

/// Limits that every late replica exceeds soon.
const STRICT: RouterSettings = RouterSettings {
    lag_limits: LagLimits {
        bytes: 0,
        time: Duration::from_millis(200),
    },
    choice: ReplicaChoice::RoundRobin,
    check_interval: Duration::from_millis(50),
    token_wait: Duration::from_millis(50),
    max_fallback_reads: 4,
    ignores_tokens: false,
};

#[tokio::test]
async fn late_replicas_leave_the_rotation_and_return() {
    let clone = Clone::start().await;
    let catalog = clone.open(STRICT).await;
    let no_limits = RouterSettings {
        lag_limits: LagLimits {
            bytes: u64::MAX,
            time: Duration::MAX,
        },
        ..STRICT
    };
    let naive = clone.open(no_limits).await;
    let least_lag = RouterSettings {
        choice: ReplicaChoice::LeastLag,
        ..no_limits
    };
    let least_lag = clone.open(least_lag).await;
    wait_for_rotation(&catalog, [true, true]).await;
    set_price(&catalog, 1).await;
    poll_until("both replicas have replayed the write", async || {
        let reads = read_20(&catalog).await;
        reads.iter().all(|(_, price)| *price == 1).then_some(())
    })
    .await;

    clone.set_replay(0, false).await;
    set_price(&catalog, 2).await;
    wait_for_rotation(&catalog, [false, true]).await;
    let reads = poll_until("replica 2 has replayed the write", async || {
        let reads = read_20(&catalog).await;
        reads.contains(&(Node::Replica(2), 2)).then_some(reads)
    });
    let late = |(node, _): &(Node, i64)| *node == Node::Replica(1);
    assert!(!reads.await.iter().any(late), "the late replica answered");
    assert!(
        read_20(&naive).await.contains(&(Node::Replica(1), 1)),
        "without limits the late replica does not answer, so this test proves nothing"
    );
    poll_until("the lag of replica 1 is known", async || {
        let replicas = least_lag.replicas();
        (replicas[0].lag > replicas[1].lag).then_some(())
    })
    .await;
    let reads = read_20(&least_lag).await;
    assert!(!reads.iter().any(late), "least lag: {reads:?}");

    clone.set_replay(1, false).await;
    set_price(&catalog, 3).await;
    wait_for_rotation(&catalog, [false, false]).await;
    for read in read_20(&catalog).await {
        assert_eq!(read, (Node::Primary, 3), "no replica may answer");
    }
    // Another process that starts now must not show less than the primary has.
    let opened = clone.open(no_limits).await;
    for read in read_20(&opened).await {
        assert_eq!(
            read,
            (Node::Primary, 3),
            "opening did not wait for a replica"
        );
    }
    fallback_reads_are_limited(&clone, &catalog).await;

    clone.set_replay(0, true).await;
    clone.set_replay(1, true).await;
    wait_for_rotation(&catalog, [true, true]).await;
    for (node, price) in read_20(&catalog).await {
        assert_ne!(node, Node::Primary, "both replicas have caught up");
        assert_eq!(price, 3, "{node} returned before it had caught up");
    }
    idle_primary_ejects_no_replica(&clone).await;

    let promoted = connect(&clone.cluster.replica_urls()[0]).unwrap();
    promoted.execute("SELECT pg_promote()").await.unwrap();
    // It goes its own way now: its log is longer than the primary's, and lacks its writes.
    let own_way = "CREATE TABLE own_way AS SELECT generate_series(1, 50000)";
    promoted.execute(own_way).await.unwrap();
    let own: String = sqlx::query_scalar("SELECT pg_current_wal_flush_lsn()::text")
        .fetch_one(&promoted)
        .await
        .unwrap();
    let own: Lsn = own.parse().unwrap();
    poll_until("the monitor knows the new position", async || {
        (catalog.replicas()[0].replayed.lsn() >= own).then_some(())
    })
    .await;
    wait_for_rotation(&catalog, [false, true]).await;
    // Not only for a moment: several checks come during these reads.
    for _ in 0..10 {
        assert!(
            !read_20(&catalog).await.iter().any(late),
            "it answers again"
        );
    }
}

/// All replicas are late, so the primary gets the reads of all clones.
async fn fallback_reads_are_limited(clone: &Clone, limited: &PgCatalog) {
    let many = RouterSettings {
        max_fallback_reads: 1_000,
        ..STRICT
    };
    let naive = clone.open(many).await;
    for (catalog, expected) in [(limited, 36), (&naive, 0)] {
        // The reads wait for the lock, so all of them are at the primary at the same time.
        let mut holder = clone.primary.acquire().await.unwrap();
        holder.execute("BEGIN; LOCK TABLE games").await.unwrap();
        let reads = join_all((0..40).map(|_| catalog.game(7, Consistency::Eventual)));
        let release = async {
            poll_until("the first reads wait for the lock", async || {
                let sql = "SELECT count(*) FROM pg_locks WHERE NOT granted";
                let waiting = sqlx::query_scalar(sql).fetch_one(&clone.primary);
                let waiting: i64 = waiting.await.unwrap();
                (waiting >= 4).then_some(())
            })
            .await;
            holder.execute("ROLLBACK").await.unwrap();
        };
        let (reads, ()) = within_limit(async { tokio::join!(reads, release) }).await;
        let refused = reads.iter().filter(|read| {
            let error = read.as_ref().err();
            matches!(error, Some(StoreError::Overloaded { .. }))
        });
        assert_eq!(refused.count(), expected, "of 40 reads at the same time");
        let answered = reads.iter().filter(|read| read.is_ok());
        assert_eq!(answered.count(), 40 - expected);
    }
}

/// Nothing is written, so the time since the last transaction grows.
async fn idle_primary_ejects_no_replica(clone: &Clone) {
    let by_bytes = RouterSettings {
        lag_limits: LagLimits {
            time: Duration::ZERO,
            ..LagLimits::default()
        },
        ..STRICT
    };
    let catalog = clone.open(by_bytes).await;
    wait_for_rotation(&catalog, [true, true]).await;
    poll_until("the last transaction is long ago", async || {
        let replicas = catalog.replicas();
        assert!(
            replicas.iter().all(|replica| replica.is_in_rotation),
            "an idle primary has ejected a replica: {replicas:?}"
        );
        let sql = "SELECT clock_timestamp() - pg_last_xact_replay_timestamp() > interval '1 s'";
        let row = clone.replicas[0].fetch_one(sql).await.unwrap();
        sqlx::Row::get::<bool, _>(&row, 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn abandoned_reads_never_mix_up_rows() {
    let store = Store::filled().await;
    let catalog = store.pg_catalog().await;
    // Eight clients at once, on pools of five connections. Each drops most of its reads.
    let clients = (0..8).map(async |client: usize| {
        let mut dropped = 0;
        for round in 0..125 {
            let id = |n: usize| (n % GAMES as usize) as GameId + 1;
            let abandoned = id(client * 7 + round);
            let token = Consistency::AtLeast(ConsistencyToken::START);
            dropped += usize::from(drop_after(round % 10, catalog.game(abandoned, token)).await);
            let wanted = id(client * 11 + round * 3);
            let read = within_limit(catalog.game(wanted, Consistency::Eventual)).await;
            let game = read.expect("a connection is poisoned").value.unwrap();
            assert_eq!(game.id, wanted, "the answer of another query");
        }
        dropped
    });
    let dropped: usize = join_all(clients).await.into_iter().sum();
    assert!(
        dropped >= 200,
        "only {dropped} of 1,000 reads were dropped, so this test proves little"
    );
}
