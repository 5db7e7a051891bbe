//! Orders on Citus.
//!
//! `CITUS_URL` names the coordinator of a real Citus cluster; the user must be allowed to create a
//! schema. Without it, the code runs on plain PostgreSQL with a stand-in for
//! `create_distributed_table`. That shows that the SQL is right and that the tables keep Citus's
//! rules for indexes, and nothing about shards: not that Citus accepts each statement, and not what
//! a lost worker does.

use ch02_database::contract;
use ch02_database::postgres::{connect, migrate, migrate_citus};
use ch02_database::seed::{SeedError, seed_store, seed_store_on_citus};
use ch02_database::{CitusOrders, Orders};
use sqlx::{AssertSqlSafe, Executor, PgPool};

use crate::support::{GAMES, SEED_REQUEST};

/// The rules that Citus checks when a table is distributed.
const STAND_IN: &str = "\
    CREATE FUNCTION create_distributed_table(table_name regclass, distribution_column text) \
    RETURNS void LANGUAGE plpgsql AS $$ \
    DECLARE \
        distribution_number int2 := (SELECT attnum FROM pg_attribute \
            WHERE attrelid = table_name AND attname = distribution_column); \
    BEGIN \
        IF EXISTS (SELECT FROM pg_index WHERE indrelid = table_name AND indisunique \
                   AND NOT distribution_number = ANY (indkey)) THEN \
            RAISE EXCEPTION 'a unique index does not contain the distribution column'; \
        END IF; \
        IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = table_name) THEN \
            RAISE EXCEPTION 'triggers and foreign keys are not supported here'; \
        END IF; \
        IF (SELECT attgenerated FROM pg_attribute WHERE attrelid = table_name \
            AND attname = distribution_column) <> '' THEN \
            RAISE EXCEPTION 'the distribution column is generated'; \
        END IF; \
    END $$";

/// A catalogue, and a coordinator or its stand-in.
struct Setup {
    primary: PgPool,
    coordinator: PgPool,
    // Dropped last, because the pools are connected to these databases.
    _databases: Vec<testbed::Postgres>,
}

impl Setup {
    async fn stand_in() -> Setup {
        let coordinator = testbed::postgres().await.unwrap();
        let pool = connect(&coordinator.url()).unwrap();
        pool.execute(STAND_IN).await.unwrap();
        Setup::with_coordinator(pool, vec![coordinator]).await
    }

    async fn with_coordinator(coordinator: PgPool, mut databases: Vec<testbed::Postgres>) -> Setup {
        let catalog = testbed::postgres().await.unwrap();
        let setup = Setup {
            primary: connect(&catalog.url()).unwrap(),
            coordinator,
            _databases: {
                databases.push(catalog);
                databases
            },
        };
        migrate(&setup.primary, &[]).await.unwrap();
        migrate_citus(&setup.coordinator).await.unwrap();
        setup.fill().await.unwrap();
        setup
    }

    async fn fill(&self) -> Result<(), SeedError> {
        let (primary, coordinator) = (&self.primary, &self.coordinator);
        let filled = seed_store_on_citus(primary, coordinator, SEED_REQUEST, |_, _| ()).await;
        filled.map(drop)
    }

    fn orders(&self) -> CitusOrders {
        CitusOrders::new(self.coordinator.clone())
    }
}

#[tokio::test]
async fn citus_orders_keep_the_contract_on_postgresql() {
    let setup = Setup::stand_in().await;
    contract::check_orders(&setup.orders(), GAMES).await;
    contract::check_payment_references(&setup.orders()).await;
}

#[tokio::test]
async fn second_start_on_citus_keeps_orders() {
    let setup = Setup::stand_in().await;
    let orders = setup.orders();
    let order = crate::bucket_mover::new_order("ada", "key-1");
    orders.place(&order).await.unwrap();
    let counts = orders.count_by_shard().await.unwrap();
    migrate_citus(&setup.coordinator).await.unwrap();
    setup.fill().await.unwrap();
    assert_eq!(orders.count_by_shard().await.unwrap(), counts);
    let activity = "SELECT count(*) FROM activity WHERE kind = 'order'";
    let copied: i64 = sqlx::query_scalar(activity)
        .fetch_one(&setup.primary)
        .await
        .unwrap();
    assert_eq!(copied as u64 + 1, counts[0], "the sample orders are copied");
}

#[tokio::test]
async fn store_does_not_change_its_engine() {
    let setup = Setup::stand_in().await;
    let shard = testbed::postgres().await.unwrap();
    let shards = [connect(&shard.url()).unwrap()];
    migrate(&setup.primary, &shards).await.unwrap();
    let refused = seed_store(&setup.primary, &shards, SEED_REQUEST, |_, _| ()).await;
    assert!(
        matches!(refused, Err(SeedError::OtherEngine { .. })),
        "a store on Citus was opened on shards: {refused:?}"
    );
    // The orders of customers are not thrown away with the catalogue.
    let order = crate::bucket_mover::new_order("ada", "key-1");
    setup.orders().place(&order).await.unwrap();
    setup.primary.execute("DELETE FROM meta").await.unwrap();
    let refused = setup.fill().await;
    assert!(
        matches!(refused, Err(SeedError::LostCatalog { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn postgresql_without_citus_is_refused() {
    let plain = testbed::postgres().await.unwrap();
    let refused = migrate_citus(&connect(&plain.url()).unwrap()).await;
    let message = refused.unwrap_err().to_string();
    assert!(
        message.contains("expected a Citus coordinator"),
        "{message}"
    );
}

#[tokio::test]
async fn citus_orders_keep_the_contract_on_citus() {
    let Ok(url) = std::env::var("CITUS_URL") else {
        eprintln!("did not run: CITUS_URL does not name a Citus coordinator");
        return;
    };
    let schema = format!("workshop_{}", rand::random::<u32>());
    let admin = connect(&url).unwrap();
    run(&admin, format!("CREATE SCHEMA {schema}")).await;
    let separator = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{separator}options[search_path]={schema},public");
    let setup = Setup::with_coordinator(connect(&url).unwrap(), Vec::new()).await;

    let shards = "SELECT count(*) FROM pg_dist_shard WHERE logicalrelid = 'orders'::regclass";
    let shards: i64 = sqlx::query_scalar(shards)
        .fetch_one(&setup.coordinator)
        .await
        .unwrap();
    assert!(shards > 1, "the table has {shards} shards");
    for (condition, expected) in [("customer = 'ada'", 1), ("id = 7", shards)] {
        let explain = format!("EXPLAIN (COSTS OFF) SELECT * FROM orders WHERE {condition}");
        let plan: Vec<String> = sqlx::query_scalar(AssertSqlSafe(explain))
            .fetch_all(&setup.coordinator)
            .await
            .unwrap();
        let expected = format!("Task Count: {expected}");
        assert!(
            plan.iter().any(|line| line.trim() == expected),
            "{condition}: expected {expected}, got {plan:?}"
        );
    }
    contract::check_orders(&setup.orders(), GAMES).await;
    contract::check_payment_references(&setup.orders()).await;
    setup.coordinator.close().await;
    run(&admin, format!("DROP SCHEMA {schema} CASCADE")).await;
}

async fn run(db: &PgPool, sql: String) {
    db.execute(AssertSqlSafe(sql)).await.unwrap();
}
