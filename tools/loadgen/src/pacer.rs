//! The clock of the open loop: a thread that says "now" when a request falls due.
//!
//! It is a thread of its own because tokio's timer counts in whole milliseconds, which at 1,000 requests a second is the
//! whole distance between two of them. The thread sleeps with the system's timer, some fifty microseconds coarse.
//! [`Slot`]s go from there through a task of the runtime, the *usher*, into the queue that the connections take them from.
//! The usher does no work but to look at its watch: what delays it, delays the whole generator.
//!
//! Left out: rates that change. A schedule is any sequence of times, so stages need no more than another iterator.

use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::task::AbortOnDropHandle;

/// A send that starts later than this after its due time is late.
pub(crate) const LATE: Duration = Duration::from_millis(1);

/// One intended send.
pub(crate) struct Slot {
    /// The number of the request, counted from 0.
    pub(crate) n: u64,
    /// When it should be sent.
    pub(crate) due: Instant,
    /// Whether the generator itself was late to notice that it is due, however free or busy the connections were.
    pub(crate) noticed_late: bool,
}

/// Slots as they fall due. The queue has no bound, for the point of an open loop is that a slow server does not slow the
/// schedule down; it ends with the schedule, which has at most rate × [`MAX_RUN`](crate::MAX_RUN) slots.
pub(crate) struct Pacer {
    pub(crate) slots: UnboundedReceiver<Slot>,
    _usher: AbortOnDropHandle<()>,
}

impl Pacer {
    /// Starts a schedule, given as distances from `start`. It stops early when the `Pacer` is dropped.
    pub(crate) fn start(
        start: Instant,
        schedule: impl Iterator<Item = Duration> + Send + 'static,
    ) -> Self {
        let (ring, mut bells) = unbounded_channel::<(u64, Instant)>();
        let (queue, slots) = unbounded_channel();

        thread::spawn(move || {
            for (n, distance) in (0..).zip(schedule) {
                let due = start + distance;
                thread::sleep(due.saturating_duration_since(Instant::now()));
                if ring.send((n, due)).is_err() {
                    // Nobody listens any more: the run was given up.
                    return;
                }
            }
        });

        let usher = AbortOnDropHandle::new(tokio::spawn(async move {
            while let Some((n, due)) = bells.recv().await {
                let noticed_late = due.elapsed() > LATE;
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
            _usher: usher,
        }
    }
}

/// The due times of `rate` requests a second for `duration`, evenly spaced, the first one at once.
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
    fn a_rate_falls_due_that_many_times_in_a_second() {
        assert_eq!(constant_rate(7, Duration::from_secs(1)).count(), 7);
        assert_eq!(
            constant_rate(1_000, Duration::from_millis(300)).count(),
            300
        );
    }

    #[test]
    fn due_times_do_not_drift_when_the_rate_does_not_divide_a_second() {
        let due = constant_rate(3, Duration::from_mins(1)).nth(150);
        assert_eq!(due, Some(Duration::from_secs(50)));
    }

    /// The usher shares this test's only thread, so it cannot notice anything while the test keeps the thread busy.
    #[tokio::test]
    async fn a_generator_without_a_processor_knows_that_it_was_late() {
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
