//! The shard map with its epochs: a stale clone is refused, and nothing is ever misplaced.

use std::time::Duration;

use ch02_database::model::{NewOrder, Order, PlaceOutcome};
use ch02_database::orders::OrderFilter;
use ch02_database::postgres::migrate;
use ch02_database::seed::generator::Generator;
use ch02_database::seed::seed_store;
use ch02_database::sharding::{
    BUCKETS, Bucket, Owner, ShardId, bucket_of_customer, bucket_of_order, close_gate, load_map,
    open_gate, set_owner, time_of_order,
};
use ch02_database::{Naive, Orders, PgOrders};
use futures_util::future::join_all;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{PgConnection, PgPool, SqlSafeStr};

use crate::support::{GAMES, SEED_REQUEST, Store, poll_until, within_limit};

#[tokio::test]
async fn clone_with_stale_map_finds_moved_orders() {
    let store = Store::filled().await;
    let clone = store.pg_orders().await;
    let before = place(&clone, "ada", "before").await;
    let bucket = bucket_of_customer("ada");
    let to = other_shard(clone.shard_of_customer("ada"));

    move_bucket(&store, bucket, to).await;

    // Three clones with a stale map: each sends another first request.
    let (reader, other_clone) = (store.pg_orders().await, store.pg_orders().await);
    move_bucket(&store, bucket, other_shard(to)).await;
    move_bucket(&store, bucket, to).await;
    assert_eq!(
        reader.get(before.id).await.unwrap().as_ref(),
        Some(&before),
        "a clone with a stale map does not find an order by its id"
    );
    let listed = other_clone.list_by_customer("ada", None, 10).await.unwrap();
    assert_eq!(listed, std::slice::from_ref(&before), "stale list");
    let after = place(&clone, "ada", "after").await;
    assert_eq!(
        clone.shard_of_customer("ada"),
        to,
        "the map was not read again"
    );
    assert!(after.id > before.id, "the sequence did not move along");
    let again = clone.place(&new_order("ada", "before")).await.unwrap();
    assert_eq!(
        again,
        PlaceOutcome::AlreadyPlaced(before),
        "the idempotency key did not move along"
    );
    assert_eq!(count_misplaced(&store).await, 0);
}

