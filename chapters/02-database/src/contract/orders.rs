//! The contract of [`Orders`].

use std::collections::HashSet;

use futures_util::future::join_all;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::model::GameId;
use crate::model::{NewOrder, Order, OrderId, PlaceOutcome};
use crate::orders::{Gathered, OrderFilter, OrderSort, Orders};
use crate::seed::generator::{DEFAULT_SEED, Generator, SAMPLE_ORDERS};
use crate::sharding::{bucket_of_customer, bucket_of_order};

/// Checks what every [`Orders`] must do. Takes orders that were just filled with the sample orders
/// of a store of `games` games of the default seed, and places some more.
///
/// # Panics
/// At the first broken promise. The message names the likely mistake.
pub async fn check_orders(orders: &dyn Orders, games: GameId) {
    sample_orders_are_returned(orders, games).await;
    check_order_queries(orders, games, 50).await;
    one_key_places_one_order(orders).await;
    concurrent_requests_with_one_key_place_one_order(orders).await;
    concurrent_keys_place_separate_orders(orders).await;
    customer_orders_are_listed_newest_first(orders).await;
    orders_are_in_the_customers_shard(orders).await;
}

/// Checks that a payment pays for one order, of all customers on all shards. Takes any filled
/// orders.
///
/// # Panics
/// At the first broken promise.
pub async fn check_payment_references(orders: &dyn Orders) {
    let paid = |customer: &str, key: &str, payment: &str| NewOrder {
        payment_reference: Some(payment.to_owned()),
        ..new_order(customer, key)
    };
    let first = paid("payer-0", "key", "payment-1");
    let order = created(orders, &first).await;
    let again = orders.place(&first).await.unwrap();
    assert_eq!(again, PlaceOutcome::AlreadyPlaced(order.clone()));
    for number in 0..20 {
        let other = paid(&format!("payer-{number}"), "other key", "payment-1");
        let refused = orders.place(&other).await.unwrap();
        assert_eq!(refused, PlaceOutcome::ReferenceUsed, "{other:?}");
    }
    for payment in [None, Some("payment-2".to_owned())] {
        let other = NewOrder {
            payment_reference: payment,
            ..first.clone()
        };
        let refused = orders.place(&other).await.unwrap();
        assert_eq!(refused, PlaceOutcome::KeyReused, "{other:?}");
    }

    let racing: Vec<NewOrder> = (0..20)
        .map(|number| {
            paid(
                &format!("racer-{}", number % 10),
                &format!("key-{number}"),
                "payment-3",
            )
        })
        .collect();
    let placed = join_all(racing.iter().map(|new| orders.place(new))).await;
    let placed: Vec<PlaceOutcome> = placed.into_iter().map(Result::unwrap).collect();
    let winners = placed
        .iter()
        .filter(|placed| matches!(placed, PlaceOutcome::Created(_)));
    assert_eq!(winners.count(), 1, "one payment, 20 orders: {placed:?}");
    assert!(
        !placed
            .iter()
            .any(|placed| matches!(placed, PlaceOutcome::KeyReused)),
        "{placed:?}"
    );
    // Orders without a payment do not exclude each other.
    created(orders, &new_order("payer-1", "without")).await;
    created(orders, &new_order("payer-2", "without")).await;
}

