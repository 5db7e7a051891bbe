//! The balancer's time-outs.

use std::time::Duration;

use serde::Deserialize;

/// How long the balancer waits for a clone in each step of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// To open a TCP connection. A machine that is switched off does not refuse connections; it
    /// does not respond at all.
    #[serde(with = "humantime_serde")]
    pub connect: Duration,
    /// From the last byte of the request to the end of the response's head. Then the balancer
    /// retries, or answers 504.
    #[serde(with = "humantime_serde")]
    pub response: Duration,
    /// From the request's head to the response's head, all attempts together. The time in which the
    /// client sends a body does not count.
    #[serde(with = "humantime_serde")]
    pub total: Duration,
    /// For the clone's `100 Continue`, if the client waits for it (`Expect: 100-continue`). Then
    /// the balancer sends the body anyway: the clone may not know this expectation (RFC 9110,
    /// section 10.1.1).
    #[serde(with = "humantime_serde")]
    pub expect_continue: Duration,
    /// Between two pieces of a response body. Then the balancer cuts the response off. An event
    /// stream needs heartbeats more often than this.
    #[serde(with = "humantime_serde", alias = "gap")]
    pub read: Duration,
    /// How long an unused connection stays in the pool. It must be shorter than the clone's own
    /// limit ([`Limits::head_timeout`](crate::web::limits::Limits::head_timeout)); otherwise the
    /// balancer often sends into a connection that the clone is closing.
    #[serde(with = "humantime_serde", alias = "idle")]
    pub pool_idle: Duration,
    /// How long a WebSocket may carry no bytes in both directions. Chats send a ping more often.
    #[serde(with = "humantime_serde")]
    pub tunnel: Duration,
}

impl Default for Timeouts {
    /// 1 s to connect, 30 s to respond, 45 s for all attempts, 1 s for `100 Continue`, 60 s between
    /// pieces of a response, 5 s in the pool, 10 min for a silent WebSocket.
    fn default() -> Self {
        Timeouts {
            connect: Duration::from_secs(1),
            response: Duration::from_secs(30),
            total: Duration::from_secs(45),
            expect_continue: Duration::from_secs(1),
            read: Duration::from_mins(1),
            pool_idle: Duration::from_secs(5),
            tunnel: Duration::from_mins(10),
        }
    }
}
