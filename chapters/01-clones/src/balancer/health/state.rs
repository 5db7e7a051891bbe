//! The results of attempts, and the states of a clone that follow from them.

use serde::Serialize;

/// The result of one attempt to get a response from a clone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The clone responded. 503 counts as success too: it means "not now", and other clones with
    /// the same database would say the same.
    Success,
    /// The clone responded with 500, 502 or 504.
    ServerError,
    /// The balancer could not connect.
    ConnectFailed,
    /// The connection broke before the response, or the response did not come in time.
    NoResponse,
    /// The client broke off, or its deadline passed first. This says nothing about the clone.
    Inconclusive,
}

/// A clone's health, as the balancer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthState {
    /// The clone gets its full share of the requests.
    Up,
    /// The clone came back or was added recently, and gets a growing part of its share.
    SlowStart,
    /// The clone is unhealthy, but stays in rotation because at least half of the clones must.
    Spared,
    /// Requests to the clone failed. It gets no requests for a while.
    Ejected,
    /// Probes of the clone fail. It gets no requests.
    Down,
    /// The operator drains the clone. It gets no new requests.
    Draining,
}
