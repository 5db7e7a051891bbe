//! Which server answers a read, and how old its answer may be.

use std::time::{Duration, Instant};

use ch02_database::catalog::GameChange;
use ch02_database::postgres::{ReadPool, connect, connect_replica};
use ch02_database::replication::{Lsn, RouterSettings, TimeWindow};
use ch02_database::{Catalog, Consistency, ConsistencyToken, Naive, Node, PgCatalog};
use futures_util::future::join_all;
use sqlx::{Executor, PgPool, Row};
use testbed::{Fault, PostgresCluster};

use crate::support::{CALL_LIMIT, Store, fill_catalog, open_catalog, poll_until, within_limit};

fn price(price_cents: i64) -> GameChange {
    GameChange {
        price_cents: Some(price_cents),
        description: None,
    }
}

/// Reads game 7 several times. Returns the server and the price of each read.
async fn read_prices(catalog: &PgCatalog, count: usize) -> Vec<(Node, i64)> {
    let mut reads = Vec::new();
    for _ in 0..count {
        let read = catalog.game(7, Consistency::Eventual).await.unwrap();
        reads.push((read.node, read.value.unwrap().price_cents));
    }
    reads
}

#[tokio::test]
async fn reads_go_to_the_replicas_in_turn() {
    let store = Store::filled().await;
    let catalog = store.pg_catalog().await;
    catalog.change(7, &price(1)).await.unwrap();

    // On a busy machine a replica may be ejected for a moment.
    poll_until(
        "the two replicas answer in turn, and the primary answers no read",
        async || {
            let nodes: Vec<Node> = read_prices(&catalog, 40)
                .await
                .into_iter()
                .map(|(node, _)| node)
                .collect();
            let is_in_turn = nodes.chunks(2).all(|two| two == &nodes[..2]) && nodes[0] != nodes[1];
            (is_in_turn && !nodes.contains(&Node::Primary)).then_some(())
        },
    )
    .await;

    let (primary, replica) = (
        in_recovery(&ReadPool::of(&store.primary)).await,
        in_recovery(&store.replica).await,
    );
    assert_eq!(
        (primary, replica),
        (false, true),
        "the pool of the primary and the pool of the replica are swapped"
    );
    let alone = open_catalog(&store.primary, &[]).await;
    assert_eq!(read_prices(&alone, 3).await, [(Node::Primary, 1); 3]);
}

/// A cluster with two replicas. A proxy can delay the log of each.
async fn cluster() -> (PostgresCluster, PgPool, Vec<ReadPool>) {
    let cluster = PostgresCluster::builder().replicas(2).wal_links();
    let cluster = cluster.start().await.unwrap();
    let primary = connect(&cluster.url()).unwrap();
    fill_catalog(&primary).await;
    let urls = cluster.replica_urls();
    let replicas = urls.iter().map(|url| connect_replica(url).unwrap());
    (cluster, primary, replicas.collect())
}

/// All answers of a catalogue to reads directly after a write.
#[derive(Debug, Default)]
struct Answers {
    stale: usize,
    by_replicas: usize,
}

/// Writes a price and reads it, as often as `pairs` says. `demand` turns the token of the write
/// into the consistency of the read.
async fn write_and_read(
    catalog: &PgCatalog,
    pairs: i64,
    demand: impl Fn(ConsistencyToken) -> Consistency,
) -> Answers {
    let mut answers = Answers::default();
    for new_price in 1..=pairs {
        let written = within_limit(catalog.change(7, &price(new_price))).await;
        let token = written.unwrap().token.expect("a write has a token");
        let read = within_limit(catalog.game(7, demand(token))).await.unwrap();
        answers.stale += usize::from(read.value.unwrap().price_cents != new_price);
        answers.by_replicas += usize::from(read.node != Node::Primary);
    }
    answers
}

/// How late the replicas are in a part of the test.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lateness {
    Normal,
    HalfASecond,
    Paused,
}

async fn set_lateness(cluster: &PostgresCluster, lateness: Lateness) {
    for (index, url) in cluster.replica_urls().iter().enumerate() {
        let link = cluster.wal_link(index);
        match lateness {
            Lateness::Normal => link.heal(),
            Lateness::HalfASecond => link.inject(Fault::Latency {
                delay: Duration::from_millis(500),
                jitter: Duration::ZERO,
            }),
            Lateness::Paused => {
                link.heal();
                let server = connect(url).unwrap();
                server
                    .execute("SELECT pg_wal_replay_pause()")
                    .await
                    .unwrap();
            }
        }
    }
}

