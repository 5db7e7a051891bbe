//! Redis hangs: public pages do not wait for it, and only what needs the login is refused.

use reqwest::StatusCode;
use testbed::{Server, Service};

use crate::support::{TestStore, poll_until};

#[tokio::test]
async fn public_pages_work_while_redis_hangs() {
    let redis = Server::start(Service::Redis).await.unwrap();
    let store = Box::pin(TestStore::start_external_with(|addresses| {
        addresses.redis = redis.url();
    }))
    .await;
    let ada = store.customer("ada").await;
    let order = ada.order(7, 1, "before-the-outage").await;
    let order = order.location().to_owned();

    redis.pause().await.unwrap();
    let browsing = async {
        for path in [
            "/",
            "/games",
            "/games/7",
            "/login",
            "/orders/1",
            "/",
            "/games/7",
        ] {
            for page in [ada.get(path).await, ada.get_html(path).await] {
                assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.body);
            }
        }
    };
    tokio::select! {
        biased;
        () = browsing => {}
        me = ada.get("/me") => panic!("{}: 14 pages took as long as one time-out", me.status),
    }
    for path in ["/me", "/orders", &order] {
        let refused = ada.get(path).await;
        assert_eq!(
            refused.status,
            StatusCode::SERVICE_UNAVAILABLE,
            "{path} needs the login: {}",
            refused.body
        );
        assert_eq!(refused.header("retry-after"), "1");
    }
    redis.unpause().await.unwrap();

    poll_until(async || (ada.get("/me").await.status == StatusCode::OK).then_some(())).await;
    assert_eq!(ada.get(&order).await.status, StatusCode::OK);
}
