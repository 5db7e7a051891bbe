//! The open loop: requests fall due at fixed times, and each latency counts from there. It finds out how long people wait.
//!
//! While all connections are busy, due requests queue here in the generator, as they would in the network or in people's
//! browsers; their waiting is the server's doing and goes into their latency. The generator's own delays go into it as well,
//! for they cannot be taken out again, but they are counted ([`Report::late_by_generator`]) so that a run which owes more
//! than 1 % of its sends to them is called inconclusive.
//!
//! Telling the two apart: a late send is the generator's own fault if its slot was noticed late (see `pacer`), or if a
//! connection had been free since before it was due. Else every connection was waiting for the server. One case is left
//! in doubt: answers that lay in the socket while the generator had no processor to read them. They make the server
//! look slower, never faster, and a machine that busy also notices its slots late.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::connection::Connection;
use crate::limit::MAX_RUN;
use crate::pacer::{self, LATE, Pacer, Slot};
use crate::report::Report;
use crate::request::Request;
use crate::target::Target;

/// Sends `rate_per_second` requests a second for `duration` (cut to [`MAX_RUN`]), over at most `connections` connections.
///
/// Choose enough connections, at least rate × the time of a slow answer in seconds, else you measure their queue.
/// `make_request` gets the number of the request, counted from 0. When the schedule is over, what is under way or still
/// queued gets one response time-out more; what has no answer then is an error. So every due request is in the report.
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
        "an open loop needs at least one connection to send from"
    );
    let duration = duration.min(MAX_RUN);
    let make_request = Arc::new(make_request);
    let start = Instant::now();
    let give_up = start + duration + target.response_timeout;

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
                // The lock is held while waiting: the first free connection waits for a slot, the others for their turn.
                let Some(slot) = pacer.lock().await.slots.recv().await else {
                    break;
                };
                let request = make_request(slot.n);
                let sent = Instant::now();
                record_punctuality(&mut report, &slot, free_since, sent);
                let deadline = give_up.min(sent + target.response_timeout);
                let outcome = connection.exchange(request, deadline.into()).await;
                report.record(&outcome, slot.due.elapsed());
            }
            report
        });
    }

    Report::collect(tasks, start.into()).await
}

fn record_punctuality(report: &mut Report, slot: &Slot, free_since: Instant, sent: Instant) {
    let late = sent.saturating_duration_since(slot.due) > LATE;
    let a_connection_was_free = free_since <= slot.due;
    report.scheduled += 1;
    report.late += u64::from(late);
    report.late_by_generator += u64::from(late && (slot.noticed_late || a_connection_was_free));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A send that was due at 100 ms: late, and late by the generator's own fault?
    fn punctuality(noticed_late: bool, free_since_ms: u64, sent_ms: u64) -> (u64, u64) {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let slot = Slot {
            n: 0,
            due: at(100),
            noticed_late,
        };
        let mut report = Report::default();
        record_punctuality(&mut report, &slot, at(free_since_ms), at(sent_ms));
        assert_eq!(report.scheduled, 1);
        (report.late, report.late_by_generator)
    }

    #[test]
    fn a_send_within_a_millisecond_of_its_time_is_punctual() {
        assert_eq!(punctuality(false, 50, 101), (0, 0));
    }

    #[test]
    fn a_send_that_waited_for_a_busy_connection_is_not_the_generators_fault() {
        assert_eq!(punctuality(false, 400, 400), (1, 0));
    }

    #[test]
    fn a_send_that_was_late_although_a_connection_was_free_is_the_generators_fault() {
        assert_eq!(punctuality(false, 50, 102), (1, 1));
    }

    #[test]
    fn a_slot_that_was_noticed_late_is_the_generators_fault_even_if_every_connection_was_busy() {
        assert_eq!(punctuality(true, 400, 400), (1, 1));
    }
}
