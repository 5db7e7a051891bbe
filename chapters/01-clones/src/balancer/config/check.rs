//! Checks that a balancer can work with the values of a configuration. A value outside of its range
//! is refused, and not replaced by another one: the operator must see the mistake.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::{Bound, RangeBounds};
use std::time::Duration;

use super::file::{Config, ConfigError, UpstreamConfig};

/// hyper panics if its buffer for a head is smaller.
const MIN_HEAD_BYTES: usize = 8192;

/// A longer time is a typing mistake. The sum of a moment and a very long time would also overflow.
const MAX_DURATION: Duration = Duration::from_hours(30 * 24);

impl Config {
    /// Checks all values, and how they fit together.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_upstreams()?;
        self.check_durations()?;
        self.check_numbers()?;
        let path = &self.probe.path;
        require(
            path.starts_with('/') && path.parse::<http::uri::PathAndQuery>().is_ok(),
            || format!("`{path}` is not a path; set `probe.path` to one such as `/readyz`"),
        )?;
        let (base, max) = (self.health.base_ejection, self.health.max_ejection);
        require(base <= max, || {
            format!(
                "`health.base_ejection` is {base:?} and longer than `health.max_ejection`, which \
                 is {max:?}; the first ejection must be the shortest one"
            )
        })
    }

    fn check_upstreams(&self) -> Result<(), ConfigError> {
        let (mut names, mut addrs) = (BTreeSet::new(), BTreeSet::new());
        for UpstreamConfig { name, addr, weight } in &self.upstreams {
            require(names.insert(name), || {
                format!("two clones are called `{name}`; give one of them another `name`")
            })?;
            require(addrs.insert(addr), || {
                format!(
                    "two clones are at {addr}; write it once, with a `weight` if it has more \
                     capacity"
                )
            })?;
            require((1..=1000).contains(weight), || {
                format!("`{name}` has the weight {weight}; use 1 to 1000")
            })?;
        }
        require(!self.upstreams.is_empty(), || {
            "there is no clone; add a `[[upstream]]` with its `addr`, or use `--upstream`"
                .to_owned()
        })
    }

    fn check_durations(&self) -> Result<(), ConfigError> {
        let (timeouts, health, limits) = (&self.timeouts, &self.health, &self.limits);
        for (key, value) in [
            ("probe.interval", self.probe.interval),
            ("probe.timeout", self.probe.timeout),
            ("timeouts.connect", timeouts.connect),
            ("timeouts.response", timeouts.response),
            ("timeouts.total", timeouts.total),
            ("timeouts.expect_continue", timeouts.expect_continue),
            ("timeouts.read", timeouts.read),
            ("timeouts.tunnel", timeouts.tunnel),
            ("health.base_ejection", health.base_ejection),
            ("health.max_ejection", health.max_ejection),
            ("limits.head_timeout", limits.head_timeout),
            ("limits.body_timeout", limits.body_timeout),
            ("limits.write_timeout", limits.write_timeout),
        ] {
            require(!value.is_zero(), || {
                format!("`{key}` must be above zero, such as \"500ms\"")
            })?;
            require_duration(key, value)?;
        }
        // Zero switches these off.
        require_duration("timeouts.pool_idle", timeouts.pool_idle)?;
        require_duration("health.slow_start", health.slow_start)?;
        require_duration("limits.half_close_timeout", limits.half_close_timeout)?;
        require_duration("limits.shutdown_timeout", limits.shutdown_timeout)
    }

    fn check_numbers(&self) -> Result<(), ConfigError> {
        let (health, limits) = (&self.health, &self.limits);
        require_range("max_in_flight", self.max_in_flight, 1..)?;
        require_range("health.max_failures", health.max_failures, 1..)?;
        require_range("health.fall", health.fall, 1..)?;
        require_range("health.rise", health.rise, 1..)?;
        require_range("retries.max_attempts", self.retries.max_attempts, 1..=100)?;
        require_range("limits.body_rate", limits.body_rate, 1..)?;
        require_range("limits.connections", limits.connections, 1..)?;
        let per_client = limits.connections_per_client;
        require_range("limits.connections_per_client", per_client, 1..)?;
        require_range("limits.headers", limits.headers, 1..)?;
        let head_bytes = limits.head_bytes;
        require_range("limits.head_bytes", head_bytes, MIN_HEAD_BYTES..)?;
        require((0.0..=10.0).contains(&self.retries.budget), || {
            "`retries.budget` must be a part of all requests from 0 to 10, such as 0.2".to_owned()
        })
    }
}

fn require_range<T: PartialOrd + Display + Copy>(
    key: &str,
    value: T,
    range: impl RangeBounds<T>,
) -> Result<(), ConfigError> {
    require(range.contains(&value), || {
        let expected = match (range.start_bound(), range.end_bound()) {
            (Bound::Included(min), Bound::Included(max)) => format!("{min} to {max}"),
            (Bound::Included(min), _) => format!("{min} or more"),
            _ => "another number".to_owned(),
        };
        format!("`{key} = {value}` is out of range; use {expected}")
    })
}

fn require_duration(key: &str, value: Duration) -> Result<(), ConfigError> {
    require(value <= MAX_DURATION, || {
        format!("`{key}` is longer than 30 days; use a shorter time, such as \"5s\"")
    })
}

fn require(is_met: bool, message: impl FnOnce() -> String) -> Result<(), ConfigError> {
    is_met
        .then_some(())
        .ok_or_else(|| ConfigError::Invalid(message()))
}
