//! How far a server is in the history of the database.

use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{Error, Row};

use super::consistency::ConsistencyToken;
use super::lsn::{InvalidLsn, Lsn};

/// How far a server is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Position {
    /// Reads on this server show everything up to here.
    pub(crate) complete: ConsistencyToken,
    /// Reads on this server have shown nothing after this.
    pub(crate) newest: ConsistencyToken,
    /// Whether the server follows another one.
    pub(crate) is_replica: bool,
    /// Whether it is a former primary that takes no writes.
    pub(crate) is_fenced: bool,
    /// The age of the last transaction that the replica has replayed, by the replica's clock.
    pub(crate) last_replay: Option<Duration>,
}

impl Position {
    // ANCHOR: position
    /// Asks for the position. The row goes to [`Position::from_row`].
    ///
    /// A primary is where its next log record begins: it makes a commit visible only after it has
    /// written the record.
    ///
    /// A replica makes a commit visible a moment *before* it moves its replay position. So a read
    /// may show one commit more than the position says. The record of a commit is shorter than
    /// 8 kB, unless the transaction has hundreds of savepoints or changes tables.
    pub(crate) const QUERY: &str = "SELECT epoch, is_fenced, pg_is_in_recovery() AS is_replica, \
         (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() \
          ELSE pg_current_wal_insert_lsn() END)::text AS complete, \
         (CASE WHEN pg_is_in_recovery() THEN greatest(pg_last_wal_replay_lsn(), \
              least(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn() + 8192)) \
          ELSE pg_current_wal_insert_lsn() END)::text AS newest, \
         extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8 AS age \
         FROM cluster_epoch";
    // ANCHOR_END: position

    /// The answer to [`Position::QUERY`].
    pub(crate) fn from_row(row: &PgRow) -> Result<Position, Error> {
        let epoch: i64 = row.try_get("epoch")?;
        let epoch = u32::try_from(epoch).map_err(|error| Error::Decode(error.into()))?;
        let token = |column| {
            let lsn: Lsn = row
                .try_get::<&str, _>(column)?
                .parse()
                .map_err(|error: InvalidLsn| Error::Decode(error.into()))?;
            Ok::<_, Error>(ConsistencyToken::new(epoch, lsn.without_page_header()))
        };
        let age: Option<f64> = row.try_get("age")?;
        Ok(Position {
            complete: token("complete")?,
            newest: token("newest")?,
            is_replica: row.try_get("is_replica")?,
            is_fenced: row.try_get("is_fenced")?,
            // A replica whose clock is behind reports a negative age.
            last_replay: age.map(|age| Duration::from_secs_f64(age.max(0.0))),
        })
    }
}
