//! A partitioned table over `postgres_fdw`: what its planner does, and what its commit does not do.

use ch02_database::Orders;
use ch02_database::model::PlaceOutcome;
use ch02_database::orders::engines::foreign_tables::{
    ForeignShard, create_coordinator, create_shard,
};
use ch02_database::postgres::{connect, plan_shape};
use sqlx::{Connection, Executor, PgConnection, PgPool};

use crate::bucket_mover::new_order;
use crate::support::Store;

const SHARDS: usize = 4;

/// Ends the connection of a transaction in the middle of its commit, as a crash does.
const DIE_AT_COMMIT: &str = "\
    CREATE FUNCTION die_at_commit() RETURNS trigger LANGUAGE plpgsql \
        AS 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'; \
    CREATE CONSTRAINT TRIGGER die_at_commit AFTER INSERT ON orders \
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die_at_commit()";

const LIVE_AGAIN: &str = "DROP TRIGGER die_at_commit ON orders; DROP FUNCTION die_at_commit";

/// A coordinator and its shards: databases on one server, which can reach each other.
struct Setup {
    url: String,
    coordinator: PgPool,
    shards: Vec<PgPool>,
    _databases: Vec<testbed::Postgres>,
}

impl Setup {
    /// With 40 customers of 50 orders each.
    async fn start() -> Setup {
        let mut databases = Vec::new();
        for _ in 0..=SHARDS {
            databases.push(testbed::postgres().await.unwrap());
        }
        let url = databases[0].url();
        let (coordinator, mut shards) = (connect(&url).unwrap(), Vec::new());
        let mut foreign = Vec::new();
        for database in &databases[1..] {
            let shard = connect(&database.url()).unwrap();
            create_shard(&shard).await.unwrap();
            shards.push(shard);
            let url = database.url();
            let (_, name) = url.rsplit_once('/').unwrap();
            foreign.push(ForeignShard {
                // The address inside of the server's container.
                host: "127.0.0.1".to_owned(),
                port: 5432,
                database: name.to_owned(),
                user: "workshop".to_owned(),
            });
        }
        create_coordinator(&coordinator, &foreign).await.unwrap();
        let fill = "INSERT INTO orders SELECT n, 'customer-' || n % 40, 7, 1, n, now(), NULL \
             FROM generate_series(1, 2000) AS n";
        coordinator.execute(fill).await.unwrap();
        for shard in &shards {
            shard.execute("ANALYZE orders").await.unwrap();
        }
        coordinator.execute("ANALYZE orders").await.unwrap();
        Setup {
            url,
            coordinator,
            shards,
            _databases: databases,
        }
    }

    /// One customer of each shard.
    async fn customers(&self) -> Vec<String> {
        let mut customers = Vec::new();
        for shard in &self.shards {
            let sql = "SELECT min(customer) FROM orders";
            customers.push(sqlx::query_scalar(sql).fetch_one(shard).await.unwrap());
        }
        customers
    }

    /// On how many shards an order has this key.
    async fn shards_with(&self, key: &str) -> usize {
        let mut found = 0;
        for shard in &self.shards {
            let sql = "SELECT count(*) FROM orders WHERE idempotency_key = $1";
            let query = sqlx::query_scalar::<_, i64>(sql).bind(key);
            found += query.fetch_one(shard).await.unwrap() as usize;
        }
        found
    }
}

#[tokio::test]
async fn planner_asks_only_the_needed_shards() {
    let setup = Setup::start().await;
    let mut db = PgConnection::connect(&setup.url).await.unwrap();
    db.execute("SET enable_partitionwise_aggregate = on")
        .await
        .unwrap();
    let mut shape = async |statement: &str| plan_shape(&mut db, statement).await.unwrap();

    let one = shape("SELECT * FROM orders WHERE customer = 'customer-7'").await;
    assert_eq!(one.matches("Foreign Scan").count(), 1, "{one}");
    insta::assert_snapshot!("orders_of_one_customer", one);
    let all = shape("SELECT * FROM orders WHERE game_id = 7").await;
    assert_eq!(all.matches("Foreign Scan").count(), SHARDS, "{all}");
    insta::assert_snapshot!("orders_of_one_game", all);
    let by_customer = shape("SELECT customer, count(*) FROM orders GROUP BY customer").await;
    insta::assert_snapshot!("count_by_customer", by_customer);
    let total = shape("SELECT count(*), sum(total_cents) FROM orders").await;
    insta::assert_snapshot!("count_of_all_orders", total);
}

