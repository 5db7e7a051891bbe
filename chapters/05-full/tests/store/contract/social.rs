//! Friends, activity streams and news.

use reqwest::Method;
use reqwest::header::IF_NONE_MATCH;
use serde_json::{Value, json};

use super::start;
use crate::support::{Client, TestStore, TextResponse, send};

async fn items(client: &Client, path: &str) -> Vec<Value> {
    items_of(&client.get(path).await)
}

/// What a client sees who knows of another client's write. A replica may be late for all others.
async fn items_after(write: &TextResponse, client: &Client, path: &str) -> Vec<Value> {
    let mut request = client.request(Method::GET, path);
    if let Some(token) = write.headers.get("x-consistency") {
        request = request.header("x-consistency", token);
    }
    items_of(&send(request).await)
}

fn items_of(list: &TextResponse) -> Vec<Value> {
    list.json()["items"].as_array().unwrap().clone()
}

/// The items of all pages.
async fn all_items(client: &Client, path: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        let page = client.get(&path).await.json();
        all.extend(page["items"].as_array().unwrap().iter().cloned());
        next = page["next"].as_str().map(ToOwned::to_owned);
    }
    all
}

async fn first_friend_of_ada(store: &TestStore) -> String {
    let friends = items(&store.anonymous_client(), "/users/ada/friends").await;
    friends[0]["name"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn friendship_is_listed_on_both_sides() {
    let store = start().await;
    let client = store.anonymous_client();
    let answer = client.get("/users/ada/friends").await;
    assert_eq!(answer.header("x-db"), store.reads_from);
    let friends = answer.json()["items"].as_array().unwrap().clone();
    assert!(!friends.is_empty());
    for friend in friends {
        let name = friend["name"].as_str().unwrap();
        let back = items(&client, &format!("/users/{name}/friends")).await;
        let mutual = json!({ "name": "ada", "since": friend["since"] });
        assert!(back.contains(&mutual), "{name} does not list ada: {back:?}");
    }
    assert_eq!(
        client.get("/users/nobody/friends").await.json(),
        json!({ "items": [], "next": null })
    );
}

#[tokio::test]
async fn order_and_review_appear_in_the_activity() {
    let store = start().await;
    let friend = store.customer(&first_friend_of_ada(&store).await).await;
    let name = first_friend_of_ada(&store).await;
    let path = format!("/users/{name}/activity");
    let title = friend.game(7).await["title"].clone();

    let order = friend.order(7, 1, "key").await.json();
    friend.order(7, 1, "key").await;
    let review = friend
        .post("/games/7/reviews", json!({ "stars": 4, "text": "Good." }))
        .await;
    let first = |kind: &str, source: &Value, stars: Value| {
        json!({
            "id": format!("{kind}-{}", source["id"]), "customer": name, "kind": kind,
            "game_id": 7, "game_title": title, "stars": stars,
            "created_at": source["created_at"],
        })
    };
    let (ordered, reviewed) = (
        first("order", &order, Value::Null),
        first("review", &review.json(), json!(4)),
    );
    let own = items(&friend, &path).await;
    assert_eq!(
        own[..2],
        [reviewed.clone(), ordered.clone()],
        "newest first; is the order, which was sent twice, listed once?"
    );

    let ada = store.customer("ada").await;
    let feed = items_after(&review, &ada, "/users/ada/activity?of=friends").await;
    assert_eq!(feed[..2], own[..2], "the feed of a friend");

    send(friend.request(Method::DELETE, review.location())).await;
    assert_eq!(
        items(&friend, &path).await[0],
        ordered,
        "a deleted review is still in the activity"
    );
}

#[tokio::test]
async fn strangers_do_not_see_orders() {
    let store = start().await;
    let (ada, eve) = (store.customer("ada").await, store.customer("eve").await);
    let order = ada.order(7, 1, "key").await;
    let id = json!(format!("order-{}", order.json()["id"]));
    let friend = store.customer(&first_friend_of_ada(&store).await).await;
    for (who, client, may_see) in [
        ("ada", &ada, true),
        ("a friend", &friend, true),
        ("a stranger", &eve, false),
        ("nobody", &store.anonymous_client(), false),
    ] {
        let seen = items_after(&order, client, "/users/ada/activity").await;
        assert_eq!(
            seen.iter().any(|event| event["id"] == id),
            may_see,
            "{who} looks at the activity of ada: {seen:?}"
        );
    }
    let answer = ada.get("/users/ada/activity").await;
    assert_eq!(
        answer.header("cache-control"),
        "private, no-store",
        "a shared cache must not show the orders of ada to others"
    );
}

#[tokio::test]
async fn feed_is_for_its_reader_only() {
    let store = start().await;
    let eve = store.customer("eve").await;
    let path = "/users/ada/activity?of=friends";
    eve.get(path).await.problem(404);
    store.anonymous_client().get(path).await.problem(401);
    let browser = store.anonymous_client().get_html(path).await;
    assert_eq!(browser.status.as_u16(), 303);
}

#[tokio::test]
async fn next_links_lead_through_the_stream() {
    let store = start().await;
    let ada = store.customer("ada").await;
    for n in 0..45 {
        let body = json!({ "stars": n % 5 + 1, "text": "Again." });
        ada.post(&format!("/games/{}/reviews", n + 1), body).await;
    }
    let all = all_items(&ada, "/users/ada/activity").await;
    let games: Vec<i64> = all
        .iter()
        .map(|event| event["game_id"].as_i64().unwrap())
        .collect();
    assert_eq!(games, (1..=45).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn news_are_listed_and_shown() {
    let store = start().await;
    let client = store.anonymous_client();
    let all = all_items(&client, "/news").await;
    let ids: Vec<i64> = all
        .iter()
        .map(|article| article["id"].as_i64().unwrap())
        .collect();
    assert_eq!(ids, (1..=40).rev().collect::<Vec<_>>());
    let path = format!("/news/{}", all[3]["slug"].as_str().unwrap());
    assert_eq!(client.get(&path).await.json(), all[3]);
    let html = client.get_html(&path).await.body;
    let link = format!("href=\"/games/{}\"", all[3]["game_id"]);
    assert!(html.contains("<h1>") && html.contains(&link), "{html}");
    client.get("/news/nonesuch").await.problem(404);
}

#[tokio::test]
async fn unchanged_news_get_304() {
    let store = start().await;
    let ada = store.customer("ada").await;
    let slug = items(&ada, "/news").await[0]["slug"].clone();
    for path in ["/news", &format!("/news/{}", slug.as_str().unwrap())] {
        let (json, html) = (ada.get(path).await, ada.get_html(path).await);
        assert_ne!(
            json.header("etag"),
            html.header("etag"),
            "JSON and HTML are different representations"
        );
        assert_eq!(html.header("cache-control"), "no-cache");
        assert_eq!(html.header("vary"), "accept");
        assert_eq!(
            store.anonymous_client().get_html(path).await.body,
            html.body,
            "the page must be the same for all users"
        );
        let tag = json.header("etag").to_owned();
        let request = ada.request(Method::GET, path).header(IF_NONE_MATCH, tag);
        let same = send(request).await;
        assert_eq!((same.status.as_u16(), same.body.as_str()), (304, ""));
    }
}

#[tokio::test]
async fn pages_link_to_friends_and_news() {
    let store = start().await;
    let ada = store.customer("ada").await;
    for (page, link) in [
        ("/", "/news"),
        ("/", "/users/ada/activity"),
        ("/orders", "/users/ada/friends"),
        ("/orders", "/users/ada/activity?of=friends"),
        ("/users/ada/activity", "/users/ada/friends"),
        ("/users/ada/friends", "/users/ada/activity"),
        ("/games/7", "/users/lelah-1320/activity"),
    ] {
        let html = ada.get_html(page).await.body;
        let link = format!("href=\"{link}\"");
        assert!(html.contains(&link), "{page} has no {link}");
    }
}
