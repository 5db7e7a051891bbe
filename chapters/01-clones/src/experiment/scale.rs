//! Measures how much throughput one more clone adds.
//!
//! Each clone is a container with 10 % of a processor, so that one more clone adds capacity on the
//! same machine. In the first part, each request burns a millisecond in its clone. In the second
//! part, it also asks a Redis that all clones share, with 20 % of a processor. Four clones keep
//! this Redis busy, so a fifth clone adds nothing. The [model](super::usl) shows the difference in
//! two numbers.
//!
//! Left out: clones on separate machines, which also share the network.

use std::time::{Duration, Instant};

use anyhow::Context;
use ch01_clones::balancer::strategy::StrategyName;
use loadgen::plots::{Axis, Look, Plot, Point, Series};
use loadgen::{Limit, Report, Request, closed_loop};
use testbed::{Program, Server, Service};

use super::burn::{SHARED_WORK, rounds_in};
use super::container_clones::{self, TestBalancer};
use super::usl::UslModel;
use measurement::{Settings, Spread, machine};

/// The CPU quota of each clone. Eight clones leave the rest of two cores to the balancer and the
/// load generator.
const CPUS: f64 = 0.1;
/// The processor time of a request in its clone.
const WORK_PER_REQUEST: Duration = Duration::from_millis(1);
/// The CPU quota of the shared server, and the processor time of a request there.
const SHARED_CPUS: f64 = 0.2;
const SHARED: Duration = Duration::from_micros(700);
/// Connections of the load generator per clone, so that each clone always has work.
const CONNECTIONS: usize = 6;

struct Plan {
    counts: &'static [usize],
    rounds: usize,
    window: Duration,
}

impl Plan {
    fn of(settings: &Settings) -> Self {
        if settings.quick {
            return Plan {
                counts: &[1, 2, 3, 4],
                rounds: 1,
                window: Duration::from_millis(100),
            };
        }
        Plan {
            counts: &[1, 2, 3, 4, 6, 8],
            rounds: 5,
            window: Duration::from_millis(1_500),
        }
    }
}

/// Measures both parts and prints the results.
pub async fn run(settings: &Settings) -> anyhow::Result<()> {
    let plan = Plan::of(settings);
    println!("Throughput of 1 to 8 clones");
    println!("Machine: {}\n", machine::facts());
    let most = *plan.counts.last().context("there are counts")?;
    let rounds = rounds_in(WORK_PER_REQUEST);

    println!(
        "1. Each request burns {WORK_PER_REQUEST:?} in its clone. Each clone has a CPU quota of {CPUS}. The clones share nothing.\n"
    );
    let own = container_clones::start("clone", &vec![CPUS; most], rounds, None).await?;
    let free = Curve::measure(&plan, &own).await?;
    free.print();
    drop(own);

    println!(
        "2. Each request also burns {SHARED:?} in one shared Redis with a CPU quota of {SHARED_CPUS}.\n"
    );
    let redis = Server::builder(Service::Redis)
        .role("shared-bottleneck")
        .start()
        .await?;
    let steps = steps_in(SHARED, &redis.url()).await?;
    redis.limit_cpus(SHARED_CPUS).await?;
    let shared = format!("redis://{}:6379={steps}", redis.name());
    let sharing =
        container_clones::start("sharing", &vec![CPUS; most], rounds, Some(&shared)).await?;
    let bound = Curve::measure(&plan, &sharing).await?;
    bound.print();
    drop((sharing, redis));

    print_summary(&free, &bound);
    println!("Machine at the end: {}", machine::facts());
    settings.draw("ch01-scale.svg", || Ok(draw(&free, &bound)?))
}

/// The number of script steps that take this long in a Redis without a CPU quota.
async fn steps_in(time: Duration, url: &str) -> anyhow::Result<u64> {
    const SAMPLE: u64 = 100_000;
    let mut connection = redis::Client::open(url)?
        .get_multiplexed_async_connection()
        .await?;
    let mut shortest = Duration::MAX;
    for _ in 0..20 {
        let start = Instant::now();
        let mut eval = redis::cmd("EVAL");
        eval.arg(SHARED_WORK)
            .arg(0)
            .arg(SAMPLE)
            .query_async::<u64>(&mut connection)
            .await?;
        shortest = shortest.min(start.elapsed());
    }
    Ok((SAMPLE as f64 * time.as_secs_f64() / shortest.as_secs_f64()).ceil() as u64)
}

/// Throughput by the number of clones.
struct Curve {
    counts: Vec<usize>,
    /// For each count, the requests per second of each round.
    rates: Vec<Vec<f64>>,
    all: Report,
}

