//! `inspect`: which clones there are, and how the orders are spread over the shards.
//!
//! A running store is asked over HTTP, like any client would: its metrics have all of it. A store that is not running is read
//! from its files.

use std::collections::BTreeMap;
use std::io::{self, Write, stdout};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::cli::Inspect;
use crate::embedded::{DataDir, DataDirError, Embedded};

/// Says where the store of a data directory listens, for as long as it runs.
#[derive(Debug, Serialize, Deserialize)]
struct Run {
    url: String,
    clones: BTreeMap<String, SocketAddr>,
}

/// The file that says where a store listens; removed when dropped.
pub struct RunFile(Option<PathBuf>);

const RUN_FILE: &str = "running.json";

impl RunFile {
    /// Writes the file. A store in memory has none.
    pub fn write(
        dir: &DataDir,
        address: SocketAddr,
        clones: &[(String, SocketAddr)],
    ) -> std::io::Result<RunFile> {
        let path = dir.join(RUN_FILE);
        if let Some(path) = &path {
            let run = Run {
                url: format!("http://{address}"),
                clones: clones.iter().cloned().collect(),
            };
            std::fs::write(path, serde_json::to_vec_pretty(&run)?)?;
        }
        Ok(RunFile(path))
    }
}

impl Drop for RunFile {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // If it stays, `inspect` finds nobody there and says so.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Prints what there is to see.
pub async fn inspect(args: &Inspect) -> anyhow::Result<()> {
    if let Some(url) = &args.url {
        return running(url, &BTreeMap::new()).await;
    }
    let dir = DataDir::resolve(args.data_dir.as_deref())?;
    let run: Option<Run> = dir
        .join(RUN_FILE)
        .and_then(|file| std::fs::read(file).ok())
        .and_then(|run| serde_json::from_slice(&run).ok());
    if let Some(run) = run {
        match running(&run.url, &run.clones).await {
            Ok(()) => return Ok(()),
            // Killed, so nobody removed the file.
            Err(error) => tracing::info!(%error, "the run file is left over"),
        }
    }
    stopped(&dir).await
}

/// Asks a running store.
async fn running(url: &str, addresses: &BTreeMap<String, SocketAddr>) -> anyhow::Result<()> {
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(5))
        .no_proxy()
        .build()?;
    let response = client
        .get(format!("{}/metrics", url.trim_end_matches('/')))
        .send()
        .await;
    let metrics = response
        .and_then(reqwest::Response::error_for_status)
        .with_context(|| format!("no store answers at {url}; `cargo run -p ch05-full` starts one"))?
        .text()
        .await?;
    let up = series(&metrics, "upstream_up", "upstream");
    let requests = series(&metrics, "upstream_requests_total", "upstream");
    if up.is_empty() {
        bail!("{url} answers, but not as a store of this workshop: its metrics name no clones");
    }
    let mut output = stdout();
    writeln!(output, "running at {url}\n\nclones")?;
    for (name, is_up) in &up {
        let address = addresses
            .get(name)
            .map(|addr| format!("  http://{addr}"))
            .unwrap_or_default();
        let state = if *is_up == 1 { "up" } else { "down" };
        let answered = requests.get(name).copied().unwrap_or_default();
        writeln!(
            output,
            "  {name:<10} {state:<5} {answered:>9} requests{address}"
        )?;
    }
    let mut orders = series(&metrics, "orders", "shard")
        .into_iter()
        .collect::<Vec<_>>();
    orders.sort_by_key(|(shard, _)| shard.parse::<usize>().unwrap_or(usize::MAX));
    print_spread(
        &orders
            .into_iter()
            .map(|(_, count)| count)
            .collect::<Vec<_>>(),
    )?;
    Ok(())
}

/// Reads the files of a store that does not answer.
async fn stopped(dir: &DataDir) -> anyhow::Result<()> {
    let orders = Embedded::count_orders(dir).await?;
    match dir.lock() {
        Err(DataDirError::InUse { .. }) => {
            writeln!(
                stdout(),
                "a store runs with the data in {dir}, but does not answer"
            )?;
        }
        _ => writeln!(stdout(), "not running; the data is in {dir}")?,
    }
    print_spread(&orders)?;
    Ok(())
}

fn print_spread(orders: &[u64]) -> io::Result<()> {
    let mut output = stdout();
    let (all, most) = (
        orders.iter().sum::<u64>().max(1),
        orders.iter().copied().max().unwrap_or(1).max(1),
    );
    writeln!(output, "\norders by shard")?;
    for (shard, count) in orders.iter().enumerate() {
        let bar = "█".repeat((count * 40 / most) as usize);
        let share = *count as f64 * 100.0 / all as f64;
        writeln!(
            output,
            "  shard-{shard:<3} {count:>8}  {share:>5.1} %  {bar}"
        )?;
    }
    writeln!(output, "  together  {:>8}", orders.iter().sum::<u64>())
}

/// The values of one metric by one of its labels: reads lines such as `orders{shard="3"} 251`.
fn series(metrics: &str, name: &str, label: &str) -> BTreeMap<String, u64> {
    metrics
        .lines()
        .filter_map(|line| {
            let (labels, value) = line
                .strip_prefix(name)?
                .strip_prefix('{')?
                .split_once("} ")?;
            let value_of_label = labels
                .split(',')
                .find_map(|pair| pair.strip_prefix(label)?.strip_prefix("=\""))?;
            Some((
                value_of_label.trim_end_matches('"').to_owned(),
                value.parse().ok()?,
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_read_by_its_label() {
        let metrics = "# TYPE orders gauge\norders{shard=\"0\"} 255\norders{shard=\"1\"} 256\norders_total{shard=\"0\"} 9\n";
        let expected = BTreeMap::from([("0".to_owned(), 255), ("1".to_owned(), 256)]);
        assert_eq!(series(metrics, "orders", "shard"), expected);
    }
}
