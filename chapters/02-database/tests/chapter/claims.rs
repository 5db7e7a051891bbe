//! Payment references that are unique across the shards. The naive ways fail: an index on each
//! shard, and a claim that is taken over because of its age.

use std::sync::Arc;
use std::time::Duration;

use ch02_database::Orders;
use ch02_database::contract::check_payment_references;
use ch02_database::model::{NewOrder, PlaceOutcome};
use ch02_database::orders::{Claim, Claimed, UniqueOrders};
use ch02_database::sharding::{bucket_of_customer, order_id};
use futures_util::future::join_all;
use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres};

use crate::bucket_mover::{new_order, other_shard};
use crate::rebalance::{LIMITS, mover};
use crate::support::{Store, poll_until};

const PAYMENT: &str = "payment-1";

/// A store, and its orders with unique references.
struct Setup {
    store: Store,
    orders: UniqueOrders,
}

impl Setup {
    async fn start() -> Setup {
        let store = Store::filled().await;
        let orders = Arc::new(store.pg_orders().await);
        let orders = UniqueOrders::new(store.primary.clone(), orders);
        Setup { store, orders }
    }

    /// Claims the payment for a customer, with a deadline that passes at once.
    async fn claim(&self, customer: &str) -> Claim {
        let orders = self.orders.clone().with_lease(Duration::ZERO);
        let claimed = orders.claim(customer, PAYMENT, 0).await.unwrap();
        match claimed {
            Claimed::Own(claim) => claim,
            other => panic!("{customer} gets no claim: {other:?}"),
        }
    }

    async fn place(&self, customer: &str) -> PlaceOutcome {
        self.orders.place(&order_of(customer)).await.unwrap()
    }

    /// The customers whose orders have the payment's reference.
    async fn payers(&self) -> Vec<String> {
        let mut payers = Vec::new();
        for shard in &self.store.shards {
            let sql = "SELECT customer FROM orders WHERE payment_reference = $1";
            let found: Vec<String> = sqlx::query_scalar(sql)
                .bind(PAYMENT)
                .fetch_all(shard)
                .await
                .unwrap();
            payers.extend(found);
        }
        payers
    }

    async fn run_on_shards(&self, sql: &'static str) {
        for shard in &self.store.shards {
            sqlx::raw_sql(sql).execute(shard).await.unwrap();
        }
    }

    /// Sets the clocks of all shards back by an hour, so a deadline that has passed in the
    /// catalogue has not passed on a shard.
    async fn set_clocks_back(&self) {
        self.run_on_shards(
            "ALTER FUNCTION order_clock RENAME TO right_clock; \
             CREATE FUNCTION order_clock() RETURNS bigint LANGUAGE sql VOLATILE \
             AS 'SELECT right_clock() - 3600 * 16000'",
        )
        .await;
    }
}

fn order_of(customer: &str) -> NewOrder {
    NewOrder {
        payment_reference: Some(PAYMENT.to_owned()),
        ..new_order(customer, "key")
    }
}

fn is_new(placed: &PlaceOutcome) -> bool {
    matches!(placed, PlaceOutcome::Created(_))
}

/// A hundred customers, on all four shards.
fn customers() -> Vec<String> {
    (0..100).map(|n| format!("buyer-{n}")).collect()
}

#[tokio::test]
async fn hundred_claimants_place_one_order() {
    let setup = Setup::start().await;
    let customers = customers();
    let attempts = customers.iter().map(|customer| setup.place(customer));
    let placed = join_all(attempts).await;
    let winners = placed.iter().filter(|placed| is_new(placed)).count();
    let losers = placed
        .iter()
        .filter(|placed| {
            matches!(
                placed,
                PlaceOutcome::ReferenceUsed | PlaceOutcome::ReferenceInProgress
            )
        })
        .count();
    assert_eq!((winners, losers), (1, 99), "{placed:?}");
    assert_eq!(setup.payers().await.len(), 1);
    for customer in &customers {
        let again = setup.place(customer).await;
        assert!(
            matches!(
                again,
                PlaceOutcome::ReferenceUsed | PlaceOutcome::AlreadyPlaced(_)
            ),
            "{customer} gets {again:?} after the order"
        );
    }
}

#[tokio::test]
async fn claimed_references_keep_the_contract() {
    let setup = Setup::start().await;
    check_payment_references(&setup.orders).await;
}

#[tokio::test]
async fn unique_index_per_shard_is_not_enough() {
    let setup = Setup::start().await;
    setup
        .run_on_shards("CREATE UNIQUE INDEX ON orders (payment_reference)")
        .await;
    let naive = setup.store.pg_orders().await;
    let new: Vec<NewOrder> = customers().iter().map(|name| order_of(name)).collect();
    let placed = join_all(new.iter().map(|new| naive.place(new))).await;
    assert!(
        placed.iter().any(Result::is_err),
        "an index refuses nothing"
    );
    assert_eq!(
        setup.payers().await.len(),
        4,
        "each of the four shards accepts one order"
    );
}

#[tokio::test]
async fn dead_claimant_blocks_no_reference() {
    let setup = Setup::start().await;
    // Ada's process dies after the claim.
    setup.claim("ada").await;
    assert!(is_new(&setup.place("grace").await));
    assert_eq!(setup.place("ada").await, PlaceOutcome::ReferenceUsed);
    assert_eq!(setup.payers().await, ["grace"]);
}

#[tokio::test]
async fn claimant_who_returns_in_time_keeps_reference() {
    let setup = Setup::start().await;
    let claimed = setup.orders.claim("ada", PAYMENT, 0).await.unwrap();
    assert!(matches!(claimed, Claimed::Own(_)));
    assert_eq!(
        setup.place("grace").await,
        PlaceOutcome::ReferenceInProgress
    );
    assert!(is_new(&setup.place("ada").await));
    assert_eq!(setup.place("grace").await, PlaceOutcome::ReferenceUsed);
}

