//! The roles of the store.
//!
//! One process can run all roles (`serve`), or one role each (`balancer`, `clone`, `worker`,
//! `publisher`) if the services are external.

pub mod balancer;
pub mod clone;
pub mod notifier;
pub mod publisher;
pub mod task;
pub mod worker;

use crate::services::Services;

/// Creates the event queues, so the broker keeps events from before the first request.
///
/// If the broker does not answer now, the events until it is back are lost. The store starts
/// anyway.
pub async fn subscribe(services: &Services) {
    let subscribed = async {
        publisher::subscribe(services).await?;
        notifier::subscribe(services).await
    };
    if let Err(error) = subscribed.await {
        tracing::warn!(%error, "the broker does not keep events yet");
    }
}
