//! The catalogue follows a fail-over: it writes to the new primary, no confirmed write is lost, and
//! the former primary gets neither reads nor writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ch02_database::catalog::GameChange;
use ch02_database::failover::{Coordinator, PrimaryDirectory};
use ch02_database::postgres::{connect, connect_replica};
use ch02_database::replication::RouterSettings;
use ch02_database::{Catalog, Consistency, ConsistencyToken, GameId, Node, PgCatalog, StoreError};
use sqlx::Executor;
use testbed::PostgresCluster;

use crate::failover::{servers, urls};
use crate::support::{fill_catalog, poll_until, within_limit};

/// The number of clients. Each has a game of its own.
const CLIENTS: GameId = 4;

/// Games whose price only one client changes, to larger and larger numbers.
struct Clients {
    catalog: Arc<PgCatalog>,
    /// For each client, the last confirmed price.
    confirmed: Vec<AtomicUsize>,
    /// Confirmed writes in the second epoch.
    after: AtomicUsize,
    failed_writes: AtomicUsize,
    must_stop: AtomicBool,
}

async fn set_price(
    catalog: &PgCatalog,
    game: GameId,
    price: usize,
) -> Result<Option<ConsistencyToken>, StoreError> {
    let change = GameChange {
        price_cents: Some(i64::try_from(price).unwrap()),
        description: None,
    };
    Ok(within_limit(catalog.change(game, &change)).await?.token)
}

async fn price(
    catalog: &PgCatalog,
    game: GameId,
    consistency: Consistency,
) -> Result<(usize, Node), StoreError> {
    let read = within_limit(catalog.game(game, consistency)).await?;
    let price = read.value.expect("the game exists").price_cents;
    Ok((usize::try_from(price).unwrap(), read.node))
}

impl Clients {
    fn new(catalog: &Arc<PgCatalog>) -> Arc<Clients> {
        Arc::new(Clients {
            catalog: Arc::clone(catalog),
            confirmed: (0..CLIENTS).map(|_| AtomicUsize::new(0)).collect(),
            after: AtomicUsize::new(0),
            failed_writes: AtomicUsize::new(0),
            must_stop: AtomicBool::new(false),
        })
    }

    /// Writes, reads with the token of the write, and reads without a token, until the end.
    async fn run(self: Arc<Self>, client: usize) {
        let game = client as GameId + 1;
        let mut next = 1_000_000;
        while !self.must_stop.load(Ordering::SeqCst) {
            next += 1;
            match set_price(&self.catalog, game, next).await {
                Ok(token) => {
                    self.confirmed[client].store(next, Ordering::SeqCst);
                    // A server that stops right after the commit does not name its position.
                    let at_least = token.map_or(Consistency::Primary, Consistency::AtLeast);
                    if token.is_some_and(|token| token.epoch() > 1) {
                        self.after.fetch_add(1, Ordering::SeqCst);
                    }
                    if let Ok((read, node)) = price(&self.catalog, game, at_least).await {
                        assert!(
                            read >= next,
                            "{node} shows {read} after the write of {next}"
                        );
                    }
                }
                Err(_) => {
                    self.failed_writes.fetch_add(1, Ordering::SeqCst);
                }
            }
            let read = price(&self.catalog, game, Consistency::Eventual).await;
            read.expect("a read failed although two replicas are up");
        }
    }
}

