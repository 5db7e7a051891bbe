//! The five values of `synchronous_commit`: what a write costs, and what each one protects.
//!
//! The costs are measured in interleaved rounds on one cluster. Then each mode gets a cluster of
//! its own, with a delayed connection to the standby, and its primary is killed.

use std::sync::Arc;
use std::time::Duration;

use ch02_database::contract::journal::{Answer, Journal};
use ch02_database::failover::{CommitMode, Coordinator, PrimaryDirectory, Writer};
use ch02_database::postgres::{connect, connect_replica, migrate};
use clap::Args;
use measurement::{Spread, machine};
use testbed::{Fault, PostgresCluster};
use tokio::time::{Instant, sleep};

use super::failover::coordinated;

/// The delay of the write-ahead log while the primary is killed.
const WAL_DELAY: Duration = Duration::from_millis(20);

/// The number of clients that write while the primary is killed.
const CLIENTS: usize = 8;

/// The settings of the experiment.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// The number of interleaved rounds
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The number of writes per mode and round
    #[arg(long, default_value_t = 500)]
    writes: usize,
    /// A few writes only: a test that the experiment works
    #[arg(long)]
    quick: bool,
}

pub async fn run(mut arguments: Arguments) -> anyhow::Result<()> {
    if arguments.quick {
        (arguments.rounds, arguments.writes) = (1, 50);
    }
    let rows = measure_costs(&arguments).await?;
    println!("{}", machine::facts());
    println!(
        "{:<14}{:>22}{:>22}{:>26}{:>12}{:>8}",
        "mode", "write p50, ms", "write p99, ms", "stale reads, %", "confirmed", "lost"
    );
    for (mode, row) in CommitMode::ALL.into_iter().zip(rows) {
        let (confirmed, lost) = count_lost(mode, arguments.writes).await?;
        let spread = |values: Vec<f64>| Spread::of(values).map(|spread| spread.to_string());
        println!(
            "{mode:<14}{:>22}{:>22}{:>26}{confirmed:>12}{lost:>8}",
            spread(row.p50).unwrap_or_default(),
            spread(row.p99).unwrap_or_default(),
            spread(row.stale).unwrap_or_default(),
        );
    }
    Ok(())
}

/// One value per round.
#[derive(Clone, Default)]
struct Costs {
    p50: Vec<f64>,
    p99: Vec<f64>,
    stale: Vec<f64>,
}

async fn measure_costs(arguments: &Arguments) -> anyhow::Result<Vec<Costs>> {
    let (cluster, journal, directory) = start(1).await?;
    let replica = connect_replica(&cluster.replica_urls()[0])?;
    let mut all = vec![Costs::default(); CommitMode::ALL.len()];
    for round in 1..=arguments.rounds {
        eprintln!("round {round} of {}", arguments.rounds);
        for (mode, costs) in CommitMode::ALL.into_iter().zip(&mut all) {
            let writer = Writer::new(Arc::clone(&directory), mode);
            let (mut times, mut stale) = (Vec::new(), 0);
            for _ in 0..arguments.writes {
                let start = Instant::now();
                let answer = journal.write(&writer).await;
                times.push(start.elapsed().as_secs_f64() * 1e3);
                anyhow::ensure!(
                    answer == Answer::Committed,
                    "a write was not confirmed: {mode}"
                );
                let written = journal.last_number();
                let found = sqlx::query("SELECT FROM journal WHERE number = $1").bind(written);
                stale += usize::from(replica.fetch_optional(found).await?.is_none());
            }
            times.sort_by(f64::total_cmp);
            costs.p50.push(times[times.len() / 2]);
            costs.p99.push(times[times.len() * 99 / 100]);
            costs.stale.push(100.0 * stale as f64 / times.len() as f64);
        }
    }
    Ok(all)
}

/// Kills the primary under load, and counts the confirmed writes that the promoted standby lacks.
async fn count_lost(mode: CommitMode, wanted: usize) -> anyhow::Result<(usize, usize)> {
    let (cluster, journal, directory) = start(1).await?;
    cluster.wal_link(0).inject(Fault::Latency {
        delay: WAL_DELAY,
        jitter: Duration::ZERO,
    });
    let writer = Writer::new(Arc::clone(&directory), mode);
    let start = Instant::now();
    let clients = journal.start_clients(CLIENTS, &writer);
    while journal.committed_since(start) < wanted {
        sleep(Duration::from_millis(5)).await;
    }
    cluster.primary().kill().await?;
    // The only standby has everything that any standby has confirmed.
    Coordinator::new(coordinated(&cluster), 0)
        .fail_over(0)
        .await?;
    directory.refresh().await;
    journal.stop(clients).await;
    let comparison = journal.compare(&directory.current().pool).await?;
    Ok((comparison.committed, comparison.lost))
}

async fn start(
    synchronous_standbys: usize,
) -> anyhow::Result<(PostgresCluster, Arc<Journal>, Arc<PrimaryDirectory>)> {
    let cluster = PostgresCluster::builder()
        .wal_links()
        .synchronous_standbys(synchronous_standbys)
        .start()
        .await?;
    let primary = connect(&cluster.url())?;
    migrate(&primary, &[]).await?;
    let journal = Journal::create(&primary).await?;
    let urls = vec![cluster.url(), cluster.replica_urls()[0].clone()];
    let directory = PrimaryDirectory::open(urls).await?;
    Ok((cluster, journal, directory))
}
