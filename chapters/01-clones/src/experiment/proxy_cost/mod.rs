//! Measures the processor time per request of this balancer, nginx and HAProxy.
//!
//! Requests per second would be misleading, because generator, proxy and backend share this
//! machine. So the rate is fixed, and the cost is the processor time of the proxy divided by the
//! number of requests ([`cpu`]). Rounds are interleaved, and each round has its own ratio, so that
//! a slow moment affects both sides.
//!
//! Left out: saturation, where batching hides up to half of the cost, and TLS.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use loadgen::plots::{Axis, Look, Plot, Point, Series};

use balancer_variant::Variant;
use load::{CONNECTIONS, Load};
use measured_process::MeasuredProcess;
use measurement::{Settings, Spread, machine};
use row::{Row, ratio};

pub mod backend;
pub mod balancer_variant;
mod cpu;
mod load;
mod measured_process;
mod nginx_haproxy;
mod row;

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    settings: Settings,
    /// Another build of this program to compare with. Keep the old one before you change the
    /// balancer
    #[arg(long, value_name = "PROGRAM")]
    against: Option<PathBuf>,
}

const SMALL: Load = Load {
    what: "bodies of 128 bytes",
    path: "/bytes/128",
    rate: 4_000,
    closes_connection: false,
    has_id: false,
    rounds: 9,
    window: Duration::from_millis(1_500),
};

const LARGE: Load = Load {
    what: "bodies of 64 KiB",
    path: "/bytes/65536",
    rate: 1_000,
    rounds: 7,
    window: Duration::from_secs(1),
    ..SMALL
};

const CLOSING: Load = Load {
    what: "a new connection for each request",
    rate: 1_000,
    closes_connection: true,
    rounds: 7,
    window: Duration::from_secs(1),
    ..SMALL
};

const VARIANTS: [(&str, Variant, bool); 6] = [
    ("default", Variant::Default, false),
    ("no probes", Variant::NoProbes, false),
    ("no retries, no kept bodies", Variant::NoRetries, false),
    ("request id from the client", Variant::Default, true),
    ("strategy peak-ewma", Variant::PeakEwma, false),
    ("strategy least-requests", Variant::LeastRequests, false),
];

/// Measures all cases and prints the results.
pub async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = &arguments.settings;
    println!("CPU time per request in a proxy");
    println!("Machine: {}\n", machine::facts());
    let program = std::env::current_exe()
        .context("the operating system does not tell the path of this program")?;
    let ports = ["--listen", "127.0.0.1:0"].repeat(3);
    let process_arguments: Vec<String> = ["experiment", "backend"]
        .iter()
        .chain(&ports)
        .map(ToString::to_string)
        .collect();
    let (backend, clones) =
        MeasuredProcess::start("direct (backend only)", &program, &process_arguments, 3).await?;

    if let Some(other) = &arguments.against {
        let proxies = [
            balancer("this build", &program, &clones).await?,
            balancer("the other build", other, &clones).await?,
        ];
        compare(SMALL.shortened(settings), &proxies, &backend).await?;
        return Ok(());
    }
    let mut proxies = vec![balancer("this balancer", &program, &clones).await?];
    for (name, started) in [
        ("nginx", nginx_haproxy::nginx(&clones).await?),
        ("HAProxy", nginx_haproxy::haproxy(&clones).await?),
    ] {
        match started {
            Some(proxy) => proxies.push(proxy),
            None => println!(
                "{name} is not installed, so its row is missing; on Debian: {}\n",
                nginx_haproxy::INSTALL
            ),
        }
    }
    let mut tables = Vec::new();
    for load in [SMALL, LARGE, CLOSING] {
        tables.push((
            load.what,
            compare(load.shortened(settings), &proxies, &backend).await?,
        ));
    }
    drop(proxies);
    println!("Differences:");
    for line in nginx_haproxy::DIFFERENCES {
        println!("   {line}");
    }
    println!();
    measure_variants(SMALL.shortened(settings), &program, &clones).await?;
    println!("Machine at the end: {}", machine::facts());
    settings.draw("ch01-proxy-cost.svg", || Ok(draw(&tables)?))
}

/// Starts `balancer` with its default settings.
async fn balancer(
    name: &'static str,
    program: &Path,
    clones: &[SocketAddr],
) -> anyhow::Result<MeasuredProcess> {
    let mut process_arguments: Vec<String> = ["balancer", "--listen", "127.0.0.1:0"]
        .map(str::to_owned)
        .to_vec();
    process_arguments.extend(upstreams(clones));
    Ok(MeasuredProcess::start(name, program, &process_arguments, 1)
        .await?
        .0)
}

