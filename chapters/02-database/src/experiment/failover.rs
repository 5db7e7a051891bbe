//! Kills the primary again and again while clients write.
//!
//! Two clusters take turns: one confirms a write when a standby has it, the other at once, with a
//! delayed connection to its replica. Two times are measured from the kill: until the first
//! confirmed write, and until the last write that did not succeed. The second one is longer if
//! connections to the old primary linger.

use std::sync::Arc;
use std::time::Duration;

use ch02_database::contract::journal::{Answer, Comparison, Entry, Journal};
use ch02_database::failover::{CommitMode, Coordinator, PrimaryDirectory, Server, Writer};
use ch02_database::postgres::{connect, migrate};
use clap::{Args, ValueEnum};
use measurement::{Spread, machine};
use testbed::{Fault, PostgresCluster};
use tokio::time::{Instant, sleep};

/// The number of clients that write at the same time.
pub(super) const CLIENTS: usize = 8;

/// How many writes must be confirmed after a kill before the round ends.
pub(super) const WRITES_AFTER_KILL: usize = 200;

/// The delay of the write-ahead log in the asynchronous cluster.
const WAL_DELAY: Duration = Duration::from_millis(20);

/// The settings of the experiment.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// How often the primary of each cluster is killed
    #[arg(long, default_value_t = 10)]
    kills: usize,
    /// How many writes are confirmed in each cluster
    #[arg(long, default_value_t = 10_000)]
    writes: usize,
    /// Who promotes a replica
    #[arg(long, value_enum, default_value_t = Engine::Own)]
    pub(super) engine: Engine,
    /// Two kills and a few writes only: a test that the experiment works
    #[arg(long)]
    quick: bool,
}

/// Who finds that the primary has failed, and promotes a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Engine {
    /// The coordinator of the chapter.
    Own,
    /// Patroni with etcd, in synchronous mode.
    Patroni,
}

impl Arguments {
    /// How often the primary is killed, and how many writes are confirmed.
    pub(super) fn sizes(&self) -> (usize, usize) {
        if self.quick {
            (2, 1_000)
        } else {
            (self.kills, self.writes)
        }
    }
}

pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let (kills, writes) = arguments.sizes();
    let writes = writes.div_ceil(kills);
    let mut clusters = [
        Cluster::start("synchronous", CommitMode::On, 2, 1).await?,
        Cluster::start("asynchronous", CommitMode::Local, 1, 0).await?,
    ];
    for kill in 1..=kills {
        for cluster in &mut clusters {
            eprintln!("kill {kill} of {kills}, {}", cluster.name);
            cluster.round(writes).await?;
        }
    }
    println!("{}", machine::facts());
    print_head();
    for cluster in &clusters {
        let primary = connect(&cluster.servers.url())?;
        let compared = cluster.journal.compare(&primary).await?;
        let measured = &cluster.measured;
        measured.print(cluster.name, kills, compared)?;
    }
    Ok(())
}

/// What the clients saw at each kill.
#[derive(Default)]
pub(super) struct Measured {
    first_commits: Vec<f64>,
    last_errors: Vec<f64>,
    /// Writes that were sent before a kill and answered after it.
    in_flight: usize,
}

impl Measured {
    /// Adds a kill, which took from `kill` to `dead`.
    pub(super) fn record(&mut self, journal: &Journal, kill: Instant, dead: Instant) {
        let entries = journal.entries();
        let seconds = |end: Instant| (end - kill).as_secs_f64();
        let after_kill = entries.iter().filter(|entry| entry.end > kill);
        let (commits, errors): (Vec<&Entry>, Vec<&Entry>) =
            after_kill.partition(|entry| entry.answer == Answer::Committed);
        let commits = commits.iter().filter(|entry| entry.start > dead);
        let first = commits.map(|entry| seconds(entry.end)).reduce(f64::min);
        self.first_commits.extend(first);
        let last = errors
            .iter()
            .map(|entry| seconds(entry.end))
            .reduce(f64::max);
        self.last_errors.extend(last);
        self.in_flight += errors.iter().filter(|entry| entry.start < dead).count();
    }

