//! The roles of the store. One process may play all of them (`serve`), or each has a process of its own (`clone`, `worker`,
//! `publisher`, `balancer`), if what they stand on can be reached from several processes.

use crate::services::Services;

pub mod balancer;
pub mod clone;
pub mod notifier;
pub mod publisher;
pub mod worker;

/// Makes sure that events are kept for those who want them, from before the first request. If the broker is away now, those events
/// that come before it is back are nobody's; that is no reason not to sell games.
pub async fn subscribe(services: &Services) {
    let subscribed = async {
        publisher::subscribe(services).await?;
        notifier::subscribe(services).await
    };
    if let Err(error) = subscribed.await {
        tracing::warn!(%error, "events are not kept for the publisher and the notifiers yet");
    }
}
