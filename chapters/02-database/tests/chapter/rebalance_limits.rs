//! What a move does about long transactions, a fast stream of orders, other movers, a wrong copy.

use std::sync::mpsc;
use std::time::Duration;

use ch02_database::Orders;
use ch02_database::contract::order_journal::OrderJournal;
use ch02_database::sharding::Bucket;
use ch02_database::sharding::rebalance::{MoveError, MoveLimits, MoveReport, Mover};
use parking_lot::Mutex;
use sqlx::{Executor, PgConnection, PgPool};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

use crate::bucket_mover::{new_order, place};
use crate::rebalance::{
    LIMITS, add_orders, assert_no_remains, change_orders_during_moves, customers_of, mover, owner,
};
use crate::support::{DEADLINE, Store, poll_until, within_limit};

/// A fail point at which a mover waits. It blocks a thread, so the runtime needs several.
pub struct PausePoint {
    reached: UnboundedReceiver<()>,
    proceed: mpsc::Sender<()>,
}

impl PausePoint {
    pub fn set(bucket: Bucket, step: &str) -> PausePoint {
        let (reached_sender, reached) = unbounded_channel();
        let (proceed, proceed_receiver) = mpsc::channel();
        let proceed_receiver = Mutex::new(proceed_receiver);
        fail::cfg_callback(format!("move-of-bucket-{bucket}-{step}"), move || {
            let _ = reached_sender.send(());
            // After `proceed`, the sender is gone and nothing waits any more.
            let wait = || proceed_receiver.lock().recv_timeout(DEADLINE);
            let _ = tokio::task::block_in_place(wait);
        })
        .unwrap();
        PausePoint { reached, proceed }
    }

    pub async fn reached(&mut self) {
        within_limit(self.reached.recv()).await.unwrap();
    }

    pub fn proceed(self) {
        let _ = self.proceed.send(());
    }
}

pub fn start_move(mover: Mover, bucket: Bucket) -> JoinHandle<Result<MoveReport, MoveError>> {
    tokio::spawn(async move { mover.move_bucket(bucket, 1, |_| ()).await })
}

/// An order without the gate and without an order's usual transaction.
fn raw_order(bucket: Bucket, sequence: i64) -> String {
    let (id, customer) = (sequence * 256 + i64::from(bucket), &customers_of(bucket)[0]);
    format!(
        "INSERT INTO orders (id, customer, game_id, quantity, total_cents, created_at) \
         VALUES ({id}, '{customer}', 7, 1, 1, now())"
    )
}

/// A transaction that stays open. Its connection does not belong to the pool any more.
async fn begin(shard: &PgPool, sql: &str) -> PgConnection {
    let mut connection = shard.acquire().await.unwrap().detach();
    let begin = sqlx::AssertSqlSafe(format!("BEGIN; {sql}"));
    connection.execute(begin).await.unwrap();
    connection
}