impl Curve {
    async fn measure(plan: &Plan, clones: &[Program]) -> anyhow::Result<Self> {
        let mut curve = Curve {
            counts: plan.counts.to_vec(),
            rates: vec![Vec::new(); plan.counts.len()],
            all: Report::default(),
        };
        for _ in 0..plan.rounds {
            for (rates, count) in curve.rates.iter_mut().zip(plan.counts) {
                // Not round robin: it would wait for a clone that other load disturbs.
                let balancer =
                    TestBalancer::new(&clones[..*count], &[], StrategyName::LeastRequests.build(1))
                        .await?;
                let limit = Limit::duration(plan.window);
                let report = closed_loop(&balancer.target, CONNECTIONS * count, limit, |_| {
                    Request::get("/burn")
                })
                .await;
                rates.push(report.requests_per_second());
                curve.all.merge(&report);
            }
        }
        Ok(curve)
    }

    fn spreads(&self) -> impl Iterator<Item = (usize, Spread)> {
        let spread = |(count, rates): (&usize, &Vec<f64>)| {
            Some((*count, Spread::of(rates.iter().copied())?))
        };
        self.counts.iter().zip(&self.rates).filter_map(spread)
    }

    /// The ratio to one clone in the same round.
    fn times_one(&self, count: usize) -> Option<Spread> {
        let at = self.counts.iter().position(|other| *other == count)?;
        let ratios = self.rates[at]
            .iter()
            .zip(&self.rates[0])
            .map(|(many, one)| many / one);
        Spread::of(ratios)
    }

    fn model(&self) -> anyhow::Result<UslModel> {
        let points: Vec<_> = self
            .spreads()
            .map(|(count, rate)| (count as f64, rate.median))
            .collect();
        UslModel::fit(&points).context("no model can be fitted")
    }

    fn print(&self) {
        let model = self.model();
        println!(
            "   {:>6}  {:>24}  {:>20}  {:>8}",
            "clones", "requests/s", "ratio to one", "model"
        );
        for (count, rate) in self.spreads() {
            let times = self
                .times_one(count)
                .map_or(String::new(), |times| times.to_string());
            let fitted = model
                .as_ref()
                .map_or(f64::NAN, |model| model.at(count as f64));
            println!(
                "   {count:>6}  {:>24}  {times:>20}  {fitted:>8.0}",
                format!("{rate:.0}")
            );
        }
        match &model {
            Ok(model) => println!(
                "\n   Model: one clone {:.0} requests/s, contention {:.3}, crosstalk {:.4}; R² {:.4}",
                model.one, model.contention, model.crosstalk, model.r_squared
            ),
            Err(error) => println!("\n   Model: inconclusive, {error:#}"),
        }
        let most = self.counts.iter().copied().max().unwrap_or_default() as f64;
        let best = model.ok().as_ref().and_then(UslModel::best);
        // An extrapolation would be a guess.
        if let Some(best) = best.filter(|best| *best <= most) {
            println!("   The model predicts the highest throughput with {best:.0} clones.");
        }
        match self.all.failures() {
            0 => println!("   {} requests, all succeeded.\n", self.all.requests),
            failures => println!(
                "   inconclusive: {failures} of {} requests failed.\n",
                self.all.requests
            ),
        }
    }
}

fn print_summary(free: &Curve, bound: &Curve) {
    for count in [4, 8] {
        if let (Some(free), Some(bound)) = (free.times_one(count), bound.times_one(count)) {
            println!(
                "{count} clones: {free} times one clone; {bound} times with one shared Redis."
            );
        }
    }
}

fn draw(free: &Curve, bound: &Curve) -> Result<String, loadgen::plots::PlotError> {
    let dots = |curve: &Curve| {
        let point = |(count, rate): (usize, Spread)| Point {
            x: count as f64,
            y: rate.median,
            spread: (rate.min, rate.max),
        };
        curve.spreads().map(point).collect::<Vec<_>>()
    };
    let most = free
        .spreads()
        .chain(bound.spreads())
        .map(|(_, rate)| rate.max)
        .fold(1.0, f64::max);
    let last = free.counts.last().copied().unwrap_or(1) as f64;
    let line = |curve: &Curve| {
        let model = curve.model().ok();
        let places = (0..=100).map(|step| 1.0 + (last - 1.0) * f64::from(step) / 100.0);
        places
            .filter_map(|at| Some(Point::exact(at, model?.at(at))))
            .collect::<Vec<_>>()
    };
    let series = |name, points, look, colour| Series {
        name,
        points,
        look,
        colour,
    };
    Plot {
        title: "Throughput by the number of clones",
        description: "Two curves over 1 to 8 clones. Where nothing is shared, throughput rises in a straight line. Where all clones wait for \
                      one Redis, it rises up to about four clones and then stays flat. Dots are medians, with a line from the least to the \
                      greatest value; lines are fits of the Universal Scalability Law.",
        x: Axis::new("clones", 0.0..last + 1.0),
        y: Axis::new("requests/s", 0.0..most * 1.15),
        series: vec![
            series("nothing shared", dots(free), Look::Dots, 0),
            series("… model", line(free), Look::Line, 0),
            series("one shared Redis", dots(bound), Look::Dots, 1),
            series("… model", line(bound), Look::Dashed, 1),
        ],
    }
    .svg()
}
