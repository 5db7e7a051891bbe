//! Measures the latency of each strategy when one of four clones is slow.
//!
//! Requests arrive at a fixed rate, 60 % of the total capacity, even if earlier ones have no
//! response (an *open loop*). A client gives up after three seconds. A fair share is a quarter of
//! the requests, but the slow clone has only a tenth of another clone's capacity.
//!
//! Left out: clones that become slow during a round, and requests of different lengths.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use ch01_clones::balancer::strategy::{
    Candidate, RequestInfo, STICKY_COOKIE, Strategy, StrategyName,
};
use clap::ValueEnum;
use http::HeaderValue;
use loadgen::plots::{Axis, Look, Plot, Point, Series};
use loadgen::{Limit, Report, Request, Target, closed_loop, open_loop};
use testbed::Program;
use tokio::time::{Instant, sleep};

use super::burn::rounds_in;
use super::container_clones::{self, TestBalancer};
use super::session_cookies;
use measurement::{Settings, Spread, machine};

/// The CPU quotas of the clones. The last clone is the slow one.
const FAST: f64 = 0.15;
const SLOW: f64 = FAST / 10.0;
const CLONES: usize = 4;
/// The processor time of a request.
const WORK_PER_REQUEST: Duration = Duration::from_millis(1);
/// The request rate as a fraction of the total capacity.
const LOAD: f64 = 0.6;
/// The time after which a client gives up.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(3);
/// More connections than requests can wait in that time, so no request waits for a connection.
const CONNECTIONS: usize = 600;
/// The highest share of sends that the generator itself may delay; above it a row is inconclusive.
/// A send is late after a millisecond, and the measured differences are tens of milliseconds. So
/// this limit may be higher than the load generator's own 1 %.
const MAX_LATE: f64 = 0.05;
/// The number of users with a cookie, and of games that they request.
const USERS: usize = 200;
const GAMES: u64 = 1_000;

/// Measures all strategies and prints the results.
pub async fn run(settings: &Settings) -> anyhow::Result<()> {
    let (rounds, window) = if settings.quick { (1, 200) } else { (3, 4_000) };
    let window = Duration::from_millis(window);
    println!("Latency with four clones, one of which has a tenth of the others' CPU quota");
    println!("Machine: {}\n", machine::facts());
    let clone_set = CloneSet::start().await?;
    let of_one = clone_set.throughput_of_one(window).await?;
    let capacity = of_one * (CLONES as f64 - 1.0 + SLOW / FAST);
    let rate = (capacity * LOAD).round() as u32;
    println!(
        "One fast clone serves {of_one:.0} requests/s, so all four can serve {capacity:.0}. Rate: {rate}/s, which is {:.0} %, for {} s per\n\
         strategy, {rounds} interleaved rounds. A client gives up after {} s.\n",
        100.0 * LOAD,
        window.as_secs_f64(),
        CLIENT_TIMEOUT.as_secs()
    );
    let mut rows: Vec<Row> = StrategyName::value_variants()
        .iter()
        .copied()
        .map(Row::new)
        .collect();
    for _ in 0..rounds {
        for row in &mut rows {
            row.measure(&clone_set, rate, window).await?;
        }
    }
    println!(
        "   {:<15} {:>18} {:>10} {:>22} {:>24} {:>9} {:>7}",
        "strategy", "slow clone's %", "success/s", "p50 ms", "p99 ms", "gave up", "late"
    );
    rows.iter().for_each(Row::print);
    println!("\n   late: requests that the load generator itself sent more than 1 ms too late.");
    print_summary(&rows);
    println!("Machine at the end: {}", machine::facts());
    settings.draw("ch01-strategies.svg", || draw(&rows))
}

struct CloneSet {
    clones: Vec<Program>,
}

impl CloneSet {
    async fn start() -> anyhow::Result<Self> {
        let cpus: Vec<f64> = (1..=CLONES)
            .map(|n| if n == CLONES { SLOW } else { FAST })
            .collect();
        let clones =
            container_clones::start("clone", &cpus, rounds_in(WORK_PER_REQUEST), None).await?;
        Ok(CloneSet { clones })
    }

