//! Moves of a bucket while customers order: no order is lost, none is there twice.

use std::sync::Arc;
use std::time::Duration;

use ch02_database::contract::order_journal::{OrderComparison, OrderJournal};
use ch02_database::sharding::rebalance::{MoveError, MoveLimits, Mover, NaiveMove};
use ch02_database::sharding::{Bucket, ShardId, bucket_of_customer, load_map};
use ch02_database::{Orders, PgOrders};

use crate::bucket_mover::{count_misplaced, place};
use crate::support::{Store, poll_until, within_limit};

/// Small batches, and no hurry: a test must not fail because the machine is busy.
pub const LIMITS: MoveLimits = MoveLimits {
    batch: 20,
    changes_in_block: 50,
    passes: 100,
    lock_timeout: Duration::from_millis(300),
    lock_attempts: 100,
    lock_pause: Duration::from_millis(20),
    block: Duration::from_secs(20),
};

pub fn mover(store: &Store, limits: MoveLimits) -> Mover {
    Mover::new(store.primary.clone(), store.shards.clone(), limits)
}

/// Customers of one bucket.
pub fn customers_of(bucket: Bucket) -> Vec<String> {
    let names = (0..).map(|n| format!("customer-{n}"));
    let own = names.filter(|name| bucket_of_customer(name) == bucket);
    own.take(4).collect()
}

/// Gives the bucket more orders, so that its copy takes several batches.
pub async fn add_orders(store: &Store, bucket: Bucket, count: i32) {
    let map = load_map(&store.primary).await.unwrap().unwrap();
    sqlx::query(
        "INSERT INTO orders (id, customer, game_id, quantity, total_cents, created_at) \
         SELECT (10 + n) * 256 + $1, $2, 7, 1, 1999, now() FROM generate_series(1, $3) AS n",
    )
    .bind(i32::from(bucket))
    .bind(&customers_of(bucket)[0])
    .bind(count)
    .execute(&store.shards[map.owner(bucket)])
    .await
    .unwrap();
}

/// Lets all orders of a bucket change just before a move begins to catch up.
pub async fn change_orders_during_moves(store: &Store) {
    for shard in &store.shards {
        let trigger = "CREATE FUNCTION change_orders() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 UPDATE orders SET quantity = quantity + 1 WHERE bucket = NEW.bucket; \
                 RETURN NULL; END $$; \
             CREATE TRIGGER change_orders AFTER UPDATE ON bucket_moves \
                 FOR EACH ROW WHEN (NEW.step = 'catching_up') EXECUTE FUNCTION change_orders()";
        sqlx::raw_sql(trigger).execute(shard).await.unwrap();
    }
}

/// The number of a bucket's orders on all shards, and the sum of their quantities.
pub async fn total_quantity(store: &Store, bucket: Bucket) -> (i64, i64) {
    let mut total = (0, 0);
    for shard in &store.shards {
        let sql =
            "SELECT count(*), coalesce(sum(quantity), 0)::bigint FROM orders WHERE bucket = $1";
        let query = sqlx::query_as(sql).bind(i32::from(bucket));
        let (orders, quantity): (i64, i64) = query.fetch_one(shard).await.unwrap();
        total = (total.0 + orders, total.1 + quantity);
    }
    total
}

pub async fn owner(store: &Store, bucket: Bucket) -> ShardId {
    load_map(&store.primary)
        .await
        .unwrap()
        .unwrap()
        .owner(bucket)
}

/// Waits until no shard holds the lock of the bucket's mover. A busy server notices late that a
/// killed mover has closed its connection, and until then other movers do not touch its move.
pub async fn wait_for_dead_mover(store: &Store, bucket: Bucket) {
    // The first number of the advisory lock is that of `source.rs`.
    let held = "SELECT count(*) FROM pg_locks \
             WHERE locktype = 'advisory' AND classid = 21321 AND objid = $1 \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    for shard in &store.shards {
        poll_until("the killed mover's lock is released", async || {
            let query = sqlx::query_scalar(held).bind(i32::from(bucket));
            let count: i64 = query.fetch_one(shard).await.unwrap();
            (count == 0).then_some(())
        })
        .await;
    }
}

/// Nothing of the bucket is on a shard that does not own it, and no move is open.
pub async fn assert_no_remains(store: &Store, bucket: Bucket) {
    let owner = owner(store, bucket).await;
    for (number, shard) in store.shards.iter().enumerate() {
        let remains: (i64, i64, i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM orders WHERE bucket = $1 AND NOT $2), \
                 (SELECT count(*) FROM buckets WHERE bucket = $1 AND (NOT $2 OR is_recorded)), \
                 (SELECT count(*) FROM bucket_moves), (SELECT count(*) FROM order_changes)",
        )
        .bind(i32::from(bucket))
        .bind(number == owner)
        .fetch_one(shard)
        .await
        .unwrap();
        assert_eq!(
            remains,
            (0, 0, 0, 0),
            "shard {number} has orders, rows of the bucket, moves or changes that remain"
        );
    }
}