    /// Prints a line of the table. Fails if no kill touched a write, or if a failed write exists.
    pub(super) fn print(
        &self,
        name: &str,
        kills: usize,
        compared: Comparison,
    ) -> anyhow::Result<()> {
        anyhow::ensure!(self.in_flight > 0, "no write was in flight at a kill");
        let Comparison {
            committed,
            lost,
            resurrected,
            unknown,
        } = compared;
        anyhow::ensure!(
            resurrected == 0,
            "{resurrected} failed writes are in the database"
        );
        let spread = |values: &[f64]| {
            Spread::of(values.iter().copied()).map_or("-".to_owned(), |spread| spread.to_string())
        };
        println!(
            "{name:<14}{kills:>6}{committed:>11}{lost:>6}{:>26}{:>26}{:>26}",
            format!("{} ({})", unknown.0, unknown.1),
            spread(&self.first_commits),
            spread(&self.last_errors)
        );
        Ok(())
    }
}

/// Prints the first line of the table.
pub(super) fn print_head() {
    println!(
        "{:<14}{:>6}{:>11}{:>6}{:>26}{:>26}{:>26}",
        "replication",
        "kills",
        "confirmed",
        "lost",
        "unknown (of them there)",
        "first confirmed write, s",
        "last error, s"
    );
}

struct Cluster {
    name: &'static str,
    mode: CommitMode,
    synchronous_standbys: usize,
    servers: PostgresCluster,
    journal: Arc<Journal>,
    measured: Measured,
}

impl Cluster {
    async fn start(
        name: &'static str,
        mode: CommitMode,
        replicas: usize,
        synchronous_standbys: usize,
    ) -> anyhow::Result<Cluster> {
        let servers = PostgresCluster::builder()
            .replicas(replicas)
            .wal_links()
            .synchronous_standbys(synchronous_standbys)
            .start()
            .await?;
        let primary = connect(&servers.url())?;
        migrate(&primary, &[]).await?;
        let journal = Journal::create(&primary).await?;
        Ok(Cluster {
            name,
            mode,
            synchronous_standbys,
            servers,
            journal,
            measured: Measured::default(),
        })
    }

    /// Writes, kills the primary, and writes on until the new primary has confirmed some writes.
    async fn round(&mut self, wanted: usize) -> anyhow::Result<()> {
        if self.synchronous_standbys == 0 {
            self.servers.wal_link(0).inject(Fault::Latency {
                delay: WAL_DELAY,
                jitter: Duration::ZERO,
            });
        }
        let servers = coordinated(&self.servers);
        let urls = servers.iter().map(|server| server.url.clone()).collect();
        let directory = PrimaryDirectory::open(urls).await?;
        let writer = Writer::new(Arc::clone(&directory), self.mode);
        let coordinator = Coordinator::new(servers, self.synchronous_standbys);
        let coordinating = tokio::spawn(async move { coordinator.run(0).await });

        let start = Instant::now();
        let clients = self.journal.start_clients(CLIENTS, &writer);
        self.wait_for_commits(start, wanted).await;
        let kill = Instant::now();
        self.servers.primary().kill().await?;
        let dead = Instant::now();
        self.wait_for_commits(dead, WRITES_AFTER_KILL).await;
        self.journal.stop(clients).await;
        coordinating.abort();

        self.measured.record(&self.journal, kill, dead);
        self.servers.mark_promoted(directory.current().node - 1);
        self.servers.replace_former_primaries().await?;
        Ok(())
    }

    async fn wait_for_commits(&self, since: Instant, count: usize) {
        while self.journal.committed_since(since) < count {
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The servers as a coordinator sees them: first the primary, then the replicas.
pub fn coordinated(cluster: &PostgresCluster) -> Vec<Server> {
    let servers = std::iter::once(cluster.primary()).chain(cluster.replicas());
    let server = |server: &testbed::Server| Server {
        url: server.url(),
        host: server.name().to_owned(),
        port: 5432,
    };
    servers.map(server).collect()
}