#[tokio::test]
async fn unconfirmed_order_keeps_its_reference() {
    let setup = Setup::start().await;
    setup.set_clocks_back().await;
    // Ada's process dies after the order.
    let claim = setup.claim("ada").await;
    let placed = setup
        .orders
        .place_claimed(&order_of("ada"), &claim)
        .await
        .unwrap();
    assert!(placed.is_ok());
    assert_eq!(
        setup.place("grace").await,
        PlaceOutcome::ReferenceUsed,
        "the claim is old, but its order exists"
    );
    assert!(matches!(
        setup.place("ada").await,
        PlaceOutcome::AlreadyPlaced(_)
    ));
    assert_eq!(setup.payers().await, ["ada"]);
}

#[tokio::test]
async fn slow_claimant_is_refused_after_takeover() {
    let setup = Setup::start().await;
    setup.set_clocks_back().await;
    let claim = setup.claim("ada").await;
    assert!(is_new(&setup.place("grace").await));
    let late = setup.orders.place_claimed(&order_of("ada"), &claim).await;
    assert!(late.unwrap().is_err(), "two orders have one payment");
    // The sequence moves along with the bucket.
    let bucket = bucket_of_customer("ada");
    let owner = setup.store.pg_orders().await.shard_of_customer("ada");
    mover(&setup.store, LIMITS)
        .move_bucket(bucket, other_shard(owner), |_| ())
        .await
        .unwrap();
    let late = setup.orders.place_claimed(&order_of("ada"), &claim).await;
    assert!(late.unwrap().is_err(), "the move has opened the deadline");
    assert_eq!(setup.payers().await, ["grace"]);
}

#[tokio::test]
async fn takeover_by_age_alone_places_two_orders() {
    let setup = Setup::start().await;
    setup.set_clocks_back().await;
    let claim = setup.claim("ada").await;
    sqlx::query("UPDATE order_claims SET customer = 'grace' WHERE deadline <= claim_clock()")
        .execute(&setup.store.primary)
        .await
        .unwrap();
    assert!(is_new(&setup.place("grace").await));
    let late = setup.orders.place_claimed(&order_of("ada"), &claim).await;
    assert!(late.unwrap().is_ok(), "the naive version is not caught");
    assert_eq!(setup.payers().await.len(), 2);
}

#[tokio::test]
async fn takeover_waits_for_order_in_flight() {
    let setup = Setup::start().await;
    setup.claim("ada").await;
    let mut order = OrderInFlight::begin(&setup, "ada").await;
    let insert = "INSERT INTO orders VALUES ($1, DEFAULT, 'ada', 7, 2, 3998, now(), 'key', $2)";
    sqlx::query(insert)
        .bind(order_id(order.sequence, bucket_of_customer("ada")))
        .bind(PAYMENT)
        .execute(&mut *order.connection)
        .await
        .unwrap();
    let commit = async {
        order.wait_for_takeover().await;
        order.commit().await;
    };
    let (grace, ()) = tokio::join!(setup.place("grace"), commit);
    assert_eq!(grace, PlaceOutcome::ReferenceUsed);
    assert_eq!(setup.payers().await, ["ada"]);
}

#[tokio::test]
async fn renewed_claim_is_not_taken_over() {
    let setup = Setup::start().await;
    setup.set_clocks_back().await;
    setup.claim("ada").await;
    // Holds the takeover up between its two looks at the claim.
    let mut order = OrderInFlight::begin(&setup, "ada").await;
    let renew = async {
        order.wait_for_takeover().await;
        let renewed = setup.claim("ada").await;
        order.commit().await;
        renewed
    };
    let (grace, renewed) = tokio::join!(setup.place("grace"), renew);
    assert_eq!(
        grace,
        PlaceOutcome::ReferenceInProgress,
        "the shard has not ended this claim"
    );
    let placed = setup.orders.place_claimed(&order_of("ada"), &renewed).await;
    assert!(placed.unwrap().is_ok());
    assert_eq!(setup.place("grace").await, PlaceOutcome::ReferenceUsed);
    assert_eq!(setup.payers().await, ["ada"]);
}

/// A transaction that has taken the next number of a customer's bucket.
struct OrderInFlight {
    connection: PoolConnection<Postgres>,
    shard: PgPool,
    sequence: i64,
}

impl OrderInFlight {
    async fn begin(setup: &Setup, customer: &str) -> OrderInFlight {
        let shard = setup.store.pg_orders().await.shard_of_customer(customer);
        let shard = setup.store.shards[shard].clone();
        let mut connection = shard.acquire().await.unwrap();
        sqlx::raw_sql("BEGIN")
            .execute(&mut *connection)
            .await
            .unwrap();
        let number = "UPDATE buckets SET next = next + 1 WHERE bucket = $1 RETURNING next - 1";
        let sequence = sqlx::query_scalar(number)
            .bind(i32::from(bucket_of_customer(customer)))
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        OrderInFlight {
            connection,
            shard,
            sequence,
        }
    }

    async fn wait_for_takeover(&self) {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
             AND datname = current_database()";
        poll_until("a takeover waits for the bucket", async || {
            let query = sqlx::query_scalar(waiting).fetch_one(&self.shard);
            let waiting: i64 = query.await.unwrap();
            (waiting > 0).then_some(())
        })
        .await;
    }

    async fn commit(&mut self) {
        let commit = sqlx::raw_sql("COMMIT").execute(&mut *self.connection);
        commit.await.unwrap();
    }
}
