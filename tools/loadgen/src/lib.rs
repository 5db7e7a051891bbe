//! The load generator of every chapter: it sends HTTP requests to a server on this machine and
//! reports the latencies and the failures.
//!
//! It has two workload models. In a **closed loop** ([`closed_loop`]) each connection sends a
//! request, waits for the response, and sends the next one. It measures the maximum throughput. In
//! an **open loop** ([`open_loop`]) requests are due at fixed times, whether the server keeps up or
//! not, as they are from independent users. It measures how long clients wait.
//!
//! # Coordinated omission
//!
//! A closed loop cannot measure waiting times. When the server stalls for a second, ten connections
//! send ten slow requests, and do not send the thousand requests that other clients would have sent
//! in that second. The report has ten slow responses among many thousand fast ones, and its p99
//! looks healthy. Gil Tene calls this *coordinated omission* ("How NOT to Measure Latency",
//! <https://www.infoq.com/presentations/latency-response-time/>): the generator coordinates with
//! the server and omits the slow part. His `wrk2` (<https://github.com/giltene/wrk2>) counts each
//! latency from the time at which the request was *due*, not from the time at which it was sent.
//! [`open_loop`] does the same, so take quantiles from there.
//!
//! # What makes a run reliable
//!
//! * Load goes to this machine only: [`Target`] refuses every other address.
//! * Every run ends: [`MAX_RUN`] limits the sending, [`RESPONSE_TIMEOUT`] each response.
//! * A dropped connection, a time-out and a 5xx are [failures](Report::failures).
//! * If the generator misses its own schedule, the report says so: [`Report::is_conclusive`].
//!
//! Left out: stages with different rates, thresholds, TLS, HTTP/2, think times, pipelining,
//! cookies, streamed request bodies, redirects (counted as 3xx), and checks of response bodies.

mod closed_loop;
mod connection;
mod limit;
mod open_loop;
mod pacer;
#[cfg(feature = "plots")]
pub mod plots;
mod report;
mod request;
mod target;

pub use closed_loop::closed_loop;
pub use limit::{Limit, MAX_RUN, RESPONSE_TIMEOUT};
pub use open_loop::open_loop;
pub use report::Report;
pub use request::Request;
pub use target::{Target, TargetError, base_url};