#[tokio::test]
async fn move_under_writes_loses_no_order() {
    const BUCKET: Bucket = 30;
    let store = Store::filled().await;
    add_orders(&store, BUCKET, 400).await;
    // This clone does not order during the moves, so its map becomes stale.
    let stale_clone = store.pg_orders().await;
    let clones = [
        Arc::new(store.pg_orders().await),
        Arc::new(store.pg_orders().await),
    ];
    let customers = customers_of(BUCKET);
    for is_naive in [false, true] {
        let journal = OrderJournal::new();
        let mut clients = journal.start_clients(3, &clones[0], &customers, Duration::ZERO);
        clients.extend(journal.start_clients(2, &clones[1], &customers, Duration::ZERO));
        clients.extend(journal.start_clients(
            2,
            &clones[1],
            &customers_of(BUCKET + 1),
            Duration::ZERO,
        ));
        let moves = [1, 2].map(|to| (to, is_naive));
        for (to, is_naive) in moves {
            move_under_writes(&store, &journal, BUCKET, to, is_naive).await;
        }
        wait_for_orders(&journal, BUCKET).await;
        within_limit(journal.stop(clients)).await;

        let compared = journal.compare(&store.shards).await.unwrap();
        if is_naive {
            assert!(
                compared.lost > 0,
                "the naive move lost nothing: {compared:?}"
            );
            continue;
        }
        let OrderComparison {
            lost, duplicated, ..
        } = compared;
        assert_eq!((lost, duplicated), (0, 0), "{compared:?}");
        assert_eq!(journal.failed_attempts(), 0, "customers got errors");
        assert_no_remains(&store, BUCKET).await;
        assert_eq!(stale_clone.shard_of_customer(&customers[0]), 0);
        place(&stale_clone, &customers[0], "stale").await;
        assert_eq!(stale_clone.shard_of_customer(&customers[0]), 2);
        assert_eq!(count_misplaced(&store).await, 0);
        mover(&store, LIMITS)
            .move_bucket(BUCKET, 0, |_| ())
            .await
            .unwrap();
    }
}

async fn move_under_writes(
    store: &Store,
    journal: &OrderJournal,
    bucket: Bucket,
    to: ShardId,
    is_naive: bool,
) {
    let mover = mover(store, LIMITS);
    wait_for_orders(journal, bucket).await;
    if is_naive {
        let copied = NaiveMove::copy(&mover, bucket, to).await.unwrap();
        wait_for_orders(journal, bucket).await;
        copied.switch().await.unwrap();
    } else {
        let before = journal.count(bucket);
        let report = within_limit(mover.move_bucket(bucket, to, |_| ()))
            .await
            .unwrap();
        assert!(report.copied >= 400, "{report:?}");
        assert!(
            report.changes > 0 && journal.count(bucket) > before,
            "no order arrived during the move, so it proves nothing: {report:?}"
        );
    }
    assert_eq!(owner(store, bucket).await, to);
}

/// Waits until some more orders of the bucket are confirmed.
async fn wait_for_orders(journal: &OrderJournal, bucket: Bucket) {
    let wanted = journal.count(bucket) + 10;
    poll_until("customers order", async || {
        (journal.count(bucket) >= wanted).then_some(())
    })
    .await;
}

#[tokio::test]
async fn impossible_moves_are_refused() {
    let store = Store::filled().await;
    let mover = mover(&store, LIMITS);
    let refused = async |bucket, to| mover.move_bucket(bucket, to, |_| ()).await.unwrap_err();
    assert!(matches!(
        refused(7, 0).await,
        MoveError::AlreadyThere { .. }
    ));
    assert!(matches!(
        refused(7, 4).await,
        MoveError::UnknownShard { .. }
    ));
    // Two addresses of one database: it already has the bucket.
    let doubled = vec![store.shards[0].clone(), store.shards[0].clone()];
    let doubled = Mover::new(store.primary.clone(), doubled, LIMITS);
    let error = doubled.move_bucket(7, 1, |_| ()).await.unwrap_err();
    assert!(
        matches!(error, MoveError::TargetHasBucket { .. }),
        "{error}"
    );
    sqlx::query("UPDATE buckets SET state = 'moved', epoch = 2 WHERE bucket = 7")
        .execute(&store.shards[0])
        .await
        .unwrap();
    assert!(matches!(refused(7, 1).await, MoveError::NotOwned { .. }));
    let orders: PgOrders = store.pg_orders().await;
    assert_eq!(orders.count_by_shard().await.unwrap().len(), 4);
}