#[tokio::test]
async fn naive_clone_without_epoch_misplaces_orders() {
    let store = Store::filled().await;
    let open = async |naive: &[Naive]| {
        let orders = PgOrders::open_naive(&store.primary, store.shards.clone(), naive).await;
        orders.unwrap()
    };
    for (naive, is_wrong) in [(&[Naive::MapEpoch][..], true), (&[], false)] {
        let customer = if is_wrong { "ada" } else { "grace" };
        let (clone, other_clone) = (open(naive).await, open(&[]).await);
        let to = other_shard(clone.shard_of_customer(customer));
        move_bucket(&store, bucket_of_customer(customer), to).await;
        let order = place(&other_clone, customer, "key").await;
        let read = clone.get(order.id).await.unwrap();
        assert_eq!(read != Some(order), is_wrong, "{naive:?}: {read:?}");
        let order = place(&clone, customer, "second key").await;
        let read = other_clone.get(order.id).await.unwrap();
        assert_eq!(read != Some(order), is_wrong, "{naive:?}: {read:?}");
        assert_eq!(
            count_misplaced(&store).await,
            i64::from(is_wrong),
            "{naive:?}: orders that their customer does not find"
        );
        sqlx::query("DELETE FROM orders WHERE customer = 'ada'")
            .execute(&store.shards[clone.shard_of_customer("ada")])
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn one_more_shard_loses_no_order() {
    let store = Store::filled().await;
    let fifth = testbed::postgres().await.unwrap();
    let mut five = store.shards.clone();
    five.push(ch02_database::postgres::connect(&fifth.url()).unwrap());
    migrate(&store.primary, &five).await.unwrap();
    seed_store(&store.primary, &five, SEED_REQUEST, |_, _| ())
        .await
        .expect("the fifth database must become a shard without buckets");
    for (naive, is_wrong) in [(&[][..], false), (&[Naive::ModuloSharding], true)] {
        // The naive store of four shards has its orders where `bucket % 4` says.
        if is_wrong {
            place_by_modulo(&store).await;
        }
        let orders = PgOrders::open_naive(&store.primary, five.clone(), naive).await;
        let found = join_all((1..=200).map(|id| orders.as_ref().unwrap().get(id))).await;
        let lost = found
            .into_iter()
            .filter(|order| order.as_ref().unwrap().is_none());
        let lost = lost.count();
        assert_eq!(
            (120..=190).contains(&lost),
            is_wrong,
            "{naive:?}: {lost} of 200 orders are not found after a fifth shard"
        );
        assert!(is_wrong || lost == 0, "{lost} orders are not found");
    }
}

#[tokio::test]
async fn closed_gate_holds_back_one_bucket_only() {
    let store = Store::filled().await;
    let orders = store.pg_orders().await;
    let bucket = bucket_of_customer("ada");
    let from = orders.shard_of_customer("ada");
    let neighbour = neighbour_of("ada", &orders);
    let mut mover = store.shards[from].acquire().await.unwrap().detach();
    close_gate(&mut mover, bucket).await.unwrap();

    let keys: Vec<String> = (0..30).map(|n| n.to_string()).collect();
    let blocked = join_all(keys.iter().map(|key| place(&orders, "ada", key)));
    let moving = async {
        // More writers wait than the pool has connections, and another bucket is not disturbed.
        poll_until("a writer waits at the gate", async || {
            let waiting: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            )
            .fetch_one(&mut mover)
            .await
            .unwrap();
            assert!(waiting <= 1, "{waiting} connections wait for one bucket");
            (waiting == 1).then_some(())
        })
        .await;
        for key in &keys {
            let placed =
                tokio::time::timeout(Duration::from_secs(2), place(&orders, &neighbour, key));
            placed.await.expect("the gate of one bucket stops another");
        }
        let listed = orders.list_by_customer("ada", None, 100).await.unwrap();
        assert_eq!(listed, [], "a write has passed the closed gate");
        move_rows(&store, bucket, other_shard(from)).await;
        open_gate(&mut mover, bucket).await.unwrap();
    };
    let (placed, ()) = within_limit(async { tokio::join!(blocked, moving) }).await;

    let listed = orders.list_by_customer("ada", None, 100).await.unwrap();
    assert_eq!(listed.len(), placed.len(), "an order is lost or duplicated");
    assert_eq!(count_misplaced(&store).await, 0);
}

#[tokio::test]
async fn totals_are_exact_while_buckets_move() {
    let store = Store::filled().await;
    let orders = store.pg_orders().await;
    let moves = async {
        for bucket in 0..10 {
            move_bucket(&store, bucket, usize::from(bucket) % 3 + 1).await;
        }
    };
    tokio::pin!(moves);
    let (all, mut counted) = (OrderFilter::default(), 0);
    loop {
        tokio::select! {
            () = &mut moves => break,
            totals = orders.totals(&all) => {
                let totals = totals.unwrap();
                // Between two steps of a move, no shard owns the bucket.
                assert!(totals.is_partial() || totals.value.count == 1_000, "{totals:?}");
                counted += 1;
            }
        }
    }
    assert!(counted > 0, "no count ran during the moves");
    let totals = orders.totals(&all).await.unwrap();
    assert_eq!((totals.value.count, totals.is_partial()), (1_000, false));
}

#[tokio::test]
async fn database_refuses_misplaced_orders() {
    let store = Store::filled().await;
    let orders = store.pg_orders().await;
    let bucket = bucket_of_customer("ada");
    let owner = orders.shard_of_customer("ada");
    let insert = async |shard: ShardId, customer: &str| {
        let id = i64::from(BUCKETS) * 1_000 + i64::from(bucket);
        sqlx::query("INSERT INTO orders VALUES ($1, DEFAULT, $2, 7, 1, 1, now(), NULL)")
            .bind(id)
            .bind(customer)
            .execute(&store.shards[shard])
            .await
            .map_err(|error| error.to_string())
    };
    let other = other_shard(owner);
    let cases = [
        (owner, "grace", "order_is_in_its_customers_bucket"),
        (other, "ada", "foreign key"),
    ];
    for (shard, customer, expected) in cases {
        let refused = insert(shard, customer).await.unwrap_err();
        assert!(refused.contains(expected), "{expected}: {refused}");
    }
    move_bucket(&store, bucket, other).await;
    let refused = insert(owner, "ada").await.unwrap_err();
    assert!(refused.contains("is not active on this shard"), "{refused}");
    insert(other, "ada")
        .await
        .expect("the owner takes the order");
}

#[tokio::test]
async fn ids_ascend_when_shard_clock_steps_back() {
    let store = Store::filled().await;
    let orders = store.pg_orders().await;
    let shard = &store.shards[orders.shard_of_customer("ada")];
    let first = place(&orders, "ada", "first").await;
    let in_id = time_of_order(first.id).unwrap();
    let difference = first.created_at - in_id;
    assert!(
        (0..5_000).contains(&difference.num_milliseconds()),
        "order {first:?} has the time {in_id} in its id"
    );
    let five_seconds_back = "ALTER FUNCTION order_clock RENAME TO right_clock; \
         CREATE FUNCTION order_clock() RETURNS bigint LANGUAGE sql VOLATILE \
         AS 'SELECT right_clock() - 5 * 16000'";
    sqlx::raw_sql(five_seconds_back)
        .execute(shard)
        .await
        .unwrap();
    let mut last = first.id;
    for key in 0..20 {
        let id = place(&orders, "ada", &key.to_string()).await.id;
        assert!(id > last, "the id {id} after {last} is not greater");
        last = id;
    }
}

#[tokio::test]
async fn epoch_of_a_bucket_only_grows() {
    let store = Store::filled().await;
    let map = load_map(&store.primary).await.unwrap().unwrap();
    assert_eq!((map.epoch(), map.shards()), (1, 4));
    let late = Owner { shard: 3, epoch: 1 };
    let refused = set_owner(&store.primary, 7, late).await.unwrap_err();
    assert!(refused.to_string().contains("epoch"), "{refused}");
    let next = Owner { shard: 3, epoch: 2 };
    set_owner(&store.primary, 7, next).await.unwrap();
    let map = load_map(&store.primary).await.unwrap().unwrap();
    assert_eq!((map.entry(7), map.epoch()), (next, 2));
    assert_eq!(map.entry(8).epoch, 1, "a move changes only its own bucket");
}

#[tokio::test]
async fn million_customers_have_one_bucket_everywhere() {
    const CUSTOMERS: i64 = 1_000_000;
    let store = Store::filled().await;
    let map = load_map(&store.primary).await.unwrap().unwrap();
    let name = |n: i64| format!("käufer-{n}");
    // A weighted sum finds every difference that a few wrong buckets would cause.
    let weighted = (1..=CUSTOMERS).map(|n| (n % 1_009) * i64::from(bucket_of_customer(&name(n))));
    let in_database: i64 = {
        let mut connection = store.shards[0].acquire().await.unwrap();
        let sql = "SELECT sum(n % 1009 * bucket_of_customer('käufer-' || n))::bigint \
             FROM generate_series(1, $1) AS n";
        sqlx::query("SET statement_timeout = 0")
            .execute(&mut *connection)
            .await
            .unwrap();
        sqlx::query_scalar(sql)
            .bind(CUSTOMERS)
            .fetch_one(&mut *connection)
            .await
            .unwrap()
    };
    assert_eq!(
        in_database,
        weighted.sum::<i64>(),
        "the database has another rule"
    );
    let mut per_shard = [0_i64; 4];
    for n in 1..=CUSTOMERS {
        per_shard[map.owner(bucket_of_customer(&name(n)))] += 1;
    }
    let balanced = CUSTOMERS / 4 * 97 / 100..CUSTOMERS / 4 * 103 / 100;
    assert!(
        per_shard.iter().all(|count| balanced.contains(count)),
        "{per_shard:?}"
    );
}

#[tokio::test]
async fn store_of_the_first_version_is_upgraded() {
    let store = Store::empty().await;
    for (pool, table, sql) in [
        (
            &store.primary,
            "catalog_migrations",
            include_str!("../../migrations/catalog/0001_games_and_reviews.sql"),
        ),
        (
            &store.shards[0],
            "shard_migrations",
            include_str!("../../migrations/shard/0001_orders.sql"),
        ),
    ] {
        let name = if table == "shard_migrations" {
            "orders"
        } else {
            "games and reviews"
        };
        let kind = MigrationType::Simple;
        let first = Migration::new(1, name.into(), kind, sql.into_sql_str(), false);
        let mut migrator = Migrator::with_migrations(vec![first]);
        migrator.dangerous_set_table_name(table);
        migrator.run(pool).await.unwrap();
    }
    let old_order = i64::from(BUCKETS) * 4 + i64::from(bucket_of_customer("ada"));
    let old_rows = format!(
        "INSERT INTO bucket_sequences SELECT n, 5 FROM generate_series(0, 255) AS n; \
         INSERT INTO orders VALUES ({old_order}, DEFAULT, 'ada', 7, 2, 2, now(), 'old key')"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(old_rows))
        .execute(&store.shards[0])
        .await
        .unwrap();
    let games = "INSERT INTO games SELECT n, n, n, '', '', '', '', '', now(), n, '{}', '', now() \
         FROM generate_series(1, 60) AS n";
    sqlx::query(games).execute(&store.primary).await.unwrap();
    let parameters = "INSERT INTO meta VALUES ('games', '60'), ('seed', '42'), ('shards', '1')";
    sqlx::query(parameters)
        .execute(&store.primary)
        .await
        .unwrap();

    let shards = vec![store.shards[0].clone()];
    migrate(&store.primary, &shards).await.unwrap();
    seed_store(&store.primary, &shards, SEED_REQUEST, |_, _| ())
        .await
        .unwrap();

    let orders = PgOrders::open(&store.primary, shards).await.unwrap();
    let old = orders
        .get(old_order)
        .await
        .unwrap()
        .expect("the old order is lost");
    let again = orders.place(&new_order("ada", "old key")).await.unwrap();
    assert_eq!(again, PlaceOutcome::AlreadyPlaced(old));
    let new = place(&orders, "ada", "new key").await;
    assert!(new.id > old_order, "{new:?} sorts before the old order");
}

async fn place(orders: &PgOrders, customer: &str, key: &str) -> Order {
    match orders.place(&new_order(customer, key)).await.unwrap() {
        PlaceOutcome::Created(order) => order,
        other => panic!("expected a new order of {customer}, got {other:?}"),
    }
}

fn new_order(customer: &str, key: &str) -> NewOrder {
    NewOrder {
        customer: customer.to_owned(),
        game_id: 7,
        quantity: 2,
        unit_price_cents: 1_999,
        idempotency_key: key.to_owned(),
    }
}

fn other_shard(shard: ShardId) -> ShardId {
    (shard + 1) % 4
}

/// A customer of another bucket on the same shard.
fn neighbour_of(customer: &str, orders: &PgOrders) -> String {
    let is_neighbour = |name: &&String| {
        orders.shard_of_customer(name) == orders.shard_of_customer(customer)
            && bucket_of_customer(name) != bucket_of_customer(customer)
    };
    Generator::new(42)
        .customers()
        .iter()
        .find(is_neighbour)
        .unwrap()
        .clone()
}

/// Moves a bucket while no clone writes to it.
async fn move_bucket(store: &Store, bucket: Bucket, to: ShardId) {
    let map = load_map(&store.primary).await.unwrap().unwrap();
    let mut mover = store.shards[map.owner(bucket)]
        .acquire()
        .await
        .unwrap()
        .detach();
    close_gate(&mut mover, bucket).await.unwrap();
    move_rows(store, bucket, to).await;
    open_gate(&mut mover, bucket).await.unwrap();
}

/// The part of a move that runs with the gate closed, without the copy in advance.
async fn move_rows(store: &Store, bucket: Bucket, to: ShardId) {
    let number = i32::from(bucket);
    let map = load_map(&store.primary).await.unwrap().unwrap();
    let (from, epoch) = (&store.shards[map.owner(bucket)], map.epoch() + 1);
    let next: i64 = sqlx::query_scalar(
        "UPDATE buckets SET state = 'moved', epoch = $2 WHERE bucket = $1 RETURNING next",
    )
    .bind(number)
    .bind(epoch)
    .fetch_one(from)
    .await
    .unwrap();
    let mut target = store.shards[to].acquire().await.unwrap();
    run(
        &mut target,
        "BEGIN; SET LOCAL sharding.bucket_state = 'incoming'",
    )
    .await;
    sqlx::query("DELETE FROM orders WHERE bucket = $1")
        .bind(number)
        .execute(&mut *target)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO buckets (bucket, next, state, epoch) VALUES ($1, $2, 'incoming', $3) \
         ON CONFLICT (bucket) DO UPDATE SET next = $2, state = 'incoming', epoch = $3",
    )
    .bind(number)
    .bind(next)
    .bind(epoch)
    .execute(&mut *target)
    .await
    .unwrap();
    // PostgreSQL reads and writes a whole row as one text.
    let rows: Vec<String> =
        sqlx::query_scalar("SELECT to_jsonb(orders)::text FROM orders WHERE bucket = $1")
            .bind(number)
            .fetch_all(from)
            .await
            .unwrap();
    for row in rows {
        let insert = "INSERT INTO orders (id, customer, game_id, quantity, total_cents, \
             created_at, idempotency_key) SELECT id, customer, game_id, quantity, total_cents, \
             created_at, idempotency_key FROM jsonb_populate_record(NULL::orders, $1::jsonb)";
        sqlx::query(insert)
            .bind(row)
            .execute(&mut *target)
            .await
            .unwrap();
    }
    sqlx::query("UPDATE buckets SET state = 'active' WHERE bucket = $1")
        .bind(number)
        .execute(&mut *target)
        .await
        .unwrap();
    run(&mut target, "COMMIT").await;
    let owner = Owner { shard: to, epoch };
    set_owner(&store.primary, bucket, owner).await.unwrap();
}

