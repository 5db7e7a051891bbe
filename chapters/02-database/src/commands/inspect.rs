//! `inspect`: rows, buckets, sizes and lag of every shard.

use anyhow::Context;
use ch02_database::sharding::{Bucket, ShardReport, disagreements, load_map};
use common::error_chain;

use super::Addresses;

/// Prints a line for each shard, and what the shard map and the shards disagree about.
pub async fn run(addresses: &Addresses) -> anyhow::Result<()> {
    let (primary, shards) = addresses
        .connect()?
        .context("no address; set DATABASE_URL and SHARD_URLS, or use the flags")?;
    let map = load_map(&primary).await?;
    let map = map.context("the store is empty; fill it with `populate`")?;
    println!("shard map: epoch {}, {} shards", map.epoch(), map.shards());
    println!(
        "{:>5} {:>10} {:>8} {:>8} {:>6} {:>6} {:>10} {:>6} {:>12}",
        "shard", "orders", "inactive", "buckets", "in", "out", "MB", "epoch", "standby lag"
    );
    let mut reports = Vec::with_capacity(shards.len());
    for (number, shard) in shards.iter().enumerate() {
        let report = match ShardReport::read(shard).await {
            Ok(report) => {
                print_report(number, &report);
                Some(report)
            }
            Err(error) => {
                println!("{number:>5} {}", error_chain(&error));
                None
            }
        };
        reports.push(report);
    }
    for (bucket, owners) in disagreements(&map, &reports) {
        print_disagreement(bucket, map.owner(bucket), &owners);
    }
    Ok(())
}

fn print_report(number: usize, report: &ShardReport) {
    let lag = report
        .standby_lag
        .map_or("no standby".to_owned(), |bytes| format!("{bytes} bytes"));
    println!(
        "{number:>5} {:>10} {:>8} {:>8} {:>6} {:>6} {:>10.1} {:>6} {lag:>12}",
        report.orders,
        report.inactive_orders,
        report.active.len(),
        report.incoming.len(),
        report.moved.len(),
        report.bytes as f64 / 1e6,
        report.epoch,
    );
}

fn print_disagreement(bucket: Bucket, owner: usize, owners: &[usize]) {
    println!("bucket {bucket}: the map says shard {owner}, and it is active on {owners:?}");
}
