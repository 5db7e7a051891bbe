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
        let (time, id) = text.split_once('.').ok_or(InvalidActivityKey)?;
        let is_id = |part: &str| {
            let number = part
                .strip_prefix("order-")
                .or(part.strip_prefix("review-"))?;
            number.parse::<u64>().ok()
        };
        let micros = time.parse().map_err(|_| InvalidActivityKey)?;
        let created_at = DateTime::from_timestamp_micros(micros)
            // PostgreSQL and RFC 3339 have no greater years.
            .filter(|time| (0..=9999).contains(&chrono::Datelike::year(time)))
            .ok_or(InvalidActivityKey)?;
        is_id(id).ok_or(InvalidActivityKey)?;
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
        assert!("-1.order-7".parse::<ActivityKey>().is_ok());
        for text in [
            "",
            ".",
            "1767225600000000",
            "1767225600000000.",
            "1767225600000000.review-",
            "1767225600000000.review-x",
            "1767225600000000.jobs-1",
            "9223372036854775807.review-1",
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