async fn run(connection: &mut PgConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(connection).await.unwrap();
}

/// The orders in the shards that are newer than their bucket's move to another shard.
async fn count_misplaced(store: &Store) -> i64 {
    let mut misplaced = 0;
    let map = load_map(&store.primary).await.unwrap().unwrap();
    for (number, shard) in store.shards.iter().enumerate() {
        let rows: Vec<(i64, String, Option<String>)> =
            sqlx::query_as("SELECT id, customer, idempotency_key FROM orders")
                .fetch_all(shard)
                .await
                .unwrap();
        for (id, customer, key) in rows {
            assert_eq!(bucket_of_order(id), bucket_of_customer(&customer));
            let owner = map.owner(bucket_of_order(id));
            if owner != number && !contains(&store.shards[owner], id, key).await {
                misplaced += 1;
            }
        }
    }
    misplaced
}

async fn contains(shard: &PgPool, id: i64, key: Option<String>) -> bool {
    let sql = "SELECT EXISTS \
         (SELECT FROM orders WHERE id = $1 AND idempotency_key IS NOT DISTINCT FROM $2)";
    sqlx::query_scalar(sql)
        .bind(id)
        .bind(key)
        .fetch_one(shard)
        .await
        .unwrap()
}

/// Writes the first sample orders to four shards by `bucket % 4`, as a store without a map does.
async fn place_by_modulo(store: &Store) {
    let generator = Generator::new(42);
    for id in 1..=200 {
        let order = generator.order(id, GAMES);
        let bucket = bucket_of_order(id);
        let shard = &store.shards[usize::from(bucket) % 4];
        let sql = "INSERT INTO buckets (bucket, next) VALUES ($1, 0) ON CONFLICT DO NOTHING";
        sqlx::query(sql)
            .bind(i32::from(bucket))
            .execute(shard)
            .await
            .unwrap();
        let sql = "INSERT INTO orders VALUES ($1, DEFAULT, $2, 7, 1, 1, now(), NULL) \
             ON CONFLICT DO NOTHING";
        sqlx::query(sql)
            .bind(id)
            .bind(order.customer)
            .execute(shard)
            .await
            .unwrap();
    }
    // The orders of the map's places must not hide the loss.
    for (number, shard) in store.shards.iter().enumerate() {
        sqlx::query("DELETE FROM orders WHERE bucket % 4 <> $1")
            .bind(number as i32)
            .execute(shard)
            .await
            .unwrap();
    }
}
