//! Avatars: uploaded through one clone, served by all.

use reqwest::Method;

use super::start;
use crate::support::send;

/// The smallest thing that begins like a PNG; nobody here looks further.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and the rest of a picture";

#[tokio::test]
async fn a_picture_sent_to_one_clone_is_served_by_all() {
    let store = start().await;
    let ada = store.customer("ada").await;
    store.visitor().get("/users/ada/avatar").await.problem(404);

    let sent = send(ada.request(Method::PUT, "/me/avatar").body(PNG)).await;

    assert_eq!(sent.status.as_u16(), 204, "{}", sent.body);
    for _ in 0..3 {
        let served = store
            .visitor()
            .request(Method::GET, "/users/ada/avatar")
            .send()
            .await
            .unwrap();
        assert_eq!(served.headers()["content-type"], "image/png");
        assert_eq!(served.bytes().await.unwrap(), PNG);
    }
}

#[tokio::test]
async fn a_picture_may_be_larger_than_other_bodies_but_not_any_size() {
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
async fn what_is_no_picture_and_what_is_nobodys_is_refused() {
    let store = start().await;
    let ada = store.customer("ada").await;
    let not_a_picture = ada
        .request(Method::PUT, "/me/avatar")
        .header("content-type", "image/png");
    send(not_a_picture.body("<svg onload=alert(1)>"))
        .await
        .problem(415);
    send(store.visitor().request(Method::PUT, "/me/avatar").body(PNG))
        .await
        .problem(401);
}
