//! The limits of a server: how long it waits for a client, and how much it accepts from one.

use std::time::Duration;

use serde::Deserialize;

/// The time-outs and sizes of one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
// The aliases are the keys of earlier configuration files.
pub struct Limits {
    /// Time for a complete request head. It is also how long a connection may be idle.
    ///
    /// Without this time-out, a client can send half a head and keep the connection for ever
    /// (*slowloris*).
    #[serde(alias = "head", with = "humantime_serde")]
    pub head_timeout: Duration,
    /// Time that a request body may make its reader wait, for the next piece and in total. Bytes
    /// that arrive extend it at `body_rate`.
    #[serde(alias = "body", with = "humantime_serde")]
    pub body_timeout: Duration,
    /// The minimum rate of a request body that makes its reader wait, in bytes per second. A faster
    /// body may take as long as it needs.
    #[serde(alias = "rate")]
    pub body_rate: u32,
    /// Time that a client may read nothing of a response while all buffers are full.
    #[serde(alias = "unread", with = "humantime_serde")]
    pub write_timeout: Duration,
    /// Time without a byte sent to a client that has closed its side of the connection during a
    /// request. Such a client still reads (*half-close*) or has left; only a write shows which.
    #[serde(with = "humantime_serde")]
    pub half_close_timeout: Duration,
    /// Time for the requests in flight after a shutdown has begun. The server then closes their
    /// connections.
    #[serde(alias = "grace", with = "humantime_serde")]
    pub shutdown_timeout: Duration,
    /// The maximum number of open connections. One more gets a 503, and is closed.
    pub connections: usize,
    /// The maximum number of open connections from one client: an IPv4 address or an IPv6 /64
    /// network. One more gets a 429. A proxy counts as one client.
    pub connections_per_client: usize,
    /// The maximum size of a request head, in bytes. A larger one gets a 431.
    pub head_bytes: usize,
    /// The maximum number of header fields in a request. More get a 431.
    ///
    /// The balancer adds fields, so it must accept fewer than the clones behind it: see
    /// [`balancer::run`](crate::balancer::run).
    pub headers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            body_rate: 512,
            write_timeout: Duration::from_secs(30),
            half_close_timeout: Duration::from_secs(3),
            shutdown_timeout: Duration::from_secs(3),
            connections: 8192,
            connections_per_client: 2048,
            head_bytes: 64 * 1024,
            headers: 128,
        }
    }
}