    fn slow(&self) -> &Program {
        &self.clones[CLONES - 1]
    }

    async fn throughput_of_one(&self, window: Duration) -> anyhow::Result<f64> {
        let balancer =
            TestBalancer::new(&self.clones[..1], &[], StrategyName::RoundRobin.build(1)).await?;
        let report = closed_loop(&balancer.target, 6, Limit::duration(window), |_| {
            Request::get("/burn")
        })
        .await;
        ensure!(report.failures() == 0, "a clone by itself fails: {report}");
        Ok(report.requests_per_second())
    }

    /// Lets the slow clone finish the requests that clients have given up, with the quota of a fast
    /// clone.
    async fn finish_old_requests(&self) -> anyhow::Result<()> {
        self.slow().limit_cpus(FAST).await?;
        let address = self.slow().address();
        let target = Target::parse(&format!("http://{address}"))?;
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let report =
                closed_loop(&target, 1, Limit::requests(3), |_| Request::get("/burn")).await;
            if report.failures() == 0 && report.quantile_ms(1.0) < 100.0 {
                break;
            }
            ensure!(
                Instant::now() < deadline,
                "the slow clone still has old requests after 30 s"
            );
            sleep(Duration::from_millis(100)).await;
        }
        Ok(self.slow().limit_cpus(SLOW).await?)
    }
}

/// The measurements of one strategy, one value per round.
struct Row {
    strategy: StrategyName,
    share: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
    all: Report,
    rounds: Vec<f64>,
}

impl Row {
    fn new(strategy: StrategyName) -> Self {
        Row {
            strategy,
            share: Vec::new(),
            p50: Vec::new(),
            p99: Vec::new(),
            all: Report::default(),
            rounds: Vec::new(),
        }
    }

