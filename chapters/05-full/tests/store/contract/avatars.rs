//! Avatars: every clone serves an avatar that one clone has received.

use reqwest::Method;

use super::start;
use crate::support::send;

/// The signature of a PNG and some text. The store checks only the signature.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and the rest of a picture";

#[tokio::test]
async fn avatar_is_served_by_every_clone() {
    let store = start().await;
    let ada = store.customer("ada").await;
    store
        .anonymous_client()
        .get("/users/ada/avatar")
        .await
        .problem(404);

    let sent = send(ada.request(Method::PUT, "/me/avatar").body(PNG)).await;

    assert_eq!(sent.status.as_u16(), 204, "{}", sent.body);
    for _ in 0..3 {
        let served = store
            .anonymous_client()
            .request(Method::GET, "/users/ada/avatar")
            .send()
            .await
            .unwrap();
        assert_eq!(served.headers()["content-type"], "image/png");
        assert_eq!(served.bytes().await.unwrap(), PNG);
    }
}

#[tokio::test]
async fn avatar_has_its_own_size_limit() {
    let store = start().await;
    let ada = store.customer("ada").await;
    let picture = |bytes: usize| {
        let mut picture = PNG.to_vec();
        picture.resize(bytes, 0);
        send(ada.request(Method::PUT, "/me/avatar").body(picture))
    };
    assert_eq!(picture(256 * 1024).await.status.as_u16(), 204);
    picture(256 * 1024 + 1).await.problem(413);
}

#[tokio::test]
async fn invalid_or_anonymous_avatar_is_rejected() {
    let store = start().await;
    let ada = store.customer("ada").await;
    let not_a_picture = ada
        .request(Method::PUT, "/me/avatar")
        .header("content-type", "image/png");
    send(not_a_picture.body("<svg onload=alert(1)>"))
        .await
        .problem(415);
    send(
        store
            .anonymous_client()
            .request(Method::PUT, "/me/avatar")
            .body(PNG),
    )
    .await
    .problem(401);
}
