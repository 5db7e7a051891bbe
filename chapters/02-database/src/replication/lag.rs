//! How far a replica is behind, in bytes and in time, and how far it may be.

use std::time::Duration;

use super::consistency::ConsistencyToken;

/// How far a replica is behind the primary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lag {
    /// The part of the primary's log that the replica has not replayed. The largest value if the
    /// replica is in an earlier epoch.
    pub bytes: u64,
    /// The age of the last transaction that the replica has replayed, and 0 if nothing is left to
    /// replay. The largest value if the replica has replayed none yet.
    pub time: Duration,
}

/// How far a replica may be behind and still answer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LagLimits {
    /// The limit in bytes.
    pub bytes: u64,
    /// The limit in time.
    pub time: Duration,
}

/// 8 MB or 5 s.
impl Default for LagLimits {
    fn default() -> Self {
        LagLimits {
            bytes: 8 << 20,
            time: Duration::from_secs(5),
        }
    }
}

// ANCHOR: lag
impl Lag {
    /// The lag of a replica at `replica`, while the primary is at `primary`.
    pub(crate) fn between(
        primary: ConsistencyToken,
        replica: ConsistencyToken,
        last_replay: Option<Duration>,
    ) -> Lag {
        if replica >= primary {
            return Lag::default();
        }
        let bytes = if replica.epoch() < primary.epoch() {
            u64::MAX
        } else {
            replica.lsn().bytes_behind(primary.lsn())
        };
        Lag {
            bytes,
            time: last_replay.unwrap_or(Duration::MAX),
        }
    }
}

impl LagLimits {
    /// One small value is enough. Time alone grows while nothing is written, and bytes alone grow
    /// fast during a bulk load.
    pub(crate) fn allow(&self, lag: Lag) -> bool {
        lag.bytes <= self.bytes || lag.time <= self.time
    }
}
// ANCHOR_END: lag

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replication::Lsn;

    const MB: u64 = 1 << 20;

    fn at(epoch: u32, bytes: u64) -> ConsistencyToken {
        ConsistencyToken::new(epoch, Lsn::from_bytes(bytes))
    }

    /// The lag of a replica that is this many bytes behind and replayed its last transaction this
    /// many seconds ago.
    fn lag(bytes: u64, seconds: u64) -> Lag {
        let last_replay = Some(Duration::from_secs(seconds));
        Lag::between(at(1, 100 * MB), at(1, 100 * MB - bytes), last_replay)
    }

    #[test]
    fn idle_primary_ejects_no_replica() {
        let limits = LagLimits::default();
        let by_time_only = |lag: Lag| lag.time <= limits.time;
        let naive = |seconds: u64| Duration::from_secs(seconds) <= limits.time;
        for seconds in [1, 60, 3_600] {
            assert!(limits.allow(lag(0, seconds)), "idle for {seconds} s");
            assert!(by_time_only(lag(0, seconds)), "equal positions are no lag");
            // A background record, such as a checkpoint, is on its way.
            assert!(limits.allow(lag(120, seconds)), "idle for {seconds} s");
        }
        assert!(
            !naive(60) && !by_time_only(lag(120, 60)),
            "the time since the last transaction does not eject, so this test proves nothing"
        );
    }

    #[test]
    fn late_replica_is_late_in_both_measures() {
        let limits = LagLimits::default();
        assert!(limits.allow(lag(50 * MB, 1)), "a bulk load");
        assert!(limits.allow(lag(MB, 60)), "a quiet shop");
        assert!(!limits.allow(lag(50 * MB, 60)));
    }

    #[test]
    fn earlier_epoch_is_infinitely_late() {
        let limits = LagLimits::default();
        let minute = Some(Duration::from_mins(1));
        let former = Lag::between(at(2, MB), at(1, 100 * MB), minute);
        assert_eq!(former.bytes, u64::MAX);
        assert!(!limits.allow(former));
        assert_eq!(
            Lag::between(at(1, 100 * MB), at(2, MB), minute),
            Lag::default()
        );
    }
}