#[tokio::test]
async fn catalogue_follows_a_failover() {
    let cluster = PostgresCluster::builder()
        .replicas(2)
        .wal_links()
        .synchronous_standbys(1);
    let cluster = cluster.start().await.unwrap();
    let primary = connect(&cluster.url()).unwrap();
    fill_catalog(&primary).await;
    let directory = PrimaryDirectory::open(urls(&cluster)).await.unwrap();
    let settings = RouterSettings::default();
    let opened = PgCatalog::open_cluster(Arc::clone(&directory), settings).await;
    let catalog = Arc::new(opened.unwrap());
    let replicas = cluster.replica_urls();
    let replicas = replicas.iter().map(|url| connect_replica(url).unwrap());
    let naive = PgCatalog::open(primary, replicas.collect(), settings).await;
    let clients = Clients::new(&catalog);
    let running: Vec<_> = (0..CLIENTS as usize)
        .map(|client| tokio::spawn(Arc::clone(&clients).run(client)))
        .collect();
    poll_until("every client writes", async || {
        let confirmed = clients.confirmed.iter();
        let mut prices = confirmed.map(|price| price.load(Ordering::SeqCst));
        prices.all(|price| price > 0).then_some(())
    })
    .await;

    // The primary hangs, and a replica is promoted.
    let former = cluster.primary();
    former.pause().await.unwrap();
    let coordinator = Coordinator::new(servers(&cluster), 1);
    let promotion = within_limit(coordinator.fail_over(0)).await.unwrap();

    poll_until("the clients write to the new primary", async || {
        (clients.after.load(Ordering::SeqCst) > 20).then_some(())
    })
    .await;
    assert!(
        clients.failed_writes.load(Ordering::SeqCst) > 0,
        "no write met the fail-over: this proves nothing"
    );
    assert_eq!(directory.current().node, promotion.node);

    // The former primary is back and believes that it is the primary.
    former.unpause().await.unwrap();
    let written = set_price(&catalog, 50, 5_000).await.unwrap();
    let epoch = written.map_or(2, ConsistencyToken::epoch);
    assert_eq!(epoch, 2, "the token has the former epoch");
    let stale = poll_until(
        "the former primary answers the naive catalogue",
        async || {
            let read = price(&naive, 50, Consistency::Primary).await;
            read.ok().map(|(price, _)| price)
        },
    )
    .await;
    assert_ne!(
        stale, 5_000,
        "the naive catalogue reads from the new primary"
    );
    expect_no_answer_of_former(&catalog, &former.url()).await;
    within_limit(coordinator.fence(0, promotion.epoch))
        .await
        .unwrap();
    expect_no_answer_of_former(&catalog, &former.url()).await;

    clients.must_stop.store(true, Ordering::SeqCst);
    for client in running {
        within_limit(client).await.unwrap();
    }
    for (client, confirmed) in clients.confirmed.iter().enumerate() {
        let confirmed = confirmed.load(Ordering::SeqCst);
        let game = client as GameId + 1;
        let (read, _) = price(&catalog, game, Consistency::Primary).await.unwrap();
        assert!(read >= confirmed, "lost: {read} instead of {confirmed}");
    }
}

/// Reads and writes, and looks for signs that the former primary answers.
async fn expect_no_answer_of_former(catalog: &PgCatalog, former: &str) {
    let server = connect(former).unwrap();
    let before = server.fetch_one("SELECT pg_is_in_recovery()").await;
    before.expect("the former primary is not up: this proves nothing");
    // Longer than two checks of the monitor.
    let end = tokio::time::Instant::now() + Duration::from_secs(1);
    let mut number = 6_000;
    while tokio::time::Instant::now() < end {
        number += 1;
        let token = set_price(catalog, 50, number).await.unwrap();
        let at_least = token.map_or(Consistency::Primary, Consistency::AtLeast);
        let is_listed = catalog.replicas().iter().any(|server| {
            let is_former = server.number == 1;
            is_former && server.is_in_rotation
        });
        assert!(!is_listed, "the former primary is in rotation");
        for consistency in [Consistency::Primary, at_least] {
            let (read, node) = price(catalog, 50, consistency).await.unwrap();
            assert_eq!(read, number, "{node} is stale");
        }
        let (_, node) = price(catalog, 50, Consistency::Eventual).await.unwrap();
        assert_ne!(node, Node::Replica(1), "the former primary answers");
    }
}
