//! What the balancer tells about its clones: to a person, to `/metrics`, and to tests.
//!
//! Left out: a history. Counters only grow, and whoever asks twice can subtract.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::health::State;
use super::metrics::Histogram;

/// How a clone is doing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UpstreamStatus {
    /// Its name, as given to [`Upstream::new`](super::Upstream::new).
    pub name: String,
    /// Where it listens.
    pub addr: SocketAddr,
    /// Its weight.
    pub weight: u32,
    /// What the balancer thinks of it.
    pub state: State,
    /// Whether it gets new requests.
    pub is_up: bool,
    /// Requests that it has got, and whose answers have not been passed on to their ends.
    pub in_flight: usize,
    /// How many requests were sent to it, repeated ones included.
    pub requests: u64,
    /// How often it could not be connected to, broke off before its answer, or did not answer in time.
    pub failures: u64,
    /// How often it answered with 500, 502 or 504.
    pub errors: u64,
    /// How often it was taken out, by failures or by probes.
    pub ejections: u64,
    /// How many of its requests had failed at another clone before.
    pub retries: u64,
    /// How long it takes to the head of its answer: [`PeakEwma`](super::strategy::PeakEwma)'s moving average. In seconds, as JSON.
    #[serde(rename = "latency_seconds", serialize_with = "seconds")]
    pub latency: Duration,
    /// How long all its answers took, to their heads.
    #[serde(skip)]
    pub responses: Histogram,
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}
