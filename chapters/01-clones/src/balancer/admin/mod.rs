//! The admin API: an HTTP interface for operators, deploys and Prometheus, on its own address.
//!
//! Left out: authentication, and a log of changes.

mod api;
mod metrics;

pub use api::router;
pub(crate) use api::{refuse_browsers, routes};
pub use metrics::{METRICS_CONTENT_TYPE, UpstreamMetrics};
