//! RSVPs: accepted at once, with notifications on both channels later.

use serde_json::json;

use super::start;
use crate::support::poll_until;

#[tokio::test]
async fn rsvp_reaches_both_channels() {
    let store = start().await;
    let ada = store.customer("ada").await;

    let response = ada.post("/events/7/rsvp", json!({})).await;

    assert_eq!(response.status.as_u16(), 202, "{}", response.body);
    let accepted = response.json();
    assert_eq!(
        (&accepted["event_id"], &accepted["customer"]),
        (&json!(7), &json!("ada"))
    );
    poll_until(async || {
        let metrics = ada.get("/metrics").await.body;
        let sent = |channel| {
            metrics.contains(&format!("notifications_total{{channel=\"{channel}\"}} 1\n"))
        };
        (sent("email") && sent("push")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn rsvp_requires_a_session_and_an_event() {
    let store = start().await;
    store
        .anonymous_client()
        .post("/events/7/rsvp", json!({}))
        .await
        .problem(401);
    let ada = store.customer("ada").await;
    ada.post("/events/999999/rsvp", json!({}))
        .await
        .problem(404);
    ada.post("/events/7x/rsvp", json!({})).await.problem(400);
}
