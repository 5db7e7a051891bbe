//! The rules that the databases of the shards keep by themselves, and the upgrade of an old store.

use ch02_database::model::PlaceOutcome;
use ch02_database::postgres::migrate;
use ch02_database::seed::seed_store;
use ch02_database::sharding::{
    BUCKETS, Owner, ShardId, bucket_of_customer, load_map, set_owner, time_of_order,
};
use ch02_database::{Orders, PgOrders};
use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use crate::bucket_mover::{move_bucket, new_order, other_shard, place};
use crate::support::{SEED_REQUEST, Store};

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
