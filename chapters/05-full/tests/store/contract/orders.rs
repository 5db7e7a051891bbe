//! Orders: one for each key, on the customer's shard, visible only to the customer.

use ch02_database::ShardMap;
use ch02_database::sharding::{bucket_of_customer, bucket_of_order};
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::start;
use crate::support::send;

#[tokio::test]
async fn created_order_is_found_at_its_location() {
    let store = start().await;
    let ada = store.customer("ada").await;
    let price = ada.game(7).await["price_cents"].as_i64().unwrap();

    let created = ada.order(7, 3, "first").await;

    assert_eq!(created.status, StatusCode::CREATED);
    let order = created.json();
    assert_eq!(
        (
            &order["customer"],
            &order["game_id"],
            &order["quantity"],
            &order["total_cents"]
        ),
        (&json!("ada"), &json!(7), &json!(3), &json!(price * 3))
    );
    assert!(
        order["created_at"].as_str().unwrap().ends_with('Z'),
        "the time must be in UTC: {order}"
    );
    let id = order["id"].as_i64().unwrap();
    assert_eq!(created.location(), format!("/orders/{id}"));
    for path in [format!("/orders/{id}"), format!("/orders?id={id}")] {
        assert_eq!(ada.get(&path).await.json(), order);
    }
    assert_eq!(ada.all_orders().await, [order]);
}

#[tokio::test]
async fn same_key_returns_the_same_order() {
    let store = start().await;
    let ada = store.customer("ada").await;
    let first = ada.order(7, 1, "key").await;
    ada.set_price(7, 1).await;

    let repeated = ada.order(7, 1, "key").await;

    assert_eq!(
        (repeated.status, repeated.json()),
        (StatusCode::CREATED, first.json())
    );
    assert_eq!(repeated.location(), first.location());
    assert_eq!(ada.all_orders().await.len(), 1);
}

#[tokio::test]
async fn reused_key_for_another_order_is_rejected() {
    let store = start().await;
    let ada = store.customer("ada").await;
    ada.order(7, 1, "key").await;
    ada.order(7, 2, "key").await.problem(422);
    ada.order(8, 1, "key").await.problem(422);
    assert_eq!(ada.all_orders().await.len(), 1);
}

#[tokio::test]
async fn two_customers_may_use_the_same_key() {
    let store = start().await;
    let (ada, bob) = (store.customer("ada").await, store.customer("bob").await);
    let (first, second) = (
        ada.order(7, 1, "key").await.json(),
        bob.order(7, 1, "key").await.json(),
    );
    assert_ne!(first["id"], second["id"]);
    assert_eq!(second["customer"], "bob");
}

#[tokio::test]
async fn concurrent_requests_with_one_key_make_one_order() {
    let store = start().await;
    let ada = store.customer("ada").await;
    let racing: Vec<_> = (0..20)
        .map(|_| {
            let ada = ada.clone();
            tokio::spawn(async move { ada.order(7, 1, "race").await })
        })
        .collect();
    let mut ids = Vec::new();
    for answer in racing {
        let answer = answer.await.unwrap();
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        ids.push(answer.json()["id"].as_i64().unwrap());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "one key made several orders: {ids:?}");
    assert_eq!(ada.all_orders().await.len(), 1);
}

#[tokio::test]
async fn payment_pays_for_one_order() {
    let store = start().await;
    let ada = store.customer("ada").await;
    let first = ada.paid_order("key", "payment").await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.body);
    let again = ada.paid_order("key", "payment").await;
    assert_eq!(
        (again.status, again.json()),
        (StatusCode::CREATED, first.json()),
        "the same order with its key"
    );
    let detail = ada.paid_order("other-key", "payment").await.problem(409);
    assert!(detail.contains("pays for another order"), "{detail}");
    ada.paid_order("key", "payment-2").await.problem(422);
    ada.order(7, 1, "key").await.problem(422);
    // On four shards, some of these customers are on another shard than ada.
    for number in 0..8 {
        let other = store.customer(&format!("payer-{number}")).await;
        other.paid_order("key", "payment").await.problem(409);
        assert_eq!(other.all_orders().await.len(), 0);
    }
    assert_eq!(ada.all_orders().await.len(), 1);
    for bad in ["", "two words", "größe", &"x".repeat(256)] {
        ada.paid_order("bad", bad).await.problem(422);
    }
}

#[tokio::test]
async fn concurrent_orders_share_no_payment() {
    let store = start().await;
    let mut racing = Vec::new();
    for number in 0..20 {
        let customer = store.customer(&format!("payer-{}", number % 10)).await;
        racing.push(tokio::spawn(async move {
            let answer = customer.paid_order(&format!("key-{number}"), "race").await;
            (customer, answer.status)
        }));
    }
    let (mut statuses, mut orders) = (Vec::new(), 0);
    for racer in racing {
        let (customer, status) = racer.await.unwrap();
        statuses.push(status);
        orders +=
            usize::from(status == StatusCode::CREATED && customer.all_orders().await.len() == 1);
    }
    let created = statuses
        .iter()
        .filter(|status| **status == StatusCode::CREATED);
    assert_eq!((created.count(), orders), (1, 1), "{statuses:?}");
    assert!(
        statuses
            .iter()
            .all(|status| [StatusCode::CREATED, StatusCode::CONFLICT].contains(status)),
        "{statuses:?}"
    );
}