#[tokio::test]
async fn token_reads_are_never_stale() {
    let (cluster, primary, replicas) = cluster().await;
    let open = async |naive: &[Naive]| {
        let settings = RouterSettings::default().naive(naive);
        PgCatalog::open(primary.clone(), replicas.clone(), settings).await
    };
    let (fixed, naive) = (open(&[]).await, open(&[Naive::Token]).await);
    wait_for_both(&fixed).await;
    wait_for_both(&naive).await;

    for (lateness, pairs) in [
        (Lateness::Normal, 200),
        (Lateness::HalfASecond, 20),
        (Lateness::Paused, 20),
    ] {
        set_lateness(&cluster, lateness).await;
        let stale = write_and_read(&naive, pairs, Consistency::AtLeast).await;
        assert!(
            stale.stale > 0,
            "{lateness:?}: no naive read is stale, so this test proves nothing: {stale:?}"
        );
        let answers = write_and_read(&fixed, pairs, Consistency::AtLeast).await;
        assert_eq!(answers.stale, 0, "{lateness:?}: {answers:?}");
        let primary_only = write_and_read(&fixed, 20, |_| Consistency::Primary).await;
        assert_eq!(primary_only.by_replicas, 0);
    }

    // The replay is still paused, so the lag is larger than any window.
    let window = Duration::from_secs(2);
    let mut session = TimeWindow::new(window);
    let written = fixed.change(7, &price(999)).await.unwrap();
    let now = Instant::now();
    session.record_write(now);
    let price_of = async |consistency| {
        let read = within_limit(fixed.game(7, consistency)).await.unwrap();
        read.value.unwrap().price_cents
    };
    let (within, after) = (session.consistency(now), session.consistency(now + window));
    assert_eq!(price_of(within).await, 999, "a read within the window");
    assert_ne!(
        price_of(after).await,
        999,
        "the read after the window is not stale, so this test proves nothing"
    );
    assert_eq!(price_of(Consistency::from(written.token)).await, 999);
}

async fn wait_for_both(catalog: &PgCatalog) {
    poll_until("both replicas are in rotation", async || {
        let replicas = catalog.replicas();
        replicas
            .iter()
            .all(|replica| replica.is_in_rotation)
            .then_some(())
    })
    .await;
}

/// Nine of ten requests of a session read, and all of them send its newest token.
#[tokio::test]
async fn replicas_answer_most_reads_with_tokens() {
    let (_cluster, primary, replicas) = cluster().await;
    // The wait ends with the replay, so a long limit makes the result independent of the machine.
    let settings = RouterSettings {
        token_wait: CALL_LIMIT,
        ..RouterSettings::default()
    };
    let catalog = PgCatalog::open(primary, replicas, settings).await;
    let (mut reads, mut by_replicas) = (0, 0);
    for new_price in 1..=50 {
        wait_for_both(&catalog).await;
        let written = catalog.change(7, &price(new_price)).await.unwrap();
        let mut token = written.token;
        for _ in 0..9 {
            let read = catalog.game(7, Consistency::from(token)).await.unwrap();
            assert_eq!(read.value.unwrap().price_cents, new_price, "{}", read.node);
            token = token.max(read.token);
            reads += 1;
            by_replicas += usize::from(read.node != Node::Primary);
        }
    }
    assert!(
        by_replicas * 10 >= reads * 9,
        "replicas answered only {by_replicas} of {reads} reads"
    );
}

/// How often a reader sees a smaller price than before, while the price rises all the time.
async fn count_steps_back(catalog: &PgCatalog, reads: usize, has_token: bool) -> usize {
    let (mut seen, mut steps_back) = (0, 0);
    let mut token = has_token.then_some(ConsistencyToken::START);
    for _ in 0..reads {
        let read = within_limit(catalog.game(7, Consistency::from(token))).await;
        let read = read.unwrap();
        let shown = read.value.unwrap().price_cents;
        steps_back += usize::from(shown < seen);
        seen = shown;
        token = token.max(read.token);
        assert_eq!(
            token.is_some(),
            has_token,
            "a read returns a token on demand"
        );
    }
    steps_back
}

#[tokio::test]
async fn monotonic_reads_never_go_back() {
    let (cluster, primary, replicas) = cluster().await;
    let catalog = open_catalog(&primary, &replicas).await;
    wait_for_both(&catalog).await;
    let write = async || {
        for new_price in 1.. {
            catalog.change(7, &price(new_price)).await.unwrap();
        }
    };
    let read = async {
        // Almost equal replicas find a position that was taken too early. Unequal ones find a
        // missing token.
        for delay in [Duration::ZERO, Duration::from_millis(300)] {
            cluster.wal_link(1).inject(Fault::Latency {
                delay,
                jitter: Duration::ZERO,
            });
            poll_until("a reader without a token goes back", async || {
                let steps_back = count_steps_back(&catalog, 50, false).await;
                (steps_back > 0).then_some(())
            })
            .await;
            let steps_back = count_steps_back(&catalog, 300, true).await;
            assert_eq!(steps_back, 0, "one replica is {delay:?} late");
        }
    };
    tokio::select! {
        () = read => {}
        () = write() => unreachable!("the writer never ends"),
    }
}