#[tokio::test]
async fn unique_indexes_end_at_the_shard() {
    let setup = Setup::start().await;
    let index = "CREATE UNIQUE INDEX ON orders (customer, idempotency_key)";
    let refused = setup.coordinator.execute(index).await.unwrap_err();
    assert!(refused.to_string().contains("unique index"), "{refused}");

    let insert = async |customer: &str, key: &str| {
        sqlx::query("INSERT INTO orders VALUES (5000, $1, 7, 1, 1, now(), $2)")
            .bind(customer)
            .bind(key)
            .execute(&setup.coordinator)
            .await
    };
    let customers = setup.customers().await;
    insert(&customers[0], "key").await.unwrap();
    let same_shard = insert(&customers[0], "other key").await.unwrap_err();
    assert!(
        same_shard.to_string().contains("duplicate key"),
        "{same_shard}"
    );
    insert(&customers[1], "key")
        .await
        .expect("the second shard knows nothing of the first one's index");
    assert_eq!(setup.shards_with("key").await, 2, "two orders have one id");
}

#[tokio::test]
async fn commit_on_several_shards_is_torn() {
    let setup = Setup::start().await;
    let customers = setup.customers().await;
    let mut committed = Vec::new();
    for (number, dying) in setup.shards.iter().enumerate() {
        dying.execute(DIE_AT_COMMIT).await.unwrap();
        let key = format!("key-{number}");
        let failed = place_on_all_shards(&setup.url, &customers, &key).await;
        assert!(failed.is_err(), "shard {number} did not die in the commit");
        dying.execute(LIVE_AGAIN).await.unwrap();
        committed.push(setup.shards_with(&key).await);
        for shard in &setup.shards {
            shard
                .execute("DELETE FROM orders WHERE id >= 10000")
                .await
                .unwrap();
        }
    }
    // The coordinator commits on one shard after the other, and stops at the first error.
    committed.sort_unstable();
    assert_eq!(
        committed,
        [0, 1, 2, 3],
        "on how many of four shards a failed transaction has committed"
    );
}

/// One transaction with an order of each of these customers. Returns the answer to its `COMMIT`.
async fn place_on_all_shards(
    url: &str,
    customers: &[String],
    key: &str,
) -> Result<(), sqlx::Error> {
    let mut db = PgConnection::connect(url).await.unwrap();
    db.execute("BEGIN").await.unwrap();
    for (customer, id) in customers.iter().zip(10_000_i64..) {
        let insert = "INSERT INTO orders VALUES ($1, $2, 7, 1, 1, now(), $3)";
        let insert = sqlx::query(insert).bind(id).bind(customer).bind(key);
        insert.execute(&mut db).await.unwrap();
    }
    db.execute("COMMIT").await.map(drop)
}

#[tokio::test]
async fn order_on_one_shard_is_never_torn() {
    let store = Store::filled().await;
    let orders = store.pg_orders().await;
    let shard = &store.shards[orders.shard_of_customer("ada")];
    shard.execute(DIE_AT_COMMIT).await.unwrap();
    let counts = orders.count_by_shard().await.unwrap();
    let new = new_order("ada", "key-1");
    let failed = orders.place(&new).await;
    assert!(failed.is_err(), "the shard did not die in the commit");
    assert_eq!(orders.count_by_shard().await.unwrap(), counts);
    shard.execute(LIVE_AGAIN).await.unwrap();
    let placed = orders.place(&new).await.unwrap();
    assert!(matches!(placed, PlaceOutcome::Created(_)), "{placed:?}");
}
