//! The queue alone, at times that the tests choose.

use super::*;

const MS: Duration = Duration::from_millis(1);

/// A queue with this fault, and the time of its creation.
fn queue_with(fault: Fault) -> (DelayQueue, Instant) {
    let now = Instant::now();
    let mut queue = DelayQueue::new(now);
    queue.set_fault(Some(fault), now);
    (queue, now)
}

fn bytes(size: usize) -> Packet {
    Packet::Bytes(vec![0; size].into())
}

/// Sends everything, each piece when it is due. Returns the times and sizes.
fn drain(queue: &mut DelayQueue, start: Instant) -> Vec<(Duration, usize)> {
    let mut log = Vec::new();
    while let Some(due) = queue.due() {
        let size = match queue.next() {
            Some(Packet::Bytes(bytes)) => bytes.len(),
            _ => 0,
        };
        queue.sent(size);
        log.push((due - start, size));
    }
    log
}

#[test]
fn latency_delays_packets_in_parallel() {
    let (mut queue, start) = queue_with(Fault::Latency {
        delay: 100 * MS,
        jitter: Duration::ZERO,
    });
    queue.push(bytes(1), start);
    queue.push(bytes(2), start);
    queue.push(Packet::Fin, start + 5 * MS);

    assert_eq!(
        drain(&mut queue, start),
        [(100 * MS, 1), (100 * MS, 2), (105 * MS, 0)]
    );
}

#[test]
fn jitter_adds_delay_without_reordering() {
    let (mut queue, start) = queue_with(Fault::Latency {
        delay: 100 * MS,
        jitter: 50 * MS,
    });
    for _ in 0..1000 {
        queue.push(bytes(1), start);
    }

    let log = drain(&mut queue, start);
    assert!(
        log.is_sorted(),
        "a packet overtook another: no packet may be due before the one in front of it"
    );
    let (first, last) = (log[0].0, log[999].0);
    assert!(first >= 100 * MS, "{first:?} is less than the delay");
    assert!(
        first < 150 * MS && last <= 150 * MS,
        "{last:?} is more than delay and jitter"
    );
    assert!(
        first < last,
        "1000 packets have the same delay: is there no jitter?"
    );
}

#[test]
fn bandwidth_is_kept_in_small_pieces() {
    let (mut queue, start) = queue_with(Fault::Bandwidth {
        bytes_per_second: 1000,
    });
    queue.push(bytes(30), start);
    queue.push(bytes(10), start);
    assert_eq!(
        drain(&mut queue, start),
        [(20 * MS, 20), (30 * MS, 10), (40 * MS, 10)]
    );

    // The unused bandwidth of a pause is not made up for.
    queue.push(bytes(20), start + 500 * MS);
    assert_eq!(drain(&mut queue, start), [(520 * MS, 20)]);
}

#[test]
fn bandwidth_zero_means_one_byte_per_second() {
    let (mut queue, start) = queue_with(Fault::Bandwidth {
        bytes_per_second: 0,
    });
    queue.push(bytes(2), start);
    assert_eq!(drain(&mut queue, start), [(1000 * MS, 1), (2000 * MS, 1)]);
}

#[test]
fn slow_close_delays_only_the_fin() {
    let (mut queue, start) = queue_with(Fault::SlowClose { delay: 100 * MS });
    queue.push(bytes(1), start);
    queue.push(Packet::Fin, start);

    assert_eq!(
        drain(&mut queue, start),
        [(Duration::ZERO, 1), (100 * MS, 0)]
    );
}

#[test]
fn new_fault_applies_to_data_on_its_way() {
    let (mut queue, start) = queue_with(Fault::Latency {
        delay: Duration::MAX,
        jitter: Duration::MAX,
    });
    queue.push(bytes(7), start);
    assert!(queue.due() > Some(start + Duration::from_hours(1)));

    queue.set_fault(Some(Fault::Blackhole), start + MS);
    assert_eq!(queue.due(), None, "a packet leaves the black hole");
    assert!(
        !queue.has_room(),
        "the sender would believe that the data in the black hole was received"
    );

    queue.set_fault(None, start + 2 * MS);
    assert_eq!(
        drain(&mut queue, start),
        [(2 * MS, 7)],
        "held data should arrive after the fault"
    );
}

#[test]
fn only_latency_allows_a_large_queue() {
    let now = Instant::now();
    let mut queue = DelayQueue::new(now);
    queue.push(bytes(CAPACITY), now);
    assert!(
        !queue.has_room(),
        "a receiver that does not read should stop its sender"
    );

    queue.set_fault(
        Some(Fault::Latency {
            delay: MS,
            jitter: MS,
        }),
        now,
    );
    assert!(queue.has_room(), "the delay limits the bandwidth");

    queue.sent(CAPACITY);
    queue.set_fault(None, now);
    assert!(queue.has_room(), "sent data still takes space in the queue");
}