#[tokio::test]
async fn order_is_hidden_from_other_users() {
    let store = start().await;
    let (ada, bob) = (store.customer("ada").await, store.customer("bob").await);
    let order = ada.order(7, 1, "mine").await;

    let not_there = bob
        .get("/orders/999999")
        .await
        .problem(404)
        .replace("999999", "N");
    let id = order.json()["id"].to_string();
    for other in [&bob, &store.anonymous_client()] {
        let hidden = other
            .get(order.location())
            .await
            .problem(404)
            .replace(&id, "N");
        assert_eq!(
            hidden, not_there,
            "the response reveals that the order exists"
        );
    }
    bob.get("/orders?customer=ada").await.problem(404);
    assert_eq!(bob.all_orders().await.len(), 0);
    store.anonymous_client().get("/orders").await.problem(401);
    assert_eq!(
        ada.get("/orders?customer=ada").await.json()["items"][0],
        order.json()
    );
}

#[tokio::test]
async fn private_responses_are_not_cached() {
    let store = start().await;
    let ada = store.customer("ada").await;
    let placed = ada.order(7, 1, "key").await;
    let list = ada.get("/orders").await;
    let one = ada.get(placed.location()).await;
    let job = send(ada.request(Method::POST, "/work?job=order-export")).await;
    let state = ada.get(job.location()).await;
    let events = ada.get(&format!("{}/events", job.location())).await;
    for answer in [&placed, &list, &one, &job, &state, &events] {
        assert_eq!(
            (answer.header("cache-control"), answer.header("vary")),
            ("private, no-store", "accept, cookie"),
            "{}",
            answer.body
        );
    }
    let hidden = store.anonymous_client().get(placed.location()).await;
    assert_eq!(
        hidden.header("cache-control"),
        "no-store",
        "a cached 404 would hide the order after the login"
    );
    let public = ada.get("/games/7").await;
    assert_eq!(
        (public.header("cache-control"), public.header("vary")),
        ("", "accept")
    );
}

#[tokio::test]
async fn sample_orders_are_public() {
    let store = start().await;
    let client = store.anonymous_client();
    assert_eq!(client.get("/orders?id=1").await.json()["id"], 1);
    assert_eq!(client.get("/orders/1000").await.json()["id"], 1_000);
    client.get("/orders/1001").await.problem(404);
}

#[tokio::test]
async fn orders_are_stored_on_the_mapped_shard() {
    let store = start().await;
    let map = ShardMap::even(4);
    for name in ["ada", "bob", "cleo", "dan", "eve", "fay"] {
        let order = store.customer(name).await.order(7, 1, "key").await;
        let id = order.json()["id"].as_i64().unwrap();
        assert_eq!(
            bucket_of_order(id),
            bucket_of_customer(name),
            "the id must contain the customer's bucket"
        );
        assert_eq!(
            order.header("x-shard"),
            map.owner(bucket_of_customer(name)).to_string()
        );
    }
}

#[tokio::test]
async fn order_list_is_paged_newest_first() {
    let store = start().await;
    let ada = store.customer("ada").await;
    for n in 0..45 {
        assert_eq!(
            ada.order(n % 60 + 1, 1, &format!("key-{n}")).await.status,
            StatusCode::CREATED
        );
    }
    let games: Vec<_> = ada
        .all_orders()
        .await
        .iter()
        .map(|order| order["game_id"].as_i64().unwrap())
        .collect();
    assert_eq!(games, (1..=45).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn browser_orders_with_a_form() {
    let store = start().await;
    let browser = store.customer("ada").await;
    let page = browser.get_html("/games/7").await.body;
    let (_, rest) = page
        .split_once(r#"name="idempotency_key" value=""#)
        .expect("the form has no idempotency key");
    let (key, _) = rest.split_once('"').unwrap();

    let fields = [
        ("game_id", "7"),
        ("quantity", "2"),
        ("idempotency_key", key),
    ];
    let sent = browser.submit_form("/orders", &fields).await;
    let sent_twice = browser.submit_form("/orders", &fields).await;

    assert_eq!(sent.status.as_u16(), 303);
    assert_eq!(
        sent.location(),
        sent_twice.location(),
        "a form that is sent twice must make one order"
    );
    let receipt = browser.get_html(sent.location()).await.body;
    assert!(receipt.contains("Royal Rebellion Deluxe"), "{receipt}");
    let list = browser.get_html("/orders").await.body;
    assert!(
        list.contains("Royal Rebellion Deluxe") && list.contains(sent.location()),
        "{list}"
    );
}