    fn name(&self) -> String {
        self.strategy
            .to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    async fn measure(
        &mut self,
        clone_set: &CloneSet,
        rate: u32,
        window: Duration,
    ) -> anyhow::Result<()> {
        // Only this strategy uses weights, and its operator has to know them.
        let weights: &[u32] = if self.strategy == StrategyName::Weighted {
            &[10, 10, 10, 1]
        } else {
            &[]
        };
        let counting = CountingStrategy::new(self.strategy.build(1));
        let counts = Arc::clone(&counting.counts);
        let balancer = TestBalancer::new(&clone_set.clones, weights, Box::new(counting)).await?;
        let cookies = match self.strategy {
            StrategyName::Sticky => {
                session_cookies::cookies(balancer.address, STICKY_COOKIE, USERS).await?
            }
            _ => Vec::new(),
        };
        let before: Vec<u64> = counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .collect();
        let target = balancer
            .target
            .clone()
            .with_response_timeout(CLIENT_TIMEOUT);
        let ask = move |n: u64| {
            let request = Request::get(&format!("/burn?game={}", n % GAMES));
            match cookies.get(n as usize % USERS) {
                Some(cookie) => request.header("cookie", cookie),
                None => request,
            }
        };
        let report = open_loop(&target, rate, CONNECTIONS, window, ask).await;
        drop(balancer);
        let counts: Vec<u64> = counts
            .iter()
            .zip(before)
            .map(|(count, before)| count.load(Ordering::Relaxed) - before)
            .collect();
        self.share
            .push(100.0 * counts[CLONES - 1] as f64 / counts.iter().sum::<u64>().max(1) as f64);
        self.p50.push(report.quantile_ms(0.5));
        self.p99.push(report.quantile_ms(0.99));
        self.rounds
            .push((report.requests - report.failures()) as f64 / window.as_secs_f64());
        self.all.merge(&report);
        clone_set.finish_old_requests().await
    }

    fn print(&self) {
        let text = |values: &[f64], decimals: usize| {
            let spread = Spread::of(values.iter().copied());
            spread.map_or_else(|| "-".to_owned(), |spread| format!("{spread:.decimals$}"))
        };
        let late = self.all.late_by_generator as f64 / self.all.scheduled.max(1) as f64;
        println!(
            "   {:<15} {:>18} {:>10.0} {:>22} {:>24} {:>8.1}% {:>6.1}%{}",
            self.name(),
            text(&self.share, 1),
            Spread::of(self.rounds.iter().copied()).map_or(f64::NAN, |spread| spread.median),
            text(&self.p50, 1),
            text(&self.p99, 0),
            100.0 * self.all.failures() as f64 / self.all.requests.max(1) as f64,
            100.0 * late,
            if late > MAX_LATE {
                "  inconclusive"
            } else {
                ""
            }
        );
    }
}

fn print_summary(rows: &[Row]) {
    let median = |strategy, values: fn(&Row) -> &Vec<f64>| {
        let row = rows.iter().find(|row| row.strategy == strategy)?;
        Some(Spread::of(values(row).iter().copied())?.median)
    };
    let share = median(StrategyName::PeakEwma, |row| &row.share);
    let (ours, naive) = (
        median(StrategyName::PeakEwma, |row| &row.p99),
        median(StrategyName::RoundRobin, |row| &row.p99),
    );
    if let (Some(share), Some(ours), Some(naive)) = (share, ours, naive) {
        println!(
            "\npeak-ewma gives the slow clone {:.2} of a fair share, and its p99 is 1/{:.0} of round-robin's.",
            share / (100.0 / CLONES as f64),
            naive / ours
        );
    }
}

/// A strategy that counts its picks. The balancer itself counts responses, and many responses of
/// the slow clone never come.
#[derive(Debug)]
struct CountingStrategy {
    strategy: Box<dyn Strategy>,
    counts: Arc<[AtomicU64; CLONES]>,
}

impl CountingStrategy {
    fn new(strategy: Box<dyn Strategy>) -> Self {
        CountingStrategy {
            strategy,
            counts: Arc::default(),
        }
    }
}

impl Strategy for CountingStrategy {
    fn pick(&mut self, candidates: &[Candidate<'_>], request: &RequestInfo<'_>) -> usize {
        let picked = self.strategy.pick(candidates, request);
        let id = candidates[picked].id as usize;
        self.counts[id].fetch_add(1, Ordering::Relaxed);
        picked
    }

    fn cookie(&self, clone: &str, request: &RequestInfo<'_>) -> Option<HeaderValue> {
        self.strategy.cookie(clone, request)
    }
}

fn draw(rows: &[Row]) -> anyhow::Result<String> {
    let names: Vec<String> = rows.iter().map(Row::name).collect();
    let dots = |values: fn(&Row) -> &Vec<f64>| {
        let point = |(at, row): (usize, &Row)| {
            let spread = Spread::of(values(row).iter().copied())?;
            Some(Point {
                x: at as f64,
                y: spread.median,
                spread: (spread.min, spread.max),
            })
        };
        rows.iter()
            .enumerate()
            .filter_map(point)
            .collect::<Vec<_>>()
    };
    let series = |name, points, colour| Series {
        name,
        points,
        look: Look::Dots,
        colour,
    };
    let mut milliseconds = Axis::new("milliseconds", 1.0..20_000.0);
    milliseconds.is_log = true;
    let plot = Plot {
        title: "Latency of each strategy when one of four clones is slow",
        description: "For each of seven strategies a dot for the median and one for the 99th percentile of the waiting time, on a scale where \
                      each step is ten times the one before. Strategies that do not look at what clones do have a 99th percentile of \
                      three seconds, when clients give up; those that do are much lower.",
        x: Axis::of_names("strategy", names.iter().map(String::as_str).collect()),
        y: milliseconds,
        series: vec![
            series("p50", dots(|row| &row.p50), 0),
            series("p99", dots(|row| &row.p99), 1),
        ],
    };
    plot.svg().context("the strategies could not be drawn")
}
