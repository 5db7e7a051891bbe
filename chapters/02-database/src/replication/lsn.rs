//! Log sequence numbers (LSN): positions in the primary's write-ahead log.

use std::fmt;
use std::str::FromStr;

/// A position in the primary's log: the number of bytes before it since the cluster was created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lsn(u64);

/// Parses two hexadecimal numbers, the upper and the lower 32 bits: `16/B374D848`.
impl FromStr for Lsn {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let half = |half: &str| u64::from_str_radix(half, 16).map_err(drop);
        let (upper, lower) = text.split_once('/').ok_or(())?;
        Ok(Lsn(half(upper)? << 32 | half(lower)?))
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
    }
}
