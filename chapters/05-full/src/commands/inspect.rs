//! `inspect`: shows the clones, and how the orders are distributed over the shards.
//!
//! It reads the metrics of a running store over HTTP, or the database files of a stopped store.

use std::collections::BTreeMap;
use std::io::{self, Write, stdout};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use loadgen::base_url;

use super::run_file::RunningStore;
use crate::cli::InspectArgs;
use crate::services::embedded::EmbeddedStorage;
use crate::services::{DataDir, DataDirError};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// The width of the longest bar, in characters.
const BAR_WIDTH: u64 = 40;

/// Prints the clones and the distribution of the orders.
pub async fn inspect(args: &InspectArgs) -> anyhow::Result<()> {
    if let Some(url) = &args.url {
        return inspect_running(&base_url(url)?, &BTreeMap::new()).await;
    }
    let dir = DataDir::resolve(args.data_dir.as_deref())?;
    if let Some(store) = RunningStore::read(&dir) {
        match inspect_running(&store.url, &store.clones).await {
            Ok(()) => return Ok(()),
            // A killed store leaves its run file.
            Err(error) => tracing::info!(%error, "the store of the run file does not answer"),
        }
    }
    inspect_files(&dir).await
}

async fn inspect_running(
    url: &str,
    addresses: &BTreeMap<String, SocketAddr>,
) -> anyhow::Result<()> {
    let client = reqwest::Client::builder()
        .timeout(REQUEST_TIMEOUT)
        .no_proxy()
        .build()?;
    let response = client.get(format!("{url}/metrics")).send().await;
    let metrics = response
        .and_then(reqwest::Response::error_for_status)
        .with_context(|| format!("no store answers at {url}; `cargo run -p ch05-full` starts one"))?
        .text()
        .await?;
    let up = metric(&metrics, "upstream_up", "upstream");
    let requests = metric(&metrics, "upstream_requests_total", "upstream");
    if up.is_empty() {
        bail!("the server at {url} is not a store of this workshop: its metrics name no clones");
    }
    let mut output = stdout();
    writeln!(output, "running at {url}\n\nclones")?;
    for (name, is_up) in &up {
        let address = addresses
            .get(name)
            .map(|addr| format!("  http://{addr}"))
            .unwrap_or_default();
        let state = if *is_up == 1 { "up" } else { "down" };
        let count = requests.get(name).copied().unwrap_or_default();
        writeln!(
            output,
            "  {name:<10} {state:<5} {count:>9} requests{address}"
        )?;
    }
    let orders = metric(&metrics, "orders", "shard").into_iter();
    let mut orders: Vec<_> = orders.collect();
    orders.sort_by_key(|(shard, _)| shard.parse::<usize>().unwrap_or(usize::MAX));
    let counts: Vec<_> = orders.into_iter().map(|(_, count)| count).collect();
    print_distribution(&counts)?;
    Ok(())
}

async fn inspect_files(dir: &DataDir) -> anyhow::Result<()> {
    let orders = EmbeddedStorage::count_orders(dir).await?;
    match dir.lock() {
        Err(DataDirError::InUse { .. }) => writeln!(
            stdout(),
            "a store is running with the data in {dir}, but it does not answer"
        )?,
        _ => writeln!(stdout(), "not running; the data is in {dir}")?,
    }
    print_distribution(&orders)?;
    Ok(())
}

fn print_distribution(orders: &[u64]) -> io::Result<()> {
    let mut output = stdout();
    let total: u64 = orders.iter().sum();
    let max = orders.iter().copied().max().unwrap_or(0).max(1);
    writeln!(output, "\norders by shard")?;
    for (shard, count) in orders.iter().enumerate() {
        let bar = "█".repeat((count * BAR_WIDTH / max) as usize);
        let share = *count as f64 * 100.0 / total.max(1) as f64;
        writeln!(
            output,
            "  shard-{shard:<3} {count:>8}  {share:>5.1} %  {bar}"
        )?;
    }
    writeln!(output, "  together  {total:>8}")
}

/// The values of one metric, by the value of one label. Reads lines such as
/// `orders{shard="3"} 251`.
fn metric(metrics: &str, name: &str, label: &str) -> BTreeMap<String, u64> {
    metrics
        .lines()
        .filter_map(|line| {
            let (labels, value) = line
                .strip_prefix(name)?
                .strip_prefix('{')?
                .split_once("} ")?;
            let label_value = labels
                .split(',')
                .find_map(|pair| pair.strip_prefix(label)?.strip_prefix("=\""))?;
            let label_value = label_value.trim_end_matches('"').to_owned();
            Some((label_value, value.parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metric_is_read_by_its_label() {
        let metrics = "# TYPE orders gauge\n\
                       orders{shard=\"0\"} 255\n\
                       orders{shard=\"1\"} 256\n\
                       orders_total{shard=\"0\"} 9\n";
        let expected = BTreeMap::from([("0".to_owned(), 255), ("1".to_owned(), 256)]);
        assert_eq!(metric(metrics, "orders", "shard"), expected);
    }
}
