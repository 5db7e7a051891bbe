//! A hash that is the same on every machine and in every version of a program.

/// The 64-bit FNV-1a hash (RFC 9923).
///
/// It is not safe against attackers: everyone can construct two inputs with the same hash.
///
/// ```
/// // A test vector of the RFC.
/// assert_eq!(common::hash::fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
/// ```
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