/// Compares random queries across all customers with the answer of a list in memory, which is not
/// sharded. Takes orders that were just filled with the sample orders.
///
/// # Panics
/// At the first difference.
pub async fn check_order_queries(orders: &dyn Orders, games: GameId, queries: usize) {
    let generator = Generator::new(DEFAULT_SEED);
    let all: Vec<Order> = (1..=SAMPLE_ORDERS)
        .map(|id| generator.order(id, games))
        .collect();
    let mut rng = ChaCha8Rng::seed_from_u64(DEFAULT_SEED);
    for _ in 0..queries {
        let filter = OrderFilter {
            game_id: rng.random_bool(0.3).then(|| rng.random_range(1..=games)),
            min_total_cents: rng.random_bool(0.5).then(|| rng.random_range(0..20_000)),
        };
        let before = rng
            .random_bool(0.5)
            .then(|| rng.random_range(1..=SAMPLE_ORDERS));
        let limit = rng.random_range(0..60);
        let accepted: Vec<Order> = all.iter().filter(|o| filter.accepts(o)).cloned().collect();
        for sort in [OrderSort::Newest, OrderSort::MostExpensive] {
            let mut expected = accepted.clone();
            expected.retain(|order| before.is_none_or(|before| order.id < before));
            expected.sort_by_key(|order| match sort {
                OrderSort::Newest => (0, -order.id),
                OrderSort::MostExpensive => (-order.total_cents, -order.id),
            });
            expected.truncate(limit);
            assert_eq!(
                orders.search(&filter, sort, before, limit).await.unwrap(),
                Gathered::complete(expected),
                "{filter:?} {sort:?} before {before:?}, at most {limit}"
            );
        }
        let totals = orders.totals(&filter).await.unwrap();
        let sum = accepted.iter().map(|order| order.total_cents).sum::<i64>();
        assert_eq!(
            (
                totals.value.count,
                totals.value.sum_cents,
                totals.is_partial()
            ),
            (accepted.len() as u64, sum, false),
            "{filter:?}"
        );
        let average = totals.value.average_cents();
        let expected = (!accepted.is_empty()).then(|| sum as f64 / accepted.len() as f64);
        assert_eq!(average, expected, "the average of {filter:?}");
    }
}

async fn sample_orders_are_returned(orders: &dyn Orders, games: GameId) {
    let generator = Generator::new(DEFAULT_SEED);
    for id in 1..=SAMPLE_ORDERS {
        let expected = generator.order(id, games);
        assert_eq!(
            orders.get(id).await.unwrap(),
            Some(expected),
            "sample order {id} differs from the generated one"
        );
    }
    let counts = orders.count_by_shard().await.unwrap();
    assert_eq!(
        counts.iter().sum::<u64>(),
        SAMPLE_ORDERS as u64,
        "{counts:?}"
    );
    for unknown in [0, -1, SAMPLE_ORDERS + 1, OrderId::MAX, OrderId::MIN] {
        assert_eq!(orders.get(unknown).await.unwrap(), None, "order {unknown}");
    }
}

async fn one_key_places_one_order(orders: &dyn Orders) {
    let new = new_order("ada", "key-1");
    let order = created(orders, &new).await;
    assert_eq!(
        (
            order.customer.as_str(),
            order.game_id,
            order.quantity,
            order.total_cents
        ),
        ("ada", 7, 2, 2 * 1_999)
    );
    assert!(
        order.id > SAMPLE_ORDERS,
        "order {} has an id that is reserved for sample orders",
        order.id
    );
    assert_eq!(
        bucket_of_order(order.id),
        bucket_of_customer("ada"),
        "the id of an order must contain the bucket of its customer"
    );
    assert_eq!(orders.get(order.id).await.unwrap().as_ref(), Some(&order));

    let already_placed = PlaceOutcome::AlreadyPlaced(order.clone());
    assert_eq!(orders.place(&new).await.unwrap(), already_placed);
    let with_new_price = NewOrder {
        unit_price_cents: 5_000,
        ..new.clone()
    };
    assert_eq!(
        orders.place(&with_new_price).await.unwrap(),
        already_placed,
        "another price must not make it another order"
    );
    for other in [
        NewOrder {
            quantity: 3,
            ..new.clone()
        },
        NewOrder {
            game_id: 8,
            ..new.clone()
        },
    ] {
        assert_eq!(orders.place(&other).await.unwrap(), PlaceOutcome::KeyReused);
    }
    assert_eq!(
        orders.list_by_customer("ada", None, 10).await.unwrap(),
        [order]
    );
    // Another customer may use the same key.
    created(orders, &new_order("grace", "key-1")).await;
}