fn upstreams(clones: &[SocketAddr]) -> impl Iterator<Item = String> {
    clones
        .iter()
        .flat_map(|clone| ["--upstream".to_owned(), clone.to_string()])
}

/// Compares the first proxy with the others.
async fn compare(
    load: Load,
    proxies: &[MeasuredProcess],
    backend: &MeasuredProcess,
) -> anyhow::Result<Vec<Row>> {
    println!(
        "{}: {} requests/s over {CONNECTIONS} connections, {} interleaved rounds of {:.1} s.",
        load.what,
        load.rate,
        load.rounds,
        load.window.as_secs_f64()
    );
    let mut rows: Vec<Row> = proxies
        .iter()
        .chain([backend])
        .map(|one| Row::new(one.name))
        .collect();
    for _ in 0..load.rounds {
        for (row, proxy) in rows.iter_mut().zip(proxies.iter().chain([backend])) {
            row.measure(load, proxy, proxy.address).await?;
        }
    }
    print_head("proxy");
    rows.iter().for_each(Row::print);
    let others = &rows[1..proxies.len()];
    let names = others
        .iter()
        .map(|row| row.name)
        .collect::<Vec<_>>()
        .join(" and ");
    match ratio(&rows[0], others) {
        Some(ratio) => println!(
            "   {} / mean of {names}, in the same round: {ratio}\n",
            rows[0].name
        ),
        None => println!("   no other proxy to compare with\n"),
    }
    Ok(rows)
}

async fn measure_variants(load: Load, program: &Path, clones: &[SocketAddr]) -> anyhow::Result<()> {
    println!(
        "CPU time of single features: {}, {} requests/s, {} rounds.",
        load.what, load.rate, load.rounds
    );
    let mut rows = Vec::new();
    for (name, part, has_id) in VARIANTS {
        let part =
            clap::ValueEnum::to_possible_value(&part).map(|value| value.get_name().to_owned());
        let mut arguments: Vec<String> = ["experiment", "proxy", "--variant"]
            .map(str::to_owned)
            .to_vec();
        arguments.extend(part);
        arguments.extend(upstreams(clones));
        let (proxy, _) = MeasuredProcess::start(name, program, &arguments, 1).await?;
        rows.push((Row::new(name), Load { has_id, ..load }, proxy));
    }
    for _ in 0..load.rounds {
        for (row, load, proxy) in &mut rows {
            row.measure(*load, proxy, proxy.address).await?;
        }
    }
    print_head("variant");
    for (row, ..) in &rows {
        row.print();
    }
    println!(
        "   Difference to the default in the same round (a range that includes zero is inconclusive):"
    );
    let whole = &rows[0].0.micros;
    for (row, ..) in &rows[1..] {
        let paired = row
            .micros
            .iter()
            .zip(whole)
            .filter_map(|(part, whole)| Some((*part)? - (*whole)?));
        let difference =
            Spread::of(paired).map_or("inconclusive".to_owned(), |spread| format!("{spread:+.1}"));
        println!("   {:<36} {difference:>20}", row.name);
    }
    println!();
    Ok(())
}

fn draw(tables: &[(&'static str, Vec<Row>)]) -> Result<String, loadgen::plots::PlotError> {
    let names = tables
        .first()
        .map(|(_, rows)| rows.iter().map(|row| row.name).collect())
        .unwrap_or_default();
    let series = (0..).zip(tables).map(|(colour, (what, rows))| {
        // Side by side, so that no dot hides another.
        let aside = (colour as f64 - 1.0) / 8.0;
        let point = |(at, row): (usize, &Row)| {
            let spread = row.spread()?;
            Some(Point {
                x: at as f64 + aside,
                y: spread.median,
                spread: (spread.min, spread.max),
            })
        };
        Series {
            name: what,
            points: rows.iter().enumerate().filter_map(point).collect(),
            look: Look::Dots,
            colour,
        }
    });
    let series: Vec<Series<'_>> = series.collect();
    let most = series
        .iter()
        .flat_map(|series| &series.points)
        .map(|point| point.spread.1)
        .fold(1.0, f64::max);
    let plot = Plot {
        title: "Processor time of one request in a proxy",
        description: "For our balancer, nginx, HAProxy and the backend by itself three dots each: small responses, responses of 64 KiB, and a new \
                      connection for each request. Dots are medians, lines reach from the least to the greatest value.",
        x: Axis::of_names("", names),
        y: Axis::new("microseconds", 0.0..most * 1.3),
        series,
    };
    plot.svg()
}

fn print_head(what: &str) {
    println!(
        "   {what:<36} {:>20} {:>8} {:>8}",
        "CPU µs/request", "p50 ms", "p99 ms"
    );
}
