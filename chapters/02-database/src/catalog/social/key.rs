//! The position of an event in an activity stream, for paging by key.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};

use crate::model::Activity;

/// The position of an event in a stream. Streams are sorted by time, and events of the same time by
/// id. Both are needed, or a page could skip an event.
///
/// ```
/// use ch02_database::catalog::ActivityKey;
/// let key: ActivityKey = "1767225600000000.review-50".parse().unwrap();
/// assert_eq!(key.to_string(), "1767225600000000.review-50");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivityKey {
    /// The time of the event.
    pub created_at: DateTime<Utc>,
    /// The id of the event.
    pub id: String,
}

/// The text is not a position in an activity stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a position in a stream comes from the field `next` of the page before; do not make one")]
pub struct InvalidActivityKey;

impl From<&Activity> for ActivityKey {
    fn from(activity: &Activity) -> Self {
        ActivityKey {
            created_at: activity.created_at,
            id: activity.id.clone(),
        }
    }
}

/// The time in microseconds since 1970, a dot, the id.
impl fmt::Display for ActivityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.created_at.timestamp_micros(), self.id)
    }
}

impl FromStr for ActivityKey {
    type Err = InvalidActivityKey;

    fn from_str(text: &str) -> Result<Self, InvalidActivityKey> {
        // At most 16 digits: the year 2286. Every database can store such a time.
        let number = |part: &str, max_digits| {
            let is_number = part.len() <= max_digits && part.bytes().all(|b| b.is_ascii_digit());
            is_number.then(|| part.parse::<i64>().ok()).flatten()
        };
        let (time, id) = text.split_once('.').ok_or(InvalidActivityKey)?;
        let created_at = number(time, 16)
            .and_then(DateTime::from_timestamp_micros)
            .ok_or(InvalidActivityKey)?;
        let source = id.strip_prefix("order-").or(id.strip_prefix("review-"));
        source
            .and_then(|source| number(source, 19))
            .ok_or(InvalidActivityKey)?;
        Ok(ActivityKey {
            created_at,
            id: id.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_positions_of_a_stream_are_accepted() {
        assert!("9999999999999999.order-7".parse::<ActivityKey>().is_ok());
        for text in [
            "",
            ".",
            "1767225600000000",
            "1767225600000000.",
            "1767225600000000.review-",
            "1767225600000000.review-x",
            "1767225600000000.jobs-1",
            "9223372036854775807.review-1",
            "-1.review-1",
            "1.review-+1",
            "x.review-1",
            "1767225600000000.review-1\0",
        ] {
            assert_eq!(
                text.parse::<ActivityKey>(),
                Err(InvalidActivityKey),
                "{text:?}"
            );
        }
    }
}
