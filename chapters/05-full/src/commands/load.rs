//! `load`: measures the requests/s of a running store, with the cache and without it.
//!
//! The rounds alternate, because the speed of a machine changes from minute to minute. Quote the
//! ratio and not the absolute numbers: the load generator uses the same cores as the store.

use std::io::{Write, stdout};
use std::time::Duration;

use anyhow::bail;
use loadgen::{Limit, Report, Request, Target, closed_loop};

use crate::cli::LoadArgs;

/// Measures and prints a table.
pub async fn load(args: &LoadArgs) -> anyhow::Result<()> {
    let target = Target::parse(&args.url)?;
    let connections = usize::from(args.connections);
    let games = u64::from(args.games);
    let cached = move |n: u64| Request::get(&format!("/games/{}", n % games + 1));
    let uncached = move |n: u64| cached(n).header("cache-control", "no-cache");

    // The warm-up requests every game once, so the cache is full before the first round.
    let warm_up = closed_loop(&target, connections, Limit::requests(games), cached).await;
    check_responses(&warm_up, &args.url)?;

    let limit = Limit::duration(Duration::from_secs(args.seconds));
    let mut output = stdout();
    writeln!(
        output,
        "GET /games/{{id}} at {}, {games} games, {connections} connections, {} s a round",
        args.url, args.seconds
    )?;
    writeln!(output, "{:14}{}", "", Report::TABLE_HEAD)?;
    let mut ratios = Vec::new();
    let mut totals: Option<(Report, Report)> = None;
    for round in 1..=args.rounds {
        let with = closed_loop(&target, connections, limit, cached).await;
        let without = closed_loop(&target, connections, limit, uncached).await;
        writeln!(output, "{:14}{with}", format!("{round} cached"))?;
        writeln!(output, "{:14}{without}", format!("{round} no cache"))?;
        ratios.push(with.requests_per_second() / without.requests_per_second());
        totals = Some(match totals.take() {
            None => (with, without),
            Some((all_with, all_without)) => {
                (append(all_with, &with), append(all_without, &without))
            }
        });
    }
    let Some((with, without)) = totals else {
        return Ok(());
    };
    writeln!(output, "{:14}{with}", "all cached")?;
    writeln!(output, "{:14}{without}", "all no cache")?;
    ratios.sort_by(f64::total_cmp);
    let (min, median, max) = (
        ratios[0],
        ratios[ratios.len() / 2],
        ratios[ratios.len() - 1],
    );
    writeln!(
        output,
        "\nrequests/s with the cache over without: \
         {median:.2} (median of the rounds, {min:.2} to {max:.2})"
    )?;
    check_responses(&with, &args.url)?;
    check_responses(&without, &args.url)
}

/// Adds the report of a later run: the durations add up. `Report::merge` alone is for concurrent
/// runs.
fn append(mut first: Report, second: &Report) -> Report {
    let elapsed = first.elapsed + second.elapsed;
    first.merge(second);
    first.elapsed = elapsed;
    first
}

/// Fails unless every response was 200. Throughput that includes errors would be misleading.
fn check_responses(report: &Report, url: &str) -> anyhow::Result<()> {
    let succeeded = report.by_status.get(&200).copied().unwrap_or_default();
    if succeeded == report.requests && succeeded > 0 {
        return Ok(());
    }
    let failed = report.requests - succeeded;
    if let Some(error) = &report.first_error {
        bail!(
            "{failed} of {} requests failed, the first with: {error}; \
             is a store running at {url}?",
            report.requests
        );
    }
    bail!(
        "{failed} of {} responses were not 200: {:?}; does the store have that many games \
         (--games)?",
        report.requests,
        report.by_status
    )
}