async fn concurrent_requests_with_one_key_place_one_order(orders: &dyn Orders) {
    let new = new_order("linus", "one key");
    let placed = join_all((0..20).map(|_| orders.place(&new))).await;
    let mut created = 0;
    let mut ids = HashSet::new();
    for placed in placed {
        match placed.unwrap() {
            PlaceOutcome::Created(order) => {
                created += 1;
                ids.insert(order.id);
            }
            PlaceOutcome::AlreadyPlaced(order) => {
                ids.insert(order.id);
            }
            PlaceOutcome::KeyReused => {
                panic!("the same order with the same key must be `AlreadyPlaced`")
            }
            other => panic!("an order without a payment gets {other:?}"),
        }
    }
    assert_eq!(
        (created, ids.len()),
        (1, 1),
        "20 concurrent requests with one key: finding the key and inserting must be one atomic step"
    );
    assert_eq!(
        orders
            .list_by_customer("linus", None, 100)
            .await
            .unwrap()
            .len(),
        1
    );
}

async fn concurrent_keys_place_separate_orders(orders: &dyn Orders) {
    let new: Vec<NewOrder> = (0..20)
        .map(|n| new_order("barbara", &format!("key-{n}")))
        .collect();
    let placed = join_all(new.iter().map(async |new| created(orders, new).await.id)).await;
    let ids: HashSet<OrderId> = placed.into_iter().collect();
    assert_eq!(ids.len(), 20, "two orders have the same id");
}

async fn customer_orders_are_listed_newest_first(orders: &dyn Orders) {
    let mut placed = Vec::new();
    for n in 0..5 {
        placed.push(created(orders, &new_order("edsger", &format!("key-{n}"))).await);
    }
    placed.reverse();
    assert_eq!(
        orders.list_by_customer("edsger", None, 10).await.unwrap(),
        placed
    );
    assert_eq!(
        orders.list_by_customer("edsger", None, 2).await.unwrap(),
        placed[..2]
    );
    assert_eq!(
        orders
            .list_by_customer("edsger", Some(placed[1].id), 2)
            .await
            .unwrap(),
        placed[2..4]
    );
    assert_eq!(
        orders
            .list_by_customer("edsger", Some(placed[4].id), 2)
            .await
            .unwrap(),
        []
    );
    for unknown in ["nobody", "", "EDSGER", "eds\0ger", "%"] {
        assert_eq!(
            orders.list_by_customer(unknown, None, 10).await.unwrap(),
            [],
            "{unknown:?} has never ordered"
        );
    }
}

/// Runs last, because it counts the orders of the functions before.
async fn orders_are_in_the_customers_shard(orders: &dyn Orders) {
    let mut expected = vec![0; orders.count_by_shard().await.unwrap().len()];
    for id in 1..=SAMPLE_ORDERS {
        expected[orders.shard_of_order(id)] += 1;
    }
    for (customer, placed) in [
        ("ada", 1),
        ("grace", 1),
        ("linus", 1),
        ("barbara", 20),
        ("edsger", 5),
    ] {
        expected[orders.shard_of_customer(customer)] += placed;
        for order in orders.list_by_customer(customer, None, 100).await.unwrap() {
            assert_eq!(
                orders.shard_of_order(order.id),
                orders.shard_of_customer(customer),
                "the id of order {} of {customer} names another shard",
                order.id
            );
        }
    }
    assert_eq!(
        orders.count_by_shard().await.unwrap(),
        expected,
        "a rejected or retried order was written"
    );
}

async fn created(orders: &dyn Orders, new: &NewOrder) -> Order {
    match orders.place(new).await.unwrap() {
        PlaceOutcome::Created(order) => order,
        other => panic!("expected {new:?} to be created, got {other:?}"),
    }
}

fn new_order(customer: &str, key: &str) -> NewOrder {
    NewOrder {
        customer: customer.to_owned(),
        game_id: 7,
        quantity: 2,
        unit_price_cents: 1_999,
        idempotency_key: key.to_owned(),
        payment_reference: None,
    }
}
