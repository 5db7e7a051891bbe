//! The open loop: requests are due at fixed times, and each latency counts from there.
//!
//! While all connections are busy, due requests wait in a queue of the generator. The server causes
//! this wait, so it is part of the latency. Delays of the generator itself are part of it too, but
//! they are counted: if they affect more than 1 % of the sends, the run is inconclusive
//! ([`Report::late_by_generator`]).
//!
//! A late send counts as the generator's delay if its slot was noticed late (see `pacer`), or if a
//! connection was free before it was due. Otherwise all connections were waiting for the server.
//! One case is counted as the server's: a response that lies in the socket while the generator gets
//! no processor time. It makes the server look slower, never faster.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::connection::Connection;
use crate::limit::MAX_RUN;
use crate::pacer::{self, LATE_AFTER, Pacer, Slot};
use crate::report::Report;
use crate::request::Request;
use crate::target::Target;

/// Sends `rate_per_second` requests per second for `duration` (at most [`MAX_RUN`]), over at most
/// `connections` connections.
///
/// Use at least rate × the time of a slow response in seconds connections. With fewer, the queue
/// for a connection dominates the result. `make_request` gets the number of the request, counted
/// from 0. After the schedule, requests in flight or in the queue get one more response time-out,
/// and then count as errors. So every due request is in the report.
///
/// # Panics
/// If `rate_per_second` or `connections` is 0, or if `make_request` panics.
pub async fn open_loop(
    target: &Target,
    rate_per_second: u32,
    connections: usize,
    duration: Duration,
    make_request: impl Fn(u64) -> Request + Send + Sync + 'static,
) -> Report {
    assert!(
        rate_per_second > 0,
        "an open loop needs a rate of at least 1 request per second"
    );
    assert!(
        connections > 0,
        "an open loop needs at least one connection"
    );
    let duration = duration.min(MAX_RUN);
    let make_request = Arc::new(make_request);
    let start = Instant::now();
    let final_deadline = start + duration + target.response_timeout;

    let pacer = Pacer::start(start, pacer::constant_rate(rate_per_second, duration));
    let pacer = Arc::new(Mutex::new(pacer));
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let make_request = Arc::clone(&make_request);
        let pacer = Arc::clone(&pacer);
        let target = target.clone();
        tasks.spawn(async move {
            let mut report = Report::default();
            let mut connection = Connection::new(target.clone());
            loop {
                let free_since = Instant::now();
                // The lock is held while waiting. The first free connection waits for a slot, the
                // others wait for the lock.
                let Some(slot) = pacer.lock().await.slots.recv().await else {
                    break;
                };
                let request = make_request(slot.n);
                let sent = Instant::now();
                record_lateness(&mut report, &slot, free_since, sent);
                let deadline = final_deadline.min(sent + target.response_timeout);
                let outcome = connection.exchange(request, deadline.into()).await;
                report.record(&outcome, slot.due.elapsed());
            }
            report
        });
    }

    Report::collect(tasks, start.into()).await
}

fn record_lateness(report: &mut Report, slot: &Slot, free_since: Instant, sent: Instant) {
    let late = sent.saturating_duration_since(slot.due) > LATE_AFTER;
    let was_connection_free = free_since <= slot.due;
    report.scheduled += 1;
    report.late += u64::from(late);
    report.late_by_generator += u64::from(late && (slot.noticed_late || was_connection_free));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records a send that was due at 100 ms. Returns (late, late because of the generator).
    fn lateness(noticed_late: bool, free_since_ms: u64, sent_ms: u64) -> (u64, u64) {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let slot = Slot {
            n: 0,
            due: at(100),
            noticed_late,
        };
        let mut report = Report::default();
        record_lateness(&mut report, &slot, at(free_since_ms), at(sent_ms));
        assert_eq!(report.scheduled, 1);
        (report.late, report.late_by_generator)
    }

    #[test]
    fn send_within_a_millisecond_is_not_late() {
        assert_eq!(lateness(false, 50, 101), (0, 0));
    }

    #[test]
    fn wait_for_busy_connections_is_the_servers_delay() {
        assert_eq!(lateness(false, 400, 400), (1, 0));
    }

    #[test]
    fn late_send_with_free_connection_blames_generator() {
        assert_eq!(lateness(false, 50, 102), (1, 1));
    }

    #[test]
    fn slot_noticed_late_blames_generator() {
        assert_eq!(lateness(true, 400, 400), (1, 1));
    }
}