async fn wait_until_mover_waits(shard: &PgPool) {
    poll_until("the mover waits for a transaction", async || {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
             AND wait_event_type = 'Lock' AND query LIKE 'SELECT next FROM buckets%'",
        )
        .fetch_one(shard)
        .await
        .unwrap();
        (waiting > 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transaction_across_the_cut_over_is_kept() {
    const BUCKET: Bucket = 60;
    let store = Store::filled().await;
    let orders = store.pg_orders().await;
    let (journal, customer) = (OrderJournal::new(), &customers_of(BUCKET)[0]);
    let before = place(&orders, customer, "before").await;
    let mut pause = PausePoint::set(BUCKET, "copied");
    let limits = MoveLimits {
        // The later number is applied before the move waits for the transaction.
        changes_in_block: 0,
        lock_pause: Duration::from_millis(200),
        ..LIMITS
    };
    let moving = start_move(mover(&store, limits), BUCKET);
    pause.reached().await;
    let source = &store.shards[0];
    // It takes the first numbers of the log, and commits after a later one.
    let change = format!("UPDATE orders SET quantity = 77 WHERE id = {}", before.id);
    let mut long = begin(source, &format!("{}; {change}", raw_order(BUCKET, 900))).await;
    let set_level = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ";
    let read = "SELECT count(*) FROM orders";
    let mut old_snapshot = begin(source, &format!("{set_level}; {read}")).await;
    let mut idle = begin(source, read).await;
    journal.place(&orders, customer).await;
    pause.proceed();

    wait_until_mover_waits(source).await;
    // The customers of the bucket order although the transaction is open.
    within_limit(journal.place(&orders, customer)).await;
    long.execute("COMMIT").await.unwrap();
    within_limit(moving).await.unwrap().unwrap();

    let moved = orders.get(900 * 256 + i64::from(BUCKET)).await.unwrap();
    assert!(moved.is_some(), "the order of the long transaction is lost");
    let changed = orders.get(before.id).await.unwrap().unwrap();
    assert_eq!(
        changed.quantity, 77,
        "the change of the long transaction is lost"
    );
    for late in [&mut old_snapshot, &mut idle] {
        let insert = sqlx::AssertSqlSafe(raw_order(BUCKET, 901));
        let refused = late.execute(insert).await;
        assert!(
            refused.is_err(),
            "the old shard took an order after the move"
        );
    }
    let compared = journal.compare(&store.shards).await.unwrap();
    assert_eq!((compared.lost, compared.duplicated), (0, 0), "{compared:?}");
    drop((old_snapshot, idle));
    assert_no_remains(&store, BUCKET).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn move_gives_up_behind_a_long_transaction() {
    const BUCKET: Bucket = 61;
    let store = Store::filled().await;
    let orders = store.pg_orders().await;
    let limits = MoveLimits {
        lock_timeout: Duration::from_millis(50),
        lock_attempts: 2,
        ..LIMITS
    };
    // Open before the move begins, and open before its cut-over.
    for step in [None, Some("caught-up")] {
        let mut pause = step.map(|step| PausePoint::set(BUCKET, step));
        // The database locks the bucket for an INSERT anyway, because of the foreign key.
        let change = format!("UPDATE orders SET quantity = 77 WHERE bucket = {BUCKET}");
        let change = async || begin(&store.shards[0], &change).await;
        let early = if step.is_none() {
            Some(change().await)
        } else {
            None
        };
        let moving = start_move(mover(&store, limits), BUCKET);
        let late = if let Some(mut pause) = pause.take() {
            pause.reached().await;
            let late = change().await;
            pause.proceed();
            Some(late)
        } else {
            None
        };
        let error = within_limit(moving).await.unwrap().unwrap_err();
        let is_expected = matches!(error, MoveError::LongTransaction { attempts: 2, .. });
        assert!(is_expected, "{error}");
        place(&orders, &customers_of(BUCKET)[0], step.unwrap_or("early")).await;
        for mut long in [early, late].into_iter().flatten() {
            long.execute("ROLLBACK").await.unwrap();
        }
        assert_eq!(owner(&store, BUCKET).await, 0);
        assert_no_remains(&store, BUCKET).await;
    }
}

#[tokio::test]
async fn move_that_cannot_follow_gives_up_early() {
    const BUCKET: Bucket = 62;
    let store = Store::filled().await;
    add_orders(&store, BUCKET, 10).await;
    change_orders_during_moves(&store).await;
    // For each change that the move applies, a new one arrives.
    store.shards[0]
        .execute(
            "CREATE FUNCTION change_again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 INSERT INTO order_changes (bucket, order_id) SELECT bucket, order_id \
                 FROM applied JOIN buckets USING (bucket) WHERE is_recorded; RETURN NULL; END $$; \
             CREATE TRIGGER change_again AFTER DELETE ON order_changes \
                 REFERENCING OLD TABLE AS applied \
                 FOR EACH STATEMENT EXECUTE FUNCTION change_again()",
        )
        .await
        .unwrap();
    let limits = MoveLimits {
        changes_in_block: 5,
        passes: 3,
        ..LIMITS
    };
    // If the move blocked the bucket, the error would be another one.
    fail::cfg(format!("move-of-bucket-{BUCKET}-blocked"), "return").unwrap();
    let error = mover(&store, limits).move_bucket(BUCKET, 1, |_| ()).await;
    let is_expected = matches!(error, Err(MoveError::TooFarBehind { passes: 3, .. }));
    assert!(is_expected, "{error:?}");
    assert_eq!(owner(&store, BUCKET).await, 0);
    assert_no_remains(&store, BUCKET).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copy_that_differs_is_not_activated() {
    const BUCKET: Bucket = 63;
    let store = Store::filled().await;
    let orders = store.pg_orders().await;
    // Four differences: an order is missing, an order has another content, one is too many, also
    // after the last order of the old shard.
    let customer = &customers_of(BUCKET)[0];
    let order = place(&orders, customer, "key").await;
    let add = |sequence| {
        let order = raw_order(BUCKET, sequence);
        format!("SET sharding.bucket_state = 'incoming'; {order}; RESET sharding.bucket_state")
    };
    for damage in [
        add(900),
        add(2_000_000_000_000),
        format!("DELETE FROM orders WHERE id = {}", order.id),
        format!("UPDATE orders SET quantity = 9 WHERE id = {}", order.id),
    ] {
        let mut pause = PausePoint::set(BUCKET, "copied");
        let moving = start_move(mover(&store, LIMITS), BUCKET);
        pause.reached().await;
        let damage_sql = sqlx::raw_sql(sqlx::AssertSqlSafe(damage.clone()));
        damage_sql.execute(&store.shards[1]).await.unwrap();
        pause.proceed();
        let error = within_limit(moving).await.unwrap().unwrap_err();
        let is_expected = matches!(error, MoveError::Different { .. });
        assert!(is_expected, "{damage}: {error}");
        assert_eq!(owner(&store, BUCKET).await, 0);
        assert_no_remains(&store, BUCKET).await;
        orders.place(&new_order(customer, &damage)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn movers_of_one_bucket_exclude_each_other() {
    const BUCKET: Bucket = 58;
    let store = Store::filled().await;
    let mut pause = PausePoint::set(BUCKET, "copied");
    let moving = start_move(mover(&store, LIMITS), BUCKET);
    pause.reached().await;
    let second = mover(&store, LIMITS);
    let refused = second.move_bucket(BUCKET, 2, |_| ()).await.unwrap_err();
    assert!(matches!(refused, MoveError::Busy(BUCKET)), "{refused}");
    let settled = second.settle_all().await.unwrap();
    assert_eq!(settled, [], "a move that runs was ended by another mover");
    // Moves of other buckets are not affected.
    second.move_bucket(BUCKET - 1, 2, |_| ()).await.unwrap();
    pause.proceed();
    within_limit(moving).await.unwrap().unwrap();
    assert_eq!(owner(&store, BUCKET).await, 1);
    assert_no_remains(&store, BUCKET).await;
}
