//! The status of one clone, for the admin API, the metrics and tests.
//!
//! Left out: a history. The counters only grow, so a client that reads them twice can subtract.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::histogram::Histogram;
use crate::balancer::health::HealthState;

/// The status of one clone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UpstreamStatus {
    /// The name given to [`Upstream::new`](crate::balancer::Upstream::new).
    pub name: String,
    /// The address at which the clone listens.
    pub addr: SocketAddr,
    /// The clone's capacity, compared with the other clones.
    pub weight: u32,
    /// The clone's health, or that it is draining.
    pub state: HealthState,
    /// Whether the clone gets new requests.
    pub is_up: bool,
    /// Requests whose responses have not been passed on to their last byte.
    pub in_flight: usize,
    /// Requests that were sent to the clone, retries included.
    pub requests: u64,
    /// Attempts without a response: the balancer could not connect, the connection broke, or the
    /// time was over.
    pub failures: u64,
    /// Responses with 500, 502 or 504.
    pub errors: u64,
    /// How often the clone was ejected or marked as down.
    pub ejections: u64,
    /// Attempts at this clone after the request had failed at another one.
    pub retries: u64,
    /// Expected time to the head of a response: the moving average of
    /// [`PeakEwma`](crate::balancer::strategy::PeakEwma). In seconds, as JSON.
    #[serde(rename = "latency_seconds", serialize_with = "as_seconds")]
    pub latency: Duration,
    /// Times to the head of each response.
    #[serde(skip)]
    pub response_times: Histogram,
}

fn as_seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}
