//! The id of an order, which contains its bucket.

use super::bucket::{BUCKETS, Bucket};

/// The bucket of an order, taken from its id.
///
/// ```
/// use ch02_database::sharding::{bucket_of_order, order_id};
/// assert_eq!(bucket_of_order(order_id(3, 17)), 17);
/// ```
pub fn bucket_of_order(id: i64) -> Bucket {
    id.rem_euclid(i64::from(BUCKETS)) as Bucket
}

/// The id of the order with this sequence number (counted from 0) in `bucket`.
pub fn order_id(sequence: i64, bucket: Bucket) -> i64 {
    sequence * i64::from(BUCKETS) + i64::from(bucket)
}
