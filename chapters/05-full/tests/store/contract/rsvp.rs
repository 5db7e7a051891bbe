//! RSVPs: answered at once, told over both channels afterwards.

use serde_json::json;

use super::start;
use crate::support::poll_until;

#[tokio::test]
async fn an_rsvp_is_answered_at_once_and_reaches_both_channels() {
    let store = start().await;
    let ada = store.customer("ada").await;

    let answer = ada.post("/events/7/rsvp", json!({})).await;

    assert_eq!(answer.status.as_u16(), 202, "{}", answer.body);
    let taken = answer.json();
    assert_eq!(
        (&taken["event_id"], &taken["customer"]),
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
async fn an_rsvp_needs_a_customer_and_an_event() {
    let store = start().await;
    store
        .visitor()
        .post("/events/7/rsvp", json!({}))
        .await
        .problem(401);
    let ada = store.customer("ada").await;
    ada.post("/events/999999/rsvp", json!({}))
        .await
        .problem(404);
    ada.post("/events/7x/rsvp", json!({})).await.problem(400);
}
