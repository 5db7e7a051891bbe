//! The bucket of a customer and of an order. Neither ever changes.

use common::hash::fnv1a;

/// The number of buckets. It never changes, because the id of every order contains its bucket.
pub const BUCKETS: u16 = 256;

/// A bucket's number, 0 to 255.
pub type Bucket = u16;

// ANCHOR: bucket
/// The bucket of a customer: the FNV-1a hash of the name's bytes, modulo [`BUCKETS`].
///
/// The hash must be the same on every machine and in every version. The standard library's
/// `DefaultHasher` does not guarantee that. FNV-1a has published test vectors
/// (RFC 9923, <https://datatracker.ietf.org/doc/html/rfc9923>).
///
/// ```
/// use ch02_database::sharding::bucket_of_customer;
/// assert_eq!(bucket_of_customer("ada"), bucket_of_customer("ada"));
/// ```
pub fn bucket_of_customer(customer: &str) -> Bucket {
    (fnv1a(customer.as_bytes()) % u64::from(BUCKETS)) as Bucket
}
// ANCHOR_END: bucket

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
