//! Log sequence numbers (LSN): positions in the primary's write-ahead log.

use std::fmt;
use std::str::FromStr;

/// A position in the primary's log: the number of bytes before it since the cluster was created.
///
/// PostgreSQL writes it as two hexadecimal numbers, the upper and the lower 32 bits.
///
/// ```
/// use ch02_database::replication::Lsn;
///
/// let lsn: Lsn = "16/B374D848".parse().unwrap();
/// assert_eq!(lsn.to_string(), "16/B374D848");
/// assert!("9/0".parse::<Lsn>().unwrap() < lsn);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(u64);

/// The text is not a position such as `16/B374D848`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a log position such as 16/B374D848: two hexadecimal numbers with a slash")]
pub struct InvalidLsn;

impl Lsn {
    /// The beginning of the log.
    pub const ZERO: Lsn = Lsn(0);

    /// The position after this many bytes.
    pub fn from_bytes(bytes: u64) -> Self {
        Lsn(bytes)
    }

    /// The number of bytes before this position.
    pub fn bytes(self) -> u64 {
        self.0
    }

    /// The end of the last record, for a position where the next record begins.
    ///
    /// A page of the log has 8 kB and begins with a header of 24 bytes. If a record ends with its
    /// page, the next one begins after the header. But a replica that has replayed everything is
    /// at the end of the record, and waits for the header in vain until the next record comes.
    pub(crate) fn without_page_header(self) -> Lsn {
        const PAGE: u64 = 8192;
        const HEADER: u64 = 24;
        Lsn(if self.0 % PAGE == HEADER {
            self.0 - HEADER
        } else {
            self.0
        })
    }

    /// How many bytes this position is behind `other`; 0 if it is not behind.
    pub fn bytes_behind(self, other: Lsn) -> u64 {
        other.0.saturating_sub(self.0)
    }
}

impl FromStr for Lsn {
    type Err = InvalidLsn;

    fn from_str(text: &str) -> Result<Self, InvalidLsn> {
        let (upper, lower) = text.split_once('/').ok_or(InvalidLsn)?;
        let [upper, lower] = [upper, lower].map(|half| {
            // `from_str_radix` would accept a sign.
            let is_hexadecimal = half.bytes().all(|byte| byte.is_ascii_hexdigit());
            let half = u32::from_str_radix(half, 16).ok();
            half.filter(|_| is_hexadecimal).ok_or(InvalidLsn)
        });
        Ok(Lsn(u64::from(upper?) << 32 | u64::from(lower?)))
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lsns_compare_as_numbers_not_as_text() {
        let lsn = |text: &str| text.parse::<Lsn>().unwrap();
        assert!(lsn("0/9FFFFFF") < lsn("0/10000000"));
        assert!(lsn("9/0") < lsn("10/0"));
        assert!(lsn("0/FFFFFFFF") < lsn("1/0"));
        assert_eq!(lsn("16/B374D848").to_string(), "16/B374D848");
        assert_eq!(lsn("0/10").bytes_behind(lsn("0/30")), 0x20);
        assert_eq!(lsn("0/30").bytes_behind(lsn("0/10")), 0);
    }

    #[test]
    fn page_header_is_not_part_of_a_record() {
        let end = |bytes| Lsn(bytes).without_page_header().bytes();
        assert_eq!(end(5 * 8192 + 24), 5 * 8192);
        for other in [0, 5 * 8192, 5 * 8192 + 32, 5 * 8192 + 8168] {
            assert_eq!(end(other), other);
        }
    }

    #[test]
    fn other_text_is_not_an_lsn() {
        for text in [
            "",
            "/",
            "1",
            "1/",
            "/1",
            "+1/1",
            "1/-1",
            "1/100000000",
            "1/1/1",
            "g/0",
        ] {
            assert_eq!(text.parse::<Lsn>(), Err(InvalidLsn), "{text:?}");
        }
    }
}
