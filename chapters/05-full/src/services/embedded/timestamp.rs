//! Times in TEXT columns.

use ch02_database::StoreError;
use chrono::{DateTime, SecondsFormat, Utc};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

/// The text for a time: RFC 3339, UTC, with a fixed number of digits. Such texts sort by time.
pub(super) fn format(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// The text for the current time.
pub(super) fn now() -> String {
    format(Utc::now())
}

/// Reads the time in a column. Fails with [`StoreError::Corrupt`] if the text is not a time.
pub(super) fn read(row: &SqliteRow, column: &str) -> Result<DateTime<Utc>, StoreError> {
    let text: String = row.get(column);
    DateTime::parse_from_rfc3339(&text)
        .map(|time| time.to_utc())
        .map_err(|error| StoreError::Corrupt(format!("{column} {text:?}: {error}")))
}
