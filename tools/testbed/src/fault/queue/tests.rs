//! The queue by itself, at times that the tests make up.

use super::*;

const MS: Duration = Duration::from_millis(1);

/// A queue under `fault` at a time that is called now.
fn queue(fault: Fault) -> (Queue, Instant) {
    let now = Instant::now();
    let mut queue = Queue::new(now);
    queue.set_fault(Some(fault), now);
    (queue, now)
}

fn bytes(size: usize) -> Cargo {
    Cargo::Bytes(vec![0; size].into())
}

/// Sends all out, each piece at the moment when it is due, and says how many went out when.
fn drain(queue: &mut Queue, start: Instant) -> Vec<(Duration, usize)> {
    let mut log = Vec::new();
    while let Some(due) = queue.due() {
        let size = match queue.next() {
            Some(Cargo::Bytes(bytes)) => bytes.len(),
            _ => 0,
        };
        queue.sent(size);
        log.push((due - start, size));
    }
    log
}

#[test]
fn parcels_are_late_side_by_side() {
    let (mut queue, start) = queue(Fault::Latency {
        delay: 100 * MS,
        jitter: Duration::ZERO,
    });
    queue.push(bytes(1), start);
    queue.push(bytes(2), start);
    queue.push(Cargo::Close, start + 5 * MS);

    assert_eq!(
        drain(&mut queue, start),
        [(100 * MS, 1), (100 * MS, 2), (105 * MS, 0)]
    );
}

#[test]
fn jitter_adds_to_the_delay_and_lets_nobody_overtake() {
    let (mut queue, start) = queue(Fault::Latency {
        delay: 100 * MS,
        jitter: 50 * MS,
    });
    for _ in 0..1000 {
        queue.push(bytes(1), start);
    }

    let log = drain(&mut queue, start);
    assert!(
        log.is_sorted(),
        "a chunk overtook another: are the times limited from below by the one before?"
    );
    let (first, last) = (log[0].0, log[999].0);
    assert!(first >= 100 * MS, "{first:?} is less than the delay");
    assert!(
        first < 150 * MS && last <= 150 * MS,
        "{last:?} is more than delay and jitter"
    );
    assert!(
        first < last,
        "a thousand times the same: is there no jitter at all?"
    );
}

#[test]
fn a_thin_cable_keeps_its_rate_and_sends_in_small_pieces() {
    let (mut queue, start) = queue(Fault::Bandwidth {
        bytes_per_second: 1000,
    });
    queue.push(bytes(30), start);
    queue.push(bytes(10), start);
    assert_eq!(
        drain(&mut queue, start),
        [(20 * MS, 20), (30 * MS, 10), (40 * MS, 10)]
    );

    // After a pause the cable is free: the time in which nothing was sent is not made up for.
    queue.push(bytes(20), start + 500 * MS);
    assert_eq!(drain(&mut queue, start), [(520 * MS, 20)]);
}

#[test]
fn a_rate_of_nothing_counts_as_one_byte_a_second() {
    let (mut queue, start) = queue(Fault::Bandwidth {
        bytes_per_second: 0,
    });
    queue.push(bytes(2), start);
    assert_eq!(drain(&mut queue, start), [(1000 * MS, 1), (2000 * MS, 1)]);
}

#[test]
fn only_the_close_is_slow() {
    let (mut queue, start) = queue(Fault::SlowClose { delay: 100 * MS });
    queue.push(bytes(1), start);
    queue.push(Cargo::Close, start);

    assert_eq!(
        drain(&mut queue, start),
        [(Duration::ZERO, 1), (100 * MS, 0)]
    );
}

#[test]
fn a_new_fault_is_for_what_is_on_its_way_too() {
    let (mut queue, start) = queue(Fault::Latency {
        delay: Duration::MAX,
        jitter: Duration::MAX,
    });
    queue.push(bytes(7), start);
    assert!(queue.due() > Some(start + Duration::from_hours(1)));

    queue.set_fault(Some(Fault::Blackhole), start + MS);
    assert_eq!(queue.due(), None, "something leaves a black hole");
    assert!(
        !queue.has_room(),
        "what a black hole takes in, the sender believes to be received"
    );

    queue.set_fault(None, start + 2 * MS);
    assert_eq!(
        drain(&mut queue, start),
        [(2 * MS, 7)],
        "what was held up should arrive once it is over"
    );
}

#[test]
fn a_healthy_line_holds_little_and_a_long_cable_much() {
    let now = Instant::now();
    let mut queue = Queue::new(now);
    queue.push(bytes(ROOM), now);
    assert!(
        !queue.has_room(),
        "a receiver that does not read should hold up its sender"
    );

    queue.set_fault(
        Some(Fault::Latency {
            delay: MS,
            jitter: MS,
        }),
        now,
    );
    assert!(queue.has_room(), "the delay limits the speed");

    queue.sent(ROOM);
    queue.set_fault(None, now);
    assert!(queue.has_room(), "what went out still takes room");
}
