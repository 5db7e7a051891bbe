//! `load`: how many product pages a running store answers, with the cache and without it, in one run.
//!
//! The two are measured in turns, since the speed of a machine changes from minute to minute; what to quote is the ratio.
//! "Without" is the same request with `Cache-Control: no-cache`, which the store answers from its database. The generator
//! takes its share of the same cores, so the absolute numbers are lower than what the store alone could do.

use std::io::{Write, stdout};
use std::time::Duration;

use anyhow::bail;
use loadgen::{Limit, Report, Request, Target, closed_loop};

use crate::cli::Load;

/// Measures and prints.
pub async fn load(args: &Load) -> anyhow::Result<()> {
    let target = Target::parse(&args.url)?;
    let connections = usize::from(args.connections);
    let games = u64::from(args.games);
    let cached = move |n: u64| Request::get(&format!("/games/{}", n % games + 1));
    let uncached = move |n: u64| cached(n).header("cache-control", "no-cache");

    // Every game once, so that no round with the cache has to fill it.
    let warm_up = closed_loop(&target, connections, Limit::requests(games), cached).await;
    check(&warm_up, &args.url)?;

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
            Some((all_with, all_without)) => (
                one_after_the_other(all_with, &with),
                one_after_the_other(all_without, &without),
            ),
        });
    }
    let Some((with, without)) = totals else {
        return Ok(());
    };
    writeln!(output, "{:14}{with}", "all cached")?;
    writeln!(output, "{:14}{without}", "all no cache")?;
    ratios.sort_by(f64::total_cmp);
    let (least, median, most) = (
        ratios[0],
        ratios[ratios.len() / 2],
        ratios[ratios.len() - 1],
    );
    writeln!(
        output,
        "\nrequests/s with the cache over without: {median:.2} (median of the rounds, {least:.2} to {most:.2})"
    )?;
    check(&with, &args.url)?;
    check(&without, &args.url)
}

/// Adds up two runs of which the second began when the first was over. (`Report::merge` is for runs side by side.)
fn one_after_the_other(mut first: Report, second: &Report) -> Report {
    let elapsed = first.elapsed + second.elapsed;
    first.merge(second);
    first.elapsed = elapsed;
    first
}

/// A number that was measured on errors is worth nothing.
fn check(report: &Report, url: &str) -> anyhow::Result<()> {
    let good = report.by_status.get(&200).copied().unwrap_or_default();
    if good == report.requests && good > 0 {
        return Ok(());
    }
    if let Some(error) = &report.first_error {
        bail!(
            "{} of {} requests failed, the first with: {error}; is a store running at {url}?",
            report.requests - good,
            report.requests
        );
    }
    bail!(
        "{} of {} answers were not 200: {:?}; does the store have that many games (--games)?",
        report.requests - good,
        report.requests,
        report.by_status
    )
}
