//! How old the answer to a read may be. The caller decides it for each read.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::lsn::Lsn;

/// How old the answer to a read may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consistency {
    /// Any replica answers. The answer may be older than the caller's last write.
    #[default]
    Eventual,
    /// The answer contains everything up to this position. With the token of the caller's last
    /// write the caller reads its own writes. With the token of the last read, time never goes
    /// back for the caller (monotonic reads).
    AtLeast(ConsistencyToken),
    /// The primary answers, so the answer is current.
    Primary,
}

/// The reader has no token yet, so any answer will do.
impl From<Option<ConsistencyToken>> for Consistency {
    fn from(token: Option<ConsistencyToken>) -> Self {
        token.map_or(Consistency::Eventual, Consistency::AtLeast)
    }
}

// ANCHOR: token
/// A position in the history of the database, as clients see it: opaque text.
///
/// A write returns the token of its commit. It travels in the user's session and in the header
/// `x-consistency`. So another clone, which has not seen the write, knows how far a replica must
/// be.
///
/// Tokens are ordered: first by the cluster's epoch, then by the position. A fail-over begins a
/// new epoch. The new primary has everything of the old epoch that still exists, even if its
/// log is shorter than the old primary's log was.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(into = "String", try_from = "String")]
pub struct ConsistencyToken {
    epoch: u32,
    lsn: Lsn,
}
// ANCHOR_END: token

/// The text is not a consistency token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a consistency token has 24 hexadecimal digits; send the one from an earlier response")]
pub struct InvalidToken;

/// The digits of the epoch and of the position.
const DIGITS: usize = 8 + 16;

impl ConsistencyToken {
    /// Before every write. A read with this token accepts any answer, and returns a token from
    /// which monotonic reads start.
    pub const START: ConsistencyToken = ConsistencyToken {
        epoch: 0,
        lsn: Lsn::ZERO,
    };

    /// The position `lsn` in the cluster's epoch `epoch`.
    pub fn new(epoch: u32, lsn: Lsn) -> Self {
        ConsistencyToken { epoch, lsn }
    }

    /// The number of fail-overs before this position.
    pub fn epoch(self) -> u32 {
        self.epoch
    }

    /// The position in the primary's log.
    pub fn lsn(self) -> Lsn {
        self.lsn
    }
}

/// 24 hexadecimal digits: 8 for the epoch and 16 for the position.
impl fmt::Display for ConsistencyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}{:016x}", self.epoch, self.lsn.bytes())
    }
}

/// Accepts only what `Display` writes, because the text comes from a client.
impl FromStr for ConsistencyToken {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != DIGITS || !text.bytes().all(is_digit) {
            return Err(InvalidToken);
        }
        let (epoch, lsn) = text.split_at(8);
        let epoch = u32::from_str_radix(epoch, 16).map_err(|_| InvalidToken)?;
        let lsn = u64::from_str_radix(lsn, 16).map_err(|_| InvalidToken)?;
        Ok(ConsistencyToken::new(epoch, Lsn::from_bytes(lsn)))
    }
}

/// For cache entries and messages.
impl From<ConsistencyToken> for String {
    fn from(token: ConsistencyToken) -> Self {
        token.to_string()
    }
}

impl TryFrom<String> for ConsistencyToken {
    type Error = InvalidToken;

    fn try_from(text: String) -> Result<Self, InvalidToken> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn token_survives_its_text(epoch in any::<u32>(), bytes in any::<u64>()) {
            let token = ConsistencyToken::new(epoch, Lsn::from_bytes(bytes));
            prop_assert_eq!(token.to_string().parse(), Ok(token));
        }

        #[test]
        fn any_text_is_parsed_without_panic(text in ".{0,30}") {
            if let Ok(token) = text.parse::<ConsistencyToken>() {
                prop_assert_eq!(token.to_string(), text);
            }
        }
    }

    #[test]
    fn later_epoch_comes_after_longer_log() {
        let token = |epoch, bytes| ConsistencyToken::new(epoch, Lsn::from_bytes(bytes));
        assert!(token(1, 100) < token(1, 101));
        assert!(token(1, u64::MAX) < token(2, 0));
        assert!(ConsistencyToken::START < token(1, 0));
    }

    #[test]
    fn other_text_is_not_a_token() {
        let token = ConsistencyToken::new(1, Lsn::from_bytes(0xabc)).to_string();
        for text in [
            String::new(),
            token.to_uppercase(),
            format!("+{}", &token[1..]),
            format!("{token}0"),
            format!(" {}", &token[1..]),
            "é".repeat(12),
            "0".repeat(100_000),
        ] {
            assert_eq!(
                text.parse::<ConsistencyToken>(),
                Err(InvalidToken),
                "{text:.40}"
            );
        }
    }
}
