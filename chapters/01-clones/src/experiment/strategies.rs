//! One of four clones is slow. Which strategy lets how many people wait for it?
//!
//! Requests come at a fixed rate, 60 % of what all four can do together, whether or not they are
//! answered in time (an *open loop*), and whoever has waited for three seconds leaves. A fair share
//! would be a quarter; what the slow clone can do is a tenth of another.
//!
//! Left out: clones that become slow in the middle, and requests of different lengths.

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
use super::clones::{self, Front};
use super::settings::Settings;
use super::spread::Spread;
use super::{machine, visitors};

/// The parts of a processor that the clones have. The last one is the slow one.
const FAST: f64 = 0.15;
const SLOW: f64 = FAST / 10.0;
const CLONES: usize = 4;
/// What a request burns.
const WORK: Duration = Duration::from_millis(1);
/// Of what all clones can do together.
const LOAD: f64 = 0.6;
/// When a visitor leaves.
const PATIENCE: Duration = Duration::from_secs(3);
/// More than can wait within that time, so that nobody waits for a connection of the generator's.
const CONNECTIONS: usize = 600;
/// If the generator was late by its own fault for more of its sends than this, a row proves
/// nothing. Late is a millisecond here, and the differences are of tens of them; so it may happen
/// more often than the load generator's own one in a hundred.
const LATE: f64 = 0.05;
/// Visitors who come back with their cookie, and games that they look at.
const VISITORS: usize = 200;
const GAMES: u64 = 1_000;

/// Measures all, and prints what came out.
pub async fn run(settings: &Settings) -> anyhow::Result<()> {
    let (rounds, window) = if settings.quick { (1, 200) } else { (3, 4_000) };
    let window = Duration::from_millis(window);
    println!(
        "Four clones, of which one has a tenth of the others' processor time. Who waits for it?"
    );
    println!("Machine: {}\n", machine::facts());
    let fleet = Fleet::start().await?;
    let of_one = fleet.throughput_of_one(window).await?;
    let capacity = of_one * (CLONES as f64 - 1.0 + SLOW / FAST);
    let rate = (capacity * LOAD).round() as u32;
    println!(
        "One fast clone does {of_one:.0} requests/s, so all four do {capacity:.0}. We send {rate}, which is {:.0} %, for {} s to each\n\
         strategy, {rounds} interleaved rounds. A visitor leaves after {} s.\n",
        100.0 * LOAD,
        window.as_secs_f64(),
        PATIENCE.as_secs()
    );
    let mut rows: Vec<Row> = StrategyName::value_variants()
        .iter()
        .copied()
        .map(Row::new)
        .collect();
    for _ in 0..rounds {
        for row in &mut rows {
            row.measure(&fleet, rate, window).await?;
        }
    }
    println!(
        "   {:<15} {:>18} {:>10} {:>22} {:>24} {:>9} {:>7}",
        "strategy", "slow one's share %", "answered/s", "p50 ms", "p99 ms", "left", "late"
    );
    rows.iter().for_each(Row::print);
    println!("\n   late: sends that the generator itself began more than 1 ms after their time.");
    verdict(&rows);
    println!("Machine at the end: {}", machine::facts());
    settings.draw("ch01-strategies.svg", || draw(&rows))
}

struct Fleet {
    clones: Vec<Program>,
}

impl Fleet {
    async fn start() -> anyhow::Result<Self> {
        let cpus: Vec<f64> = (1..=CLONES)
            .map(|n| if n == CLONES { SLOW } else { FAST })
            .collect();
        let clones = clones::start("clone", &cpus, rounds_in(WORK), None).await?;
        Ok(Fleet { clones })
    }

    fn slow(&self) -> &Program {
        &self.clones[CLONES - 1]
    }

    async fn throughput_of_one(&self, window: Duration) -> anyhow::Result<f64> {
        let front = Front::new(&self.clones[..1], &[], StrategyName::RoundRobin.build(1)).await?;
        let report = closed_loop(&front.target, 6, Limit::duration(window), |_| {
            Request::get("/burn")
        })
        .await;
        ensure!(report.failures() == 0, "a clone by itself fails: {report}");
        Ok(report.requests_per_second())
    }

    /// Requests that nobody waits for any more still lie in the slow clone. It gets a whole share
    /// until it has done them.
    async fn finish_what_is_left(&self) -> anyhow::Result<()> {
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
                "the slow clone does not come to rest"
            );
            sleep(Duration::from_millis(100)).await;
        }
        Ok(self.slow().limit_cpus(SLOW).await?)
    }
}

/// What was measured of one strategy, a value for each round.
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

    async fn measure(&mut self, fleet: &Fleet, rate: u32, window: Duration) -> anyhow::Result<()> {
        // Only this one asks for weights: whoever takes it knows them. For the others all clones
        // look alike.
        let weights: &[u32] = if self.strategy == StrategyName::Weighted {
            &[10, 10, 10, 1]
        } else {
            &[]
        };
        let counted = Counted::new(self.strategy.build(1));
        let counts = Arc::clone(&counted.counts);
        let front = Front::new(&fleet.clones, weights, Box::new(counted)).await?;
        let cookies = match self.strategy {
            StrategyName::Sticky => {
                visitors::cookies(front.address, STICKY_COOKIE, VISITORS).await?
            }
            _ => Vec::new(),
        };
        let before: Vec<u64> = counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .collect();
        let target = front.target.clone().with_response_timeout(PATIENCE);
        let ask = move |n: u64| {
            let request = Request::get(&format!("/burn?game={}", n % GAMES));
            match cookies.get(n as usize % VISITORS) {
                Some(cookie) => request.header("cookie", cookie),
                None => request,
            }
        };
        let report = open_loop(&target, rate, CONNECTIONS, window, ask).await;
        drop(front);
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
        fleet.finish_what_is_left().await
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
            if late > LATE { "  inconclusive" } else { "" }
        );
    }
}

fn verdict(rows: &[Row]) {
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

/// A strategy, and how often it chose which clone. What the balancer counts are answers, and many
/// of the slow one's never come.
#[derive(Debug)]
struct Counted {
    strategy: Box<dyn Strategy>,
    counts: Arc<[AtomicU64; CLONES]>,
}

impl Counted {
    fn new(strategy: Box<dyn Strategy>) -> Self {
        Counted {
            strategy,
            counts: Arc::default(),
        }
    }
}

impl Strategy for Counted {
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
        title: "How long visitors wait when one of four clones is slow",
        description: "For each of seven strategies a dot for the median and one for the 99th percentile of the waiting time, on a scale where \
                      each step is ten times the one before. Strategies that do not look at what clones do have a 99th percentile of \
                      three seconds, where visitors leave; those that do are much lower.",
        x: Axis::of_names("strategy", names.iter().map(String::as_str).collect()),
        y: milliseconds,
        series: vec![
            series("p50: half wait longer", dots(|row| &row.p50), 0),
            series(
                "p99: one in a hundred waits longer",
                dots(|row| &row.p99),
                1,
            ),
        ],
    };
    plot.svg().context("the strategies could not be drawn")
}
