//! The closed loop: each connection asks, waits for the answer, and asks again. It finds out how much a system can do.
//!
//! The number of connections is the number of requests under way: when the server slows down, so does the load. That is
//! what makes it right for throughput and wrong for waiting times (see the crate's page on coordinated omission). Left
//! out: a time to think between two requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::connection::{Connection, PAUSE_AFTER_REFUSAL, TransportError};
use crate::limit::Limit;
use crate::report::Report;
use crate::request::Request;
use crate::target::Target;

/// Sends from `connections` connections, each as fast as it is answered, until `limit` is reached.
///
/// `make_request` gets the number of the request, counted from 0 over all connections. A latency is the time from the
/// start of sending to the last byte of the answer; the first request of a connection includes connecting.
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
        "a closed loop needs at least one connection to send from"
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
                    tokio::time::sleep(PAUSE_AFTER_REFUSAL).await;
                }
            }
            report
        });
    }

    Report::collect(tasks, start).await
}
