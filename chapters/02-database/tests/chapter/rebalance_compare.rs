//! Both shards are compared: the bucket while customers order, and in the block only what changed.

use ch02_database::sharding::Bucket;
use ch02_database::sharding::rebalance::{MoveError, MoveLimits};
use sqlx::PgPool;

use crate::bucket_mover::place;
use crate::rebalance::{LIMITS, add_orders, assert_no_remains, customers_of, mover, owner};
use crate::rebalance_limits::{PausePoint, start_move};
use crate::support::{Store, within_limit};

async fn set_quantity(shard: &PgPool, id: i64, quantity: i32) {
    let sql = "UPDATE orders SET quantity = $2 WHERE id = $1";
    let update = sqlx::query(sql).bind(id).bind(quantity).execute(shard);
    assert_eq!(update.await.unwrap().rows_affected(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn block_compares_only_what_has_changed() {
    const BUCKET: Bucket = 51;
    let store = Store::filled().await;
    add_orders(&store, BUCKET, 400).await;
    let orders = store.pg_orders().await;
    // With 0, the changes are applied and compared again before the block.
    for (changes_in_block, expected) in [(50, 2), (0, 0)] {
        let mut pause = PausePoint::set(BUCKET, "comparing");
        let limits = MoveLimits {
            changes_in_block,
            ..LIMITS
        };
        let moving = start_move(mover(&store, limits), BUCKET);
        pause.reached().await;
        let order = place(&orders, &customers_of(BUCKET)[0], &expected.to_string()).await;
        set_quantity(&store.shards[0], 11 * 256 + i64::from(BUCKET), 5).await;
        pause.proceed();
        let report = within_limit(moving).await.unwrap().unwrap();
        assert!(report.copied >= 400 && report.changes == 2, "{report:?}");
        assert_eq!(
            report.checked_in_block, expected,
            "the pause grows with the bucket: {report:?}"
        );
        let moved = sqlx::query("SELECT FROM orders WHERE id = $1").bind(order.id);
        moved.fetch_one(&store.shards[1]).await.unwrap();
        let back = mover(&store, LIMITS).move_bucket(BUCKET, 0, |_| ()).await;
        back.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_change_is_found_in_the_block() {
    const BUCKET: Bucket = 52;
    let store = Store::filled().await;
    let orders = store.pg_orders().await;
    let order = place(&orders, &customers_of(BUCKET)[0], "key").await;
    // Applied before the block, or in it.
    for changes_in_block in [0, 50] {
        let mut before = PausePoint::set(BUCKET, "comparing");
        let mut in_block = PausePoint::set(BUCKET, "applied");
        let limits = MoveLimits {
            changes_in_block,
            ..LIMITS
        };
        let moving = start_move(mover(&store, limits), BUCKET);
        before.reached().await;
        let copied = &store.shards[1];
        if changes_in_block == 0 {
            // The copy of the change gets another content.
            sqlx::raw_sql(
                "CREATE FUNCTION damage() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                     NEW.quantity := NEW.quantity + 1; RETURN NEW; END $$; \
                 CREATE TRIGGER damage BEFORE INSERT ON orders \
                     FOR EACH ROW EXECUTE FUNCTION damage()",
            )
            .execute(copied)
            .await
            .unwrap();
        }
        set_quantity(&store.shards[0], order.id, 10 + changes_in_block as i32).await;
        before.proceed();
        if changes_in_block > 0 {
            in_block.reached().await;
            set_quantity(copied, order.id, 9).await;
        }
        in_block.proceed();
        let error = within_limit(moving).await.unwrap().unwrap_err();
        let is_expected = matches!(error, MoveError::Different { .. });
        assert!(is_expected, "{changes_in_block}: {error}");
        assert_eq!(owner(&store, BUCKET).await, 0);
        assert_no_remains(&store, BUCKET).await;
        if changes_in_block == 0 {
            let drop = "DROP FUNCTION damage() CASCADE";
            sqlx::raw_sql(drop).execute(copied).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mover_without_the_copy_cannot_write() {
    const BUCKET: Bucket = 53;
    let store = Store::filled().await;
    add_orders(&store, BUCKET, 10).await;
    // The first mover hangs with a batch in its hands, and its connection is lost.
    let mut hanging = PausePoint::set(BUCKET, "read");
    let first = start_move(mover(&store, LIMITS), BUCKET);
    hanging.reached().await;
    fail::remove(format!("move-of-bucket-{BUCKET}-read"));
    let source = &store.shards[0];
    sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_locks \
         WHERE locktype = 'advisory' AND objid = $1 AND granted \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    .bind(i32::from(BUCKET))
    .execute(source)
    .await
    .unwrap();
    // The second mover continues the move with newer orders.
    let id = 11 * 256 + i64::from(BUCKET);
    set_quantity(source, id, 5).await;
    let mut compared = PausePoint::set(BUCKET, "comparing");
    let limits = MoveLimits {
        // The newer orders are applied before the comparison, and not again after it.
        changes_in_block: 0,
        ..LIMITS
    };
    let second = start_move(mover(&store, limits), BUCKET);
    compared.reached().await;
    hanging.proceed();
    let error = within_limit(first).await.unwrap().unwrap_err();
    assert!(matches!(error, MoveError::Interrupted { .. }), "{error}");
    compared.proceed();
    within_limit(second).await.unwrap().unwrap();
    let sql = "SELECT quantity FROM orders WHERE id = $1";
    let quantity = sqlx::query_scalar(sql).bind(id).fetch_one(&store.shards[1]);
    let quantity: i32 = quantity.await.unwrap();
    assert_eq!(
        quantity, 5,
        "an old mover has written to the copy of another"
    );
    assert_no_remains(&store, BUCKET).await;
}
