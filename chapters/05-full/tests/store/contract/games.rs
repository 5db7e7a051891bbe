//! The catalogue, and the invalidation of its copies.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{snapshot, start};
use crate::support::send;

#[tokio::test]
async fn game_is_served_as_json() {
    let store = start().await;
    snapshot::json(
        "game_is_served_as_json",
        &store.anonymous_client().game(7).await,
    );
}

#[tokio::test]
async fn list_shows_24_games_with_review_summary() {
    let store = start().await;
    let list = store.anonymous_client().get("/games").await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 24);
    let shown = json!({ "first": list["items"][0], "next": list["next"] });
    snapshot::json("list_shows_24_games_with_review_summary", &shown);
}

#[tokio::test]
async fn next_links_lead_through_all_games() {
    let store = start().await;
    let client = store.anonymous_client();
    let mut seen = Vec::new();
    let mut next = Some("/games".to_owned());
    while let Some(path) = next {
        let page = client.get(&path).await.json();
        seen.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|game| game["id"].as_i64().unwrap()),
        );
        next = page["next"].as_str().map(ToOwned::to_owned);
    }
    assert_eq!(seen, (1..=60).collect::<Vec<_>>());
}

#[tokio::test]
async fn list_filters_by_genre_and_title() {
    let store = start().await;
    let client = store.anonymous_client();

    let strategy = client.get("/games?genre=strategy").await.json();
    let genres: BTreeSet<_> = strategy["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|game| game["genre"].as_str())
        .collect();
    assert_eq!(genres, BTreeSet::from([Some("strategy")]));

    let royal = client.get("/games?q=ROYAL%20reb").await.json();
    assert_eq!(royal["items"][0]["title"], "Royal Rebellion Deluxe");

    // The wildcards of LIKE must match only themselves.
    for wildcard in ["%25", "_", "%5C"] {
        let none = client.get(&format!("/games?q={wildcard}")).await.json();
        assert_eq!(none, json!({ "items": [], "next": null }), "q={wildcard}");
    }
}

#[tokio::test]
async fn second_read_hits_cache_on_every_clone() {
    let store = start().await;
    let client = store.anonymous_client();
    let first = client.get("/games/7").await;
    assert_eq!(
        (first.header("x-cache"), first.header("x-db")),
        ("miss", store.reads_from)
    );
    for _ in 0..3 {
        let next = client.get("/games/7").await;
        assert_eq!(
            (next.header("x-cache"), next.header("x-db")),
            ("hit", ""),
            "a hit must not read a database"
        );
        assert_eq!(next.body, first.body);
    }
    for (control, from) in [
        ("no-cache", ("bypass", store.reads_from)),
        ("no-cache, max-age=0", ("bypass", store.reads_from)),
        ("max-age=0,No-Cache", ("bypass", store.reads_from)),
        ("max-age=60", ("hit", "")),
    ] {
        let request = client
            .request(Method::GET, "/games/7")
            .header("cache-control", control);
        let answer = send(request).await;
        assert_eq!(
            (answer.header("x-cache"), answer.header("x-db")),
            from,
            "Cache-Control: {control}"
        );
    }
}

#[tokio::test]
async fn not_found_response_names_cache_and_database() {
    let store = start().await;
    let ada = store.customer("ada").await;
    for path in ["/games/999999", "/static/games/999999.html"] {
        for answer in [ada.get(path).await, ada.get_html(path).await] {
            assert_eq!(
                (
                    answer.status.as_u16(),
                    answer.header("x-cache"),
                    answer.header("x-db")
                ),
                (404, "miss", store.reads_from),
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn writes_go_to_the_primary() {
    let store = start().await;
    let ada = store.customer("ada").await;
    let change = |id: i64| {
        send(
            ada.request(Method::PATCH, &format!("/games/{id}"))
                .json(&json!({ "price_cents": 1 })),
        )
    };
    let review = async |id: i64| {
        let body = json!({ "stars": 5, "text": "Good." });
        ada.post(&format!("/games/{id}/reviews"), body).await
    };
    let delete = |path: String| send(ada.request(Method::DELETE, &path));
    let written = review(7).await;
    for (answer, status) in [
        (change(7).await, 200),
        (change(999_999).await, 404),
        (delete(written.location().to_owned()).await, 204),
        (delete(written.location().to_owned()).await, 404),
        (review(999_999).await, 404),
        (written, 201),
    ] {
        assert_eq!(
            (answer.status.as_u16(), answer.header("x-db")),
            (status, "primary"),
            "{}",
            answer.body
        );
    }
}

#[tokio::test]
async fn new_price_is_visible_at_once() {
    let store = start().await;
    let ada = store.customer("ada").await;
    for round in 0..10 {
        ada.game(7).await;
        let price = 2_000 + round;
        ada.set_price(7, price).await;
        for _ in 0..3 {
            assert_eq!(
                ada.game(7).await["price_cents"],
                price,
                "the cache returns the old price; was it invalidated?"
            );
        }
    }
}

#[tokio::test]
async fn description_changes_and_the_rest_stays() {
    let store = start().await;
    let ada = store.customer("ada").await;
    let mut expected = ada.game(7).await;
    let changed = send(
        ada.request(Method::PATCH, "/games/7")
            .json(&json!({ "description": "Better <now>." })),
    )
    .await;
    assert_eq!(changed.status, StatusCode::OK);

    let shown = ada.game(7).await;
    expected["description"] = json!("Better <now>.");
    expected["updated_at"] = shown["updated_at"].clone();
    assert_eq!(shown, expected);
}

#[tokio::test]
async fn adding_and_deleting_reviews_updates_the_rating() {
    let store = start().await;
    let (ada, bob) = (store.customer("ada").await, store.customer("bob").await);
    let before = ada.game(7).await;
    assert_eq!(
        before["rating"], 2.5,
        "the generated reviews of game 7 have 2 and 3 stars"
    );

    let written = ada
        .post(
            "/games/7/reviews",
            json!({ "stars": 5, "text": "Splendid." }),
        )
        .await;
    assert_eq!(written.status, StatusCode::CREATED);
    let with_review = bob.game(7).await;
    assert_eq!(with_review["rating"], 3.3);
    assert_eq!(
        with_review["reviews"][0],
        written.json(),
        "the newest review must come first"
    );

    send(bob.request(Method::DELETE, written.location()))
        .await
        .problem(403);
    let deleted = send(ada.request(Method::DELETE, written.location())).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    send(ada.request(Method::DELETE, written.location()))
        .await
        .problem(404);

    let after = bob.game(7).await;
    assert_eq!(
        (&after["rating"], &after["reviews"]),
        (&before["rating"], &before["reviews"])
    );
}

#[tokio::test]
async fn customer_text_is_trimmed_and_keeps_lines() {
    let store = start().await;
    let ada = store.customer("ada").await;
    // A browser sends CR LF between two lines.
    let fields = [("stars", "4"), ("text", " One.\r\n\tTwo. \r\n")];
    assert_eq!(
        ada.submit_form("/games/7/reviews", &fields)
            .await
            .status
            .as_u16(),
        303
    );
    let change = ada.request(Method::PATCH, "/games/7");
    send(change.json(&json!({ "description": "\n Better. " }))).await;
    let game = ada.game(7).await;
    assert_eq!(
        (&game["reviews"][0]["text"], &game["description"]),
        (&json!("One.\n\tTwo."), &json!("Better."))
    );
}

#[tokio::test]
async fn deleting_last_review_removes_the_rating() {
    let store = start().await;
    let ada = store.customer("ada").await;
    let list = ada.get("/games?page=1").await.json();
    let unreviewed = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|game| game["reviews"]["count"] == 0);
    let id = unreviewed.expect("none of the 24 games is without reviews")["id"]
        .as_i64()
        .unwrap();
    assert_eq!(ada.game(id).await["rating"], Value::Null);

    let written = ada
        .post(
            &format!("/games/{id}/reviews"),
            json!({ "stars": 4, "text": "Good." }),
        )
        .await;
    assert_eq!(ada.game(id).await["rating"], 4.0);
    send(ada.request(Method::DELETE, written.location())).await;
    assert_eq!(ada.game(id).await["rating"], Value::Null);
}

#[tokio::test]
async fn html_in_a_review_is_escaped() {
    let store = start().await;
    let ada = store.customer("ada").await;
    let attack = r#"<script>alert("x")</script> & <img src=x onerror=alert(1)>"#;
    let back = ada
        .submit_form("/games/7/reviews", &[("stars", "1"), ("text", attack)])
        .await;
    assert_eq!((back.status.as_u16(), back.location()), (303, "/games/7"));

    assert_eq!(
        ada.game(7).await["reviews"][0]["text"],
        attack,
        "the review must be stored unchanged"
    );
    for page in ["/games/7", "/static/games/7.html"] {
        let html = ada.get_html(page).await.body;
        assert!(
            html.contains("&lt;script&gt;alert"),
            "{page} does not show the review"
        );
        assert!(
            !html.contains("<script>alert") && !html.contains("<img src=x"),
            "{page} does not escape the review"
        );
    }
}

#[tokio::test]
async fn home_page_fills_every_row() {
    let store = start().await;
    let client = store.anonymous_client();
    let home = client.get_html("/").await.body;
    let sections: Vec<usize> = home
        .split("<section")
        .skip(1)
        .map(|section| section.matches(r#"<article class="card""#).count())
        .collect();
    assert_eq!(sections.len(), 2, "{home}");

    let (_, path) = home.split_once(r#"rel="stylesheet" href=""#).unwrap();
    let style = client.get(path.split('"').next().unwrap()).await.body;
    let mut rows = 0;
    for rule in style.split(".cards {").skip(1) {
        let (_, columns) = rule.split_once("repeat(").unwrap();
        let columns = columns.split(',').next().unwrap();
        // `auto-fill` depends on the width, so some widths have a row with a gap.
        let columns: usize = columns.parse().expect("a fixed number of columns");
        for cards in &sections {
            assert_eq!(cards % columns, 0, "{cards} games in rows of {columns}");
        }
        rows += 1;
    }
    assert!(rows > 1, "no rules for cards in {style}");
}

#[tokio::test]
async fn home_page_is_html_for_browsers_only() {
    let store = start().await;
    let client = store.anonymous_client();
    let line = client.get("/").await;
    assert_eq!(
        line.body,
        format!(
            "SERVER {}: the game store is open\n",
            line.header("x-served-by")
        )
    );

    let home = client.get_html("/").await;
    assert_eq!(home.header("content-type"), "text/html; charset=utf-8");
    assert!(
        home.body.contains("<h1") && home.body.contains(r#"href="/games/"#),
        "{}",
        home.body
    );
    let list = client.get_html("/games?genre=strategy&q=e").await;
    assert!(list.body.contains("<h1"), "{}", list.body);
}
