//! The plan that gives all shards equally many buckets, and the command that carries it out.

use ch02_database::orders::OrderFilter;
use ch02_database::sharding::rebalance::{MoveError, plan};
use ch02_database::sharding::{BUCKETS, ShardId, load_map};
use ch02_database::{Orders, PgOrders, ShardMap};
use proptest::prelude::*;

use crate::rebalance::{LIMITS, mover, owner, wait_for_dead_mover};
use crate::support::Store;

proptest! {
    #[test]
    fn plan_is_even_and_minimal(before in 1_usize..20, added in 0_usize..10) {
        let map = ShardMap::even(before);
        let shards = before + added;
        let moves = plan(&map, shards);
        let mut owners: Vec<ShardId> = (0..BUCKETS).map(|bucket| map.owner(bucket)).collect();
        for planned in &moves {
            prop_assert_eq!(owners[usize::from(planned.bucket)], planned.from);
            prop_assert!(planned.to >= before, "an old shard gets a bucket: {:?}", planned);
            owners[usize::from(planned.bucket)] = planned.to;
        }
        let count = |shard| owners.iter().filter(|owner| **owner == shard).count();
        let counts: Vec<usize> = (0..shards).map(count).collect();
        prop_assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{:?}", counts);
        // Only what the new shards need moves, and each bucket at most once.
        prop_assert_eq!(moves.len(), counts[before..].iter().sum::<usize>());
    }
}

/// Runs the program. Returns its output, or its output with its error.
async fn command(store: &Store, urls: &[String], arguments: &[&str]) -> Result<String, String> {
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_ch02-database"))
        .args(arguments)
        .env("DATABASE_URL", store.catalog.url())
        .env("SHARD_URLS", urls.join(","))
        .output();
    let output = output.await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    if output.status.success() {
        Ok(text)
    } else {
        Err(text + &error)
    }
}

#[tokio::test]
async fn impossible_commands_are_refused_first() {
    let store = Store::filled().await;
    let shards = store.shard_databases.iter();
    let urls: Vec<String> = shards.map(testbed::Postgres::url).collect();
    let mut with_dead_shard = urls.clone();
    with_dead_shard.push("postgres://workshop@127.0.0.1:1/workshop".to_owned());
    let to_9 = ["rebalance", "--bucket", "0", "--to", "9"];
    let dry = [to_9.as_slice(), &["--dry-run"]].concat();
    for (urls, arguments, expected) in [
        (&urls, to_9.as_slice(), "there is no shard 9"),
        (&urls, &dry, "there is no shard 9"),
        (
            &urls,
            &["rebalance", "--bucket", "256", "--to", "1"],
            "256 is not in 0..=255",
        ),
        (
            &with_dead_shard,
            &["rebalance"],
            "the database of shard 4: ",
        ),
        (
            &with_dead_shard,
            &["rebalance", "--bucket", "0", "--to", "4"],
            "the database of shard 4: ",
        ),
    ] {
        let refused = command(&store, urls, arguments).await.unwrap_err();
        assert!(refused.contains(expected), "{arguments:?}: {refused}");
        assert!(!refused.contains('→'), "a plan was made: {refused}");
    }
    assert_eq!(owner(&store, 0).await, 0);
}

#[tokio::test]
async fn new_shard_gets_its_share() {
    let store = Store::filled().await;
    let fifth = testbed::postgres().await.unwrap();
    let mut urls: Vec<String> = store
        .shard_databases
        .iter()
        .map(testbed::Postgres::url)
        .collect();
    urls.push(fifth.url());
    let run = async |arguments: &[&str]| {
        let output = command(&store, &urls, arguments).await;
        output.unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
    };
    let planned = run(&["rebalance", "--dry-run"]).await;
    assert_eq!(planned.matches("→ shard 4: ").count(), 4, "{planned}");
    assert_eq!(owner(&store, 255).await, 3, "a dry run has moved a bucket");

    // A move to be completed: it was killed after its decision.
    let mut shards = store.shards.clone();
    shards.push(ch02_database::postgres::connect(&fifth.url()).unwrap());
    fail::cfg("move-of-bucket-100-decided", "return").unwrap();
    let killed = mover(&store, LIMITS).move_bucket(100, 0, |_| ()).await;
    fail::remove("move-of-bucket-100-decided");
    assert!(matches!(killed, Err(MoveError::Killed)));
    wait_for_dead_mover(&store, 100).await;
    let inspected = run(&["inspect"]).await;
    assert!(
        inspected.contains("bucket 100 moves to shard 0: cut_over"),
        "{inspected}"
    );

    let moved = run(&["rebalance"]).await;
    assert!(
        moved.contains("bucket 100 from shard 1 to 0, at cut_over: Completed"),
        "{moved}"
    );
    let map = load_map(&store.primary).await.unwrap().unwrap();
    let counts: Vec<usize> = (0..5).map(|shard| map.buckets_of(shard).count()).collect();
    assert_eq!(counts.iter().sum::<usize>(), 256);
    assert!(
        counts.iter().all(|count| [51, 52].contains(count)),
        "{counts:?}"
    );
    let orders = PgOrders::open(&store.primary, shards).await.unwrap();
    let totals = orders.totals(&OrderFilter::default()).await.unwrap();
    assert_eq!((totals.value.count, totals.is_partial()), (1_000, false));
    assert_eq!(run(&["rebalance"]).await, "nothing to move\n");
    let back = run(&["rebalance", "--bucket", "0", "--to", "1"]).await;
    assert!(back.contains("bucket 0: shard 0 → 1"), "{back}");
}
