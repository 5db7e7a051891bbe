//! Pre-rendered pages.

use reqwest::header::{HeaderValue, IF_NONE_MATCH};
use reqwest::{Method, StatusCode};

use super::{snapshot, start};
use crate::support::{Client, TextResponse, poll_until, send};

async fn static_page(client: &Client, id: i64) -> TextResponse {
    let path = format!("/static/games/{id}.html");
    poll_until(async || {
        Some(client.get(&path).await).filter(|page| page.header("x-rendered") == "static")
    })
    .await
}

#[tokio::test]
async fn every_game_has_a_prerendered_page() {
    let store = start().await;
    let client = store.anonymous_client();
    let page = static_page(&client, 7).await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(
        (page.header("x-cache"), page.header("x-db")),
        ("", ""),
        "a static page must not read the cache or a database"
    );
    snapshot::text(
        "every_game_has_a_prerendered_page",
        &page.body.replace("><", ">\n<"),
    );
}

#[tokio::test]
async fn unchanged_page_gets_304() {
    let store = start().await;
    let ada = store.customer("ada").await;
    let page = static_page(&ada, 7).await;
    let etag = page.header("etag").to_owned();
    assert!(etag.starts_with('"') && etag.len() > 2, "{etag}");
    let get_with_tag = async |tag: Vec<u8>| {
        let tag = HeaderValue::from_bytes(&tag).unwrap();
        let request = ada
            .request(Method::GET, "/static/games/7.html")
            .header(IF_NONE_MATCH, tag);
        send(request).await
    };

    for tag in [
        etag.clone().into_bytes(),
        format!("W/{etag}").into_bytes(),
        format!("\"other\", {etag}").into_bytes(),
        [b"\"\xe9\", ", etag.as_bytes()].concat(),
        b"*".to_vec(),
    ] {
        let same = get_with_tag(tag).await;
        assert_eq!(
            (same.status, same.body.as_str()),
            (StatusCode::NOT_MODIFIED, "")
        );
        assert_eq!(same.header("etag"), etag);
    }
    assert_eq!(
        get_with_tag(b"\"other\"".to_vec()).await.status,
        StatusCode::OK
    );

    ada.set_price(7, 4_242).await;
    static_page(&ada, 7).await;
    let changed = get_with_tag(etag.into_bytes()).await;
    assert_eq!(
        changed.status,
        StatusCode::OK,
        "the page has changed, so its old tag must not match"
    );
    assert!(changed.body.contains("42.42"));
}

#[tokio::test]
async fn page_never_shows_an_old_price() {
    let store = start().await;
    let ada = store.customer("ada").await;
    for cents in 5_000..5_050 {
        ada.set_price(7, cents).await;
        let page = ada.get("/static/games/7.html").await;
        let price = format!("${}.{:02}", cents / 100, cents % 100);
        assert!(
            page.body.contains(&price),
            "{price} is missing on the page, which was rendered as {}",
            page.header("x-rendered")
        );
    }
}

#[tokio::test]
async fn images_and_styles_are_served() {
    let store = start().await;
    let client = store.anonymous_client();
    let game = client.game(7).await;
    let drawings = game["images"]
        .as_array()
        .unwrap()
        .iter()
        .chain([&game["trailer"]]);
    for path in drawings
        .map(|path| path.as_str().unwrap())
        .chain(["/static/icon.svg"])
    {
        let drawing = client.get(path).await;
        assert_eq!(
            (drawing.status, drawing.header("content-type")),
            (StatusCode::OK, "image/svg+xml"),
            "{path}"
        );
        assert!(drawing.body.starts_with("<svg"), "{path}");
    }
    for (path, kind) in [
        ("/static/style.css", "text/css"),
        ("/static/job.js", "text/javascript"),
    ] {
        let file = client.get(path).await;
        assert_eq!(file.status, StatusCode::OK);
        assert!(file.header("content-type").starts_with(kind), "{path}");
    }
}
