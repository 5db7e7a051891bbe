//! A store whose orders are on a Citus coordinator (`CITUS_URL`). Here plain PostgreSQL stands in
//! for it; the tests of chapter 2 run on a real one.

use ch05_full::services::external::OrderAddresses;
use reqwest::StatusCode;
use sqlx::{Connection, PgConnection};

use crate::support::TestStore;

#[tokio::test]
async fn store_on_citus_places_and_lists_orders() {
    let coordinator = testbed::postgres().await.unwrap();
    let mut db = PgConnection::connect(&coordinator.url()).await.unwrap();
    let stand_in = "CREATE FUNCTION create_distributed_table(regclass, text) RETURNS void \
         LANGUAGE sql AS ''";
    sqlx::query(stand_in).execute(&mut db).await.unwrap();
    let store = Box::pin(TestStore::start_external_with(|addresses| {
        addresses.orders = OrderAddresses::Citus(coordinator.url());
    }))
    .await;
    let ada = store.customer("ada").await;
    let created = ada.order(7, 1, "key").await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.body);
    assert_eq!(created.header("x-shard"), "0");
    assert_eq!(ada.order(7, 1, "key").await.json(), created.json());
    assert_eq!(ada.all_orders().await, [created.json()]);
    let sample = store.anonymous_client().get("/orders/1").await;
    assert_eq!(sample.status, StatusCode::OK, "{}", sample.body);
}