/// A lock makes a read wait on the replica until a change is committed, and then show it.
#[tokio::test]
async fn token_is_taken_after_the_read() {
    let store = Store::filled().await;
    let replicas = std::slice::from_ref(&store.replica);
    let catalog = open_catalog(&store.primary, replicas).await;
    wait_for_both(&catalog).await;
    // A new connection would make the router read twice, so the connections are made now.
    let demand = Consistency::AtLeast(ConsistencyToken::START);
    catalog.game(7, demand).await.unwrap();
    let observer = connect(&store.catalog.replica_url()).unwrap();
    let mut writer = store.primary.acquire().await.unwrap();
    let change = "BEGIN; LOCK TABLE games; UPDATE games SET price_cents = 1 WHERE id = 7";
    writer.execute(change).await.unwrap();
    // The commit of any transaction sends the lock to the replica.
    let commit = "SELECT pg_logical_emit_message(true, '', '')";
    store.primary.execute(commit).await.unwrap();
    poll_until("the replica has the table lock", async || {
        let held = "SELECT count(*) FROM pg_locks WHERE granted \
                    AND mode = 'AccessExclusiveLock' AND relation = 'games'::regclass";
        let row = observer.fetch_one(held).await.unwrap();
        (row.get::<i64, _>(0) == 1).then_some(())
    })
    .await;
    let commit_while_waiting = async {
        poll_until("the read waits for the table lock", async || {
            let waiting = "SELECT count(*) FROM pg_locks \
                           WHERE NOT granted AND relation = 'games'::regclass";
            let row = observer.fetch_one(waiting).await.unwrap();
            (row.get::<i64, _>(0) == 1).then_some(())
        })
        .await;
        let position = "SELECT pg_current_wal_insert_lsn()::text";
        let before = writer.fetch_one(position).await.unwrap();
        writer.execute("COMMIT").await.unwrap();
        before.get::<&str, _>(0).parse::<Lsn>().unwrap()
    };
    let read = catalog.game(7, demand);

    let (read, before) = within_limit(async { tokio::join!(read, commit_while_waiting) }).await;

    let read = read.unwrap();
    assert_eq!(read.node, Node::Replica(1));
    assert_eq!(
        read.value.unwrap().price_cents,
        1,
        "the read shows the change"
    );
    assert!(
        read.token.unwrap().lsn() > before,
        "the token is before the change that the read shows"
    );
}

/// A lock makes the questions for the position wait, so that they can be counted.
#[tokio::test]
async fn waiting_readers_share_one_question() {
    let store = Store::filled().await;
    let settings = RouterSettings {
        token_wait: CALL_LIMIT,
        ..RouterSettings::default()
    };
    let replicas = vec![store.replica.clone()];
    let catalog = PgCatalog::open(store.primary.clone(), replicas, settings).await;
    wait_for_both(&catalog).await;
    let future = ConsistencyToken::new(1, Lsn::from_bytes(u64::MAX >> 1));
    let observer = connect(&store.catalog.replica_url()).unwrap();
    let mut locker = store.primary.acquire().await.unwrap();
    locker
        .execute("BEGIN; LOCK TABLE cluster_epoch")
        .await
        .unwrap();
    let commit = "SELECT pg_logical_emit_message(true, '', '')";
    store.primary.execute(commit).await.unwrap();

    let readers = join_all((0..20).map(|_| catalog.game(7, Consistency::AtLeast(future))));
    let count = async {
        let (mut most, mut looks) = (0, 0);
        poll_until(
            "questions have waited for 20 looks or their limit",
            async || {
                let sql = "SELECT count(*) FROM pg_locks \
                       WHERE NOT granted AND relation = 'cluster_epoch'::regclass";
                let waiting: i64 = observer.fetch_one(sql).await.unwrap().get(0);
                most = most.max(waiting);
                looks += usize::from(most > 0);
                (looks == 20 || (looks > 0 && waiting == 0)).then_some(())
            },
        )
        .await;
        most
    };
    let most = tokio::select! {
        most = count => most,
        _ = readers => panic!("the readers have ended before their replica"),
    };
    // One of the readers, and one of the monitor.
    assert!(most <= 2, "{most} questions wait at the same time");
}

async fn in_recovery(server: &ReadPool) -> bool {
    let row = server.fetch_one("SELECT pg_is_in_recovery()").await;
    row.unwrap().get(0)
}
