//! The id of an order: its time, a counter and its bucket, in 53 bits.
//!
//! | part, from the high bits | bits | bits of Instagram's ids |
//! |---|---|---|
//! | milliseconds since 2026 (Instagram: since 2011) | 41, until 2095 | 41 |
//! | bucket, Instagram's logical shard | 8, the lowest | 13, in the middle |
//! | counter | 4, in the middle | 10, the lowest: a sequence modulo 1,024 |
//! | together | 53 | 64 |
//!
//! So ids sort by time, on all shards, and a clone finds the shard from the id alone. Instagram's
//! ids (<https://instagram-engineering.com/sharding-ids-at-instagram-1cf5a71e5a5c>) need 64 bits.
//! JavaScript reads numbers of a JSON text exactly only below 2⁵³, so Instagram's clients need
//! strings. 53 bits are exact, and `id % 256` is the bucket.
//!
//! Time and counter form the bucket's *sequence*. The row of the bucket stores the next one. Every
//! order takes `max(next, now)` under the lock of this row. So ids are unique and ascending in a
//! bucket if the clock steps back, if 20 orders arrive in a millisecond, and if the bucket moves to
//! a server whose clock is behind. Instagram's ids rely on the clock there.

use chrono::{DateTime, Utc};

use super::bucket::{BUCKETS, Bucket};

/// 2026-01-01T00:00:00Z in milliseconds since 1970: the time of sequence 0.
const FIRST_MILLISECOND: i64 = 1_767_225_600_000;

/// How many sequence numbers a bucket has in a millisecond.
pub(crate) const COUNTS_PER_MILLISECOND: i64 = 16;

/// The bucket of an order, taken from its id.
///
/// ```
/// use ch02_database::sharding::{bucket_of_order, order_id};
/// assert_eq!(bucket_of_order(order_id(3, 17)), 17);
/// ```
pub fn bucket_of_order(id: i64) -> Bucket {
    id.rem_euclid(i64::from(BUCKETS)) as Bucket
}

/// The id of the order with this sequence number in `bucket`.
pub fn order_id(sequence: i64, bucket: Bucket) -> i64 {
    sequence * i64::from(BUCKETS) + i64::from(bucket)
}

/// The time in an order's id. Orders from before the ids had a time, and the sample orders, get the
/// first milliseconds of 2026. `None` if no store has given such an id.
///
/// ```
/// use ch02_database::sharding::{next_sequence, order_id, time_of_order};
/// let now = chrono::DateTime::from_timestamp_secs(1_800_000_000).unwrap();
/// assert_eq!(time_of_order(order_id(next_sequence(0, now), 17)), Some(now));
/// ```
pub fn time_of_order(id: i64) -> Option<DateTime<Utc>> {
    let milliseconds = id / i64::from(BUCKETS) / COUNTS_PER_MILLISECOND;
    DateTime::from_timestamp_millis(FIRST_MILLISECOND + milliseconds)
}

// ANCHOR: next_sequence
/// The sequence number for an order at the time `now`, in a bucket whose next free number is
/// `next`. If the clock has stepped back, `next` is the greater one, and the ids still ascend.
///
/// The shards compute the same in SQL, with their own clock.
pub fn next_sequence(next: i64, now: DateTime<Utc>) -> i64 {
    next.max((now.timestamp_millis() - FIRST_MILLISECOND) * COUNTS_PER_MILLISECOND)
}
// ANCHOR_END: next_sequence
