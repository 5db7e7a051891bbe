//! The load generator of every chapter: it stands outside the system, asks, and writes down what came back.
//!
//! It has two ways to ask. In a **closed loop** ([`closed_loop`]) each connection sends, waits for the answer, and sends
//! again: so many customers, each of whom is patient. It shows how much a system can do. In an **open loop**
//! ([`open_loop`]) requests fall due at fixed times, whether or not the system keeps up, as they do when strangers knock
//! at a web site. It shows how long people wait.
//!
//! # Coordinated omission
//!
//! A closed loop is too polite to measure waiting. When the server stalls for a second, ten connections send ten slow
//! requests and then hold back the thousand that other people would have sent in that second, so the report has ten bad
//! numbers among many thousand good ones, and its p99 looks healthy. The generator has *coordinated* with the server to
//! *omit* the bad part. The name is Gil Tene's ("How NOT to Measure Latency",
//! <https://www.infoq.com/presentations/latency-response-time/>). The cure is that of his `wrk2`
//! (<https://github.com/giltene/wrk2>): count each latency from the time at which the request was *due*, not from the time
//! at which the generator got round to sending it. [`open_loop`] does so; take quantiles from there.
//!
//! # What keeps a run honest
//!
//! * Load goes to this machine only: [`Target`] refuses every other address.
//! * Every run ends: [`MAX_RUN`] bounds the sending, [`RESPONSE_TIMEOUT`] each answer.
//! * A dropped connection, a time-out and a 5xx are [failures](Report::failures), never answers with a good time.
//! * A generator that could not keep its own schedule says so: [`Report::is_conclusive`].
//!
//! Left out: stages that raise the rate, thresholds, TLS, HTTP/2, redirects (counted as the 3xx that they are), and
//! checks of what the answer says: only its status is looked at, and its body is read to the end and dropped.

mod closed;
mod connection;
mod limit;
mod open;
mod pacer;
#[cfg(feature = "plots")]
pub mod plots;
mod report;
mod request;
mod target;

pub use closed::closed_loop;
pub use limit::{Limit, MAX_RUN, RESPONSE_TIMEOUT};
pub use open::open_loop;
pub use report::Report;
pub use request::Request;
pub use target::{Target, TargetError};
