//! The closed loop: each connection sends a request, waits for the response, and sends the next
//! one.
//!
//! The number of requests in flight is the number of connections. When the server slows down, so
//! does the load. That is right for throughput and wrong for waiting times (coordinated omission,
//! see the crate's documentation).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::connection::{CONNECT_RETRY_DELAY, Connection, TransportError};
use crate::limit::Limit;
use crate::report::Report;
use crate::request::Request;
use crate::target::Target;

/// Sends requests over this many connections, one after the other on each, until `limit` is
/// reached.
///
/// `make_request` gets the number of the request, counted from 0 over all connections. A latency is
/// the time from the start of sending to the last byte of the response. For the first request of a
/// connection it includes connecting.
///
/// # Panics
/// If `connections` is 0, or if `make_request` panics.
pub async fn closed_loop(
    target: &Target,
    connections: usize,
    limit: Limit,
    make_request: impl Fn(u64) -> Request + Send + Sync + 'static,
) -> Report {
    assert!(
        connections > 0,
        "a closed loop needs at least one connection"
    );
    let make_request = Arc::new(make_request);
    let next = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let stop = start + limit.max_duration();

    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let make_request = Arc::clone(&make_request);
        let next = Arc::clone(&next);
        let target = target.clone();
        tasks.spawn(async move {
            let mut report = Report::default();
            let mut connection = Connection::new(target.clone());
            while Instant::now() < stop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if limit.max_requests().is_some_and(|count| n >= count) {
                    break;
                }
                let request = make_request(n);
                let sent = Instant::now();
                let outcome = connection
                    .exchange(request, sent + target.response_timeout)
                    .await;
                report.record(&outcome, sent.elapsed());
                if let Err(TransportError::Connect(_)) = outcome {
                    tokio::time::sleep(CONNECT_RETRY_DELAY).await;
                }
            }
            report
        });
    }

    Report::collect(tasks, start).await
}
