//! `inspect`: rows, buckets, sizes and lag of every shard.

use anyhow::Context;
use ch02_database::sharding::{Bucket, ShardId, ShardReport, disagreements, load_map};
use common::error_chain;

use super::Addresses;

/// Prints a line for each shard, the moves that leave it, and what the shard map and the shards
/// disagree about.
pub async fn run(addresses: &Addresses) -> anyhow::Result<()> {
    let (primary, shards) = addresses
        .connect()?
        .context("no address; set DATABASE_URL and SHARD_URLS, or use the flags")?;
    let map = load_map(&primary)
        .await
        .context("the catalogue's database")?;
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
                print_moves(&report);
                Some(report)
            }
            Err(error) => {
                println!("{number:>5} {}", error_chain(&error));
                None
            }
        };
        reports.push(report);
    }
    // What a shard that did not answer owns is unknown.
    let known = disagreements(&map, &reports).into_iter();
    let known =
        known.filter(|(bucket, _)| matches!(reports.get(map.owner(*bucket)), Some(Some(_))));
    let lines: Vec<_> = known
        .map(|(bucket, owners)| (bucket, map.owner(bucket), owners))
        .collect();
    for same in lines
        .chunk_by(|left, right| left.0 + 1 == right.0 && (left.1, &left.2) == (right.1, &right.2))
    {
        print_disagreement(same);
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

fn print_moves(report: &ShardReport) {
    for record in &report.moves {
        println!(
            "      bucket {} moves to shard {}: {}",
            record.bucket,
            record.to,
            record.step.name()
        );
    }
}

/// Consecutive buckets that the map gives to the same shard, and that the same shards own.
fn print_disagreement(same: &[(Bucket, ShardId, Vec<ShardId>)]) {
    if let (Some((first, shard, owners)), Some((last, ..))) = (same.first(), same.last()) {
        println!("buckets {first} to {last}: the map says shard {shard}, active on {owners:?}");
    }
}
