//! The bucket of a customer. It never changes.

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
