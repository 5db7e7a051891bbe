//! The pacer of the open loop: a thread that emits a [`Slot`] when a request is due.
//!
//! It is a thread because tokio's timer counts in whole milliseconds, the distance between two
//! requests at 1,000 requests per second. The operating system's timer is accurate to about 50 µs.
//! The slots pass through a task of the runtime, the *forwarder*, into the queue from which the
//! connections take them. The forwarder only checks the time: a delay of the forwarder is a delay
//! of the generator.

use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::task::AbortOnDropHandle;

/// A send that starts later than this after its due time is late.
pub(crate) const LATE_AFTER: Duration = Duration::from_millis(1);

/// One intended send.
pub(crate) struct Slot {
    /// The number of the request, counted from 0.
    pub(crate) n: u64,
    /// When it should be sent.
    pub(crate) due: Instant,
    /// Whether the generator itself noticed too late that the request is due.
    pub(crate) noticed_late: bool,
}

/// A queue of due slots. It has no bound, because a slow server must not slow the schedule down. It
/// has at most rate × [`MAX_RUN`](crate::MAX_RUN) slots.
pub(crate) struct Pacer {
    pub(crate) slots: UnboundedReceiver<Slot>,
    _forwarder: AbortOnDropHandle<()>,
}

impl Pacer {
    /// Starts a schedule of times after `start`. It stops early when the `Pacer` is dropped.
    pub(crate) fn start(
        start: Instant,
        schedule: impl Iterator<Item = Duration> + Send + 'static,
    ) -> Self {
        let (due_times, mut due) = unbounded_channel::<(u64, Instant)>();
        let (queue, slots) = unbounded_channel();

        thread::spawn(move || {
            for (n, offset) in (0..).zip(schedule) {
                let due = start + offset;
                thread::sleep(due.saturating_duration_since(Instant::now()));
                if due_times.send((n, due)).is_err() {
                    // The run has been cancelled.
                    return;
                }
            }
        });

        let forwarder = AbortOnDropHandle::new(tokio::spawn(async move {
            while let Some((n, due)) = due.recv().await {
                let noticed_late = due.elapsed() > LATE_AFTER;
                if queue
                    .send(Slot {
                        n,
                        due,
                        noticed_late,
                    })
                    .is_err()
                {
                    return;
                }
            }
        }));

        Pacer {
            slots,
            _forwarder: forwarder,
        }
    }
}

/// The due times of `rate` requests per second for `duration`, evenly spaced. The first is due at
/// once.
pub(crate) fn constant_rate(
    rate: u32,
    duration: Duration,
) -> impl Iterator<Item = Duration> + Send {
    let due = move |n: u64| {
        Duration::from_nanos((u128::from(n) * 1_000_000_000 / u128::from(rate)) as u64)
    };
    (0..).map(due).take_while(move |due| *due < duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_gives_that_many_slots_per_second() {
        assert_eq!(constant_rate(7, Duration::from_secs(1)).count(), 7);
        assert_eq!(
            constant_rate(1_000, Duration::from_millis(300)).count(),
            300
        );
    }

    #[test]
    fn due_times_do_not_drift() {
        let due = constant_rate(3, Duration::from_mins(1)).nth(150);
        assert_eq!(due, Some(Duration::from_secs(50)));
    }

    /// The forwarder shares this test's only thread, so it cannot run while the test keeps it busy.
    #[tokio::test]
    async fn generator_notices_that_it_was_late() {
        let start = Instant::now();
        let mut pacer = Pacer::start(start, constant_rate(1_000, Duration::from_millis(5)));
        while start.elapsed() < Duration::from_millis(20) {
            std::hint::spin_loop();
        }

        let mut noticed_late = Vec::new();
        while let Some(slot) = pacer.slots.recv().await {
            noticed_late.push(slot.noticed_late);
        }
        assert_eq!(
            noticed_late, [true; 5],
            "each slot was noticed at least 15 ms late"
        );
    }
}
