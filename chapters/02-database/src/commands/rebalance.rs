//! `rebalance`: moves one bucket, or as many as are needed until all shards have equally many.

use anyhow::{Context, bail, ensure};
use ch02_database::postgres::{migrate, ping};
use ch02_database::seed::{SeedRequest, seed_store};
use ch02_database::sharding::rebalance::{
    MoveLimits, MoveProgress, MoveRecord, MoveStep, Mover, PlannedMove, open_moves, plan,
};
use ch02_database::sharding::{Bucket, ShardId, ShardMap, load_map};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use sqlx::PgPool;
use tokio::signal::ctrl_c;

use super::Addresses;

/// Which buckets, and where they go.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    addresses: Addresses,
    /// Move only this bucket, 0 to 255
    #[arg(long, value_name = "N", requires = "to", allow_negative_numbers = true,
        value_parser = clap::value_parser!(u16).range(0..=255))]
    bucket: Option<Bucket>,
    /// The shard that gets the bucket, counted from 0
    #[arg(
        long,
        value_name = "SHARD",
        requires = "bucket",
        allow_negative_numbers = true
    )]
    to: Option<ShardId>,
    /// Print the moves, and move nothing
    #[arg(long)]
    dry_run: bool,
}

/// Completes interrupted moves, then moves the buckets. All clones must know all addresses before.
pub async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (primary, shards) = arguments
        .addresses
        .connect()?
        .context("no address; set DATABASE_URL and SHARD_URLS, or use the flags")?;
    if let Some(to) = arguments.to {
        ensure!(
            to < shards.len(),
            "there is no shard {to}; the addresses name shards 0 to {}",
            shards.len() - 1
        );
    }
    let answer = ping(&primary).await;
    answer.context("the catalogue's database")?;
    for (number, shard) in shards.iter().enumerate() {
        let answer = ping(shard).await;
        answer.with_context(|| format!("the database of shard {number}"))?;
    }
    let map = load_map(&primary).await?;
    let map = map.context("the store is empty; fill it with `populate`")?;
    ensure!(
        shards.len() >= map.shards(),
        "the store has {} shards, but there are only {} addresses",
        map.shards(),
        shards.len()
    );
    if arguments.dry_run {
        print_open_moves(&shards).await;
        print_plan(&planned(arguments, &map, shards.len()));
        return Ok(());
    }
    // A new, empty database becomes a shard without buckets.
    migrate(&primary, &shards).await?;
    seed_store(&primary, &shards, SeedRequest::default(), |_, _| ()).await?;
    let limits = MoveLimits::default();
    let mover = Mover::new(primary.clone(), shards.clone(), limits);
    settle(&mover, |_| true).await?;
    let map = load_map(&primary).await?.context("the map is gone")?;
    let plan = planned(arguments, &map, shards.len());
    // A move that is planned again continues where it was interrupted.
    settle(&mover, |record| {
        plan.iter()
            .any(|planned| (planned.bucket, planned.to) == (record.bucket, record.to))
    })
    .await?;
    print_plan(&plan);
    for planned in &plan {
        tokio::select! {
            result = move_bucket(&mover, *planned) => result?,
            signal = ctrl_c() => {
                signal?;
                return stop(&mover, *planned).await;
            }
        }
    }
    Ok(())
}

async fn settle(mover: &Mover, is_continued: impl Fn(&MoveRecord) -> bool) -> anyhow::Result<()> {
    for (from, record, settled) in mover.settle_all_except(is_continued).await? {
        println!(
            "interrupted move of bucket {} from shard {from} to {}, at {}: {settled:?}",
            record.bucket,
            record.to,
            record.step.name()
        );
    }
    Ok(())
}

/// After Ctrl-C. The move's connection is closed, and a move after its decision is completed, so
/// that a shard owns the bucket.
async fn stop(mover: &Mover, planned: PlannedMove) -> anyhow::Result<()> {
    settle(mover, |_| true).await?;
    bail!(
        "interrupted during the move of bucket {} to shard {}; nothing is lost, and the same \
         command continues the move",
        planned.bucket,
        planned.to
    )
}

/// The moves that the command line asks for.
fn planned(arguments: &Arguments, map: &ShardMap, shards: usize) -> Vec<PlannedMove> {
    match (arguments.bucket, arguments.to) {
        (Some(bucket), Some(to)) if map.owner(bucket) == to => Vec::new(),
        (Some(bucket), Some(to)) => vec![PlannedMove {
            bucket,
            from: map.owner(bucket),
            to,
        }],
        _ => plan(map, shards),
    }
}

/// The moves of a plan, those between the same shards in one line.
fn print_plan(moves: &[PlannedMove]) {
    if moves.is_empty() {
        println!("nothing to move");
    }
    let mut moves = moves.to_vec();
    moves.sort_by_key(|planned| (planned.from, planned.to, planned.bucket));
    for same in moves.chunk_by(|left, right| (left.from, left.to) == (right.from, right.to)) {
        let PlannedMove { from, to, .. } = same[0];
        let buckets: Vec<String> = same.iter().map(|one| one.bucket.to_string()).collect();
        let count = same.len();
        println!(
            "shard {from} → shard {to}: {count} bucket(s): {}",
            buckets.join(" ")
        );
    }
}

async fn print_open_moves(shards: &[PgPool]) {
    for (from, shard) in shards.iter().enumerate() {
        // A new, empty database has no such table.
        for record in open_moves(shard).await.unwrap_or_default() {
            println!(
                "bucket {} moves from shard {from} to {}, at {}; if no process moves it, the next \
                 `rebalance` continues it, completes it or rolls it back",
                record.bucket,
                record.to,
                record.step.name()
            );
        }
    }
}

async fn move_bucket(mover: &Mover, planned: PlannedMove) -> anyhow::Result<()> {
    let PlannedMove { bucket, from, to } = planned;
    let bar = ProgressBar::new(0);
    let style = "bucket {msg} {bar:40} {human_pos} of {human_len} orders, {elapsed}";
    bar.set_style(ProgressStyle::with_template(style)?);
    bar.set_message(bucket.to_string());
    let progress = |progress: MoveProgress| {
        if progress.step == MoveStep::Copying {
            bar.set_length(progress.total);
            bar.set_position(progress.copied);
        }
    };
    let result = mover.move_bucket(bucket, to, progress).await;
    bar.finish_and_clear();
    let report = result
        .with_context(|| format!("bucket {bucket} did not move from shard {from} to {to}"))?;
    println!(
        "bucket {bucket}: shard {from} → {to}, {} orders and {} changes, writers held back for \
         {:.0} ms{}",
        report.copied,
        report.changes,
        report.blocked.as_secs_f64() * 1e3,
        match report.kept {
            0 => String::new(),
            kept => format!("; {kept} orders were copied before"),
        }
    );
    Ok(())
}
