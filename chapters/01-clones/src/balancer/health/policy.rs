//! The settings of health tracking.

use std::time::Duration;

use serde::Deserialize;

/// When the balancer ejects a clone, and how the clone comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HealthPolicy {
    /// Consecutive failures that eject a clone. A refused connection ejects at once.
    #[serde(alias = "failures")]
    pub max_failures: u32,
    /// Length of the first ejection. Each consecutive ejection lasts twice as long.
    #[serde(with = "humantime_serde", alias = "ejection")]
    pub base_ejection: Duration,
    /// Upper limit of an ejection. A clone that stays up for this long starts again with
    /// `base_ejection`.
    #[serde(with = "humantime_serde", alias = "longest")]
    pub max_ejection: Duration,
    /// How long the share of a returning clone grows from a tenth to its full share. Zero switches
    /// slow start off.
    #[serde(with = "humantime_serde")]
    pub slow_start: Duration,
    /// Consecutive failed probes that mark a clone as down.
    pub fall: u32,
    /// Consecutive successful probes that mark a clone as up.
    pub rise: u32,
}

impl Default for HealthPolicy {
    /// 5 failures; ejections from 1 s, doubling up to 10 s; 5 s of slow start; down after 2 failed
    /// probes, up after 2 successful ones.
    fn default() -> Self {
        HealthPolicy {
            max_failures: 5,
            base_ejection: Duration::from_secs(1),
            max_ejection: Duration::from_secs(10),
            slow_start: Duration::from_secs(5),
            fall: 2,
            rise: 2,
        }
    }
}
