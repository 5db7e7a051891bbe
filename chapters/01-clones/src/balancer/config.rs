//! What a balancer is told in a file, and how it is told something else while requests come.
//!
//! The file is TOML, and holds what may change while the balancer runs: its clones, how one is chosen, and how patient it is. Where it listens
//! cannot change, so that is on the command line. A new version of the file is believed as a whole or not at all: one wrong line, and
//! everything stays as it was. No request notices a change. Those that are on their way keep the rules of their first moment, and a clone
//! that is no longer in the list finishes what it has.
//!
//! Left out: including other files, and asking a service (DNS, Consul, Kubernetes) for the clones.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::strategy::StrategyName;
use super::{Balancer, HealthPolicy, Probes, RetryPolicy, Timeouts, Upstream};
use crate::web::limits::Limits;

/// How often somebody looks whether the file has changed.
const LOOK: Duration = Duration::from_millis(500);

/// A balancer's configuration. Durations are written `"500ms"` or `"1m 30s"`, and whatever is left out has its default.
///
/// ```
/// use ch01_clones::balancer::Config;
///
/// let config = Config::parse(r#"
///     strategy = "peak-ewma"
///     [[upstream]]
///     addr = "127.0.0.1:8081"
///     [timeouts]
///     response = "5s"
/// "#).unwrap();
/// assert_eq!(config.upstreams[0].name, "clone-1");
/// assert_eq!(config.timeouts.response.as_secs(), 5);
/// assert!(Config::parse("strategie = 'sticky'").unwrap_err().to_string().contains("unknown field `strategie`"));
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How a clone is chosen.
    pub strategy: StrategyName,
    /// How many requests a clone may have in flight; at least 1.
    pub max_in_flight: usize,
    /// Proxies in front of this one, whose word about a request's origin is believed.
    pub trust: Vec<IpAddr>,
    /// The clones.
    #[serde(rename = "upstream")]
    pub upstreams: Vec<UpstreamConfig>,
    /// What each clone is asked, and how often.
    pub probe: Probes,
    /// How long the balancer waits, and for what.
    pub timeouts: Timeouts,
    /// When a clone is taken out, and how it comes back.
    pub health: HealthPolicy,
    /// How often a request is sent again.
    pub retries: RetryPolicy,
    /// What is taken from clients. These are read once, at the start.
    pub limits: Limits,
}

/// One clone in the file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamConfig {
    /// Its name; without one it is called `clone-1`, `clone-2`, … by its place in the file.
    #[serde(default)]
    pub name: String,
    /// Where it listens.
    pub addr: SocketAddr,
    /// How much it can carry, compared with the others: 1 to 1000.
    #[serde(default = "one")]
    pub weight: u32,
}

fn one() -> u32 {
    1
}

impl Default for Config {
    /// Round robin over no clones, with the default patience of each part.
    fn default() -> Self {
        Config {
            strategy: StrategyName::default(),
            max_in_flight: 1024,
            trust: Vec::new(),
            upstreams: Vec::new(),
            probe: Probes::default(),
            timeouts: Timeouts::default(),
            health: HealthPolicy::default(),
            retries: RetryPolicy::default(),
            limits: Limits::default(),
        }
    }
}

/// Why a configuration is not believed. What was in force stays in force.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there, or may not be read.
    #[error("cannot read {}; it should be a TOML file that this program may read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is no TOML, or has a key or a value that means nothing here. The library's words name the line.
    #[error("{0}")]
    Malformed(#[from] toml::de::Error),
    /// It can be read, and makes no sense.
    #[error("{0}")]
    Senseless(String),
}

impl Config {
    /// Reads the text of a file, and names the clones that have no name.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut config: Config = toml::from_str(text)?;
        for (place, upstream) in (1..).zip(&mut config.upstreams) {
            if upstream.name.is_empty() {
                upstream.name = format!("clone-{place}");
            }
        }
        Ok(config)
    }

    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Config::parse(&text_of(path)?)
    }

    /// Whether this is a balancer that could work.
    pub fn check(&self) -> Result<(), ConfigError> {
        let senseless = |what: String| Err(ConfigError::Senseless(what));
        let (mut names, mut addrs) = (BTreeSet::new(), BTreeSet::new());
        for UpstreamConfig { name, addr, weight } in &self.upstreams {
            if !names.insert(name) {
                return senseless(format!(
                    "two clones are called `{name}`; give one of them another `name`"
                ));
            }
            if !addrs.insert(addr) {
                return senseless(format!(
                    "two clones are at {addr}; name it once, with a `weight` if it carries more"
                ));
            }
            if !(1..=1000).contains(weight) {
                return senseless(format!("`{name}` has the weight {weight}; take 1 to 1000"));
            }
        }
        if self.upstreams.is_empty() {
            return senseless(
                "there is no clone; name one in `[[upstream]]` with its `addr`, or with `--upstream`".to_owned(),
            );
        }
        if self.max_in_flight == 0 {
            return senseless(
                "`max_in_flight = 0` would let no request through; take 1 or more".to_owned(),
            );
        }
        if !self.probe.path.starts_with('/')
            || self.probe.path.parse::<http::uri::PathAndQuery>().is_err()
        {
            return senseless(format!(
                "`{}` is no path to probe; take one such as `/readyz`",
                self.probe.path
            ));
        }
        if self.probe.interval.is_zero() || self.probe.timeout.is_zero() {
            return senseless(
                "`probe` needs an `interval` and a `timeout` above zero, such as \"500ms\""
                    .to_owned(),
            );
        }
        if self.limits.connections == 0
            || self.limits.connections_per_client == 0
            || self.limits.headers == 0
        {
            return senseless("`limits` of 0 would let nobody in; take 1 or more".to_owned());
        }
        // hyper panics below this.
        if self.limits.head_bytes < 8192 {
            return senseless("`limits.head_bytes` takes 8192 or more".to_owned());
        }
        if !(0.0..=10.0).contains(&self.retries.budget) {
            return senseless("`retries.budget` is a part of all requests, such as 0.2".to_owned());
        }
        Ok(())
    }

    /// A balancer that does as the configuration says.
    pub fn build(&self) -> Result<Balancer, ConfigError> {
        self.check()?;
        let balancer = Balancer::new(self.upstreams.iter().map(UpstreamConfig::build).collect());
        balancer.take_over(self);
        Ok(balancer.with_strategy(self.strategy.build(rand::random())))
    }
}

impl UpstreamConfig {
    fn build(&self) -> Upstream {
        Upstream::new(&self.name, self.addr).with_weight(self.weight)
    }
}

impl Balancer {
    /// Goes over from one configuration to another while requests come. Gives a line for each change, for people; none, if nothing
    /// changed or the new one makes no sense.
    pub fn reconfigure(&self, old: &Config, new: &Config) -> Result<Vec<String>, ConfigError> {
        new.check()?;
        let mut changes = Vec::new();
        let stays = |one: &UpstreamConfig| {
            new.upstreams
                .iter()
                .any(|other| (&other.name, other.addr) == (&one.name, one.addr))
        };
        let was_there = |one: &UpstreamConfig| {
            old.upstreams
                .iter()
                .any(|other| (&other.name, other.addr) == (&one.name, one.addr))
        };
        for gone in old.upstreams.iter().filter(|one| !stays(one)) {
            // Its requests hold it by themselves and are finished. That somebody has removed it already is as well.
            if self.remove(&gone.name).is_ok() {
                changes.push(format!("{} at {} gets nothing new", gone.name, gone.addr));
            }
        }
        for one in &new.upstreams {
            if !was_there(one) {
                if self.add(one.build()).is_ok() {
                    changes.push(format!("{} at {} was added", one.name, one.addr));
                }
            } else if self.set_weight(&one.name, one.weight) {
                changes.push(format!("{} has the weight {}", one.name, one.weight));
            }
        }
        if new.strategy != old.strategy {
            self.members().strategy = new.strategy.build(rand::random());
            changes.push(format!("the strategy is {:?}", new.strategy));
        }
        self.take_over(new);
        let rest = |config: &Config| Config {
            upstreams: Vec::new(),
            strategy: StrategyName::default(),
            limits: Limits::default(),
            ..config.clone()
        };
        if rest(old) != rest(new) {
            changes.push("patience with clones has changed".to_owned());
        }
        if old.limits != new.limits {
            changes.push("the new `limits` count from the next start".to_owned());
        }
        Ok(changes)
    }

    fn take_over(&self, config: &Config) {
        self.change(|rules| {
            rules.timeouts = config.timeouts;
            rules.sends = config.retries.sends.max(1);
            rules.probes = Some(config.probe.clone());
            rules.trusted.clone_from(&config.trust);
        });
        self.budget().policy = config.retries;
        let mut members = self.members();
        members.policy = config.health;
        members.max_in_flight = config.max_in_flight;
    }

    /// Follows a file for ever: takes it over whenever `reload` says so (SIGHUP), or when it has changed. `adapt` has the last word over what
    /// was read, as the command line has. What became of it is told to `report`.
    pub async fn follow(
        &self,
        path: &Path,
        mut current: Config,
        mut reload: mpsc::Receiver<()>,
        adapt: impl Fn(Config) -> Config,
        report: impl Fn(Result<Vec<String>, ConfigError>),
    ) {
        // Nothing is known yet: the file may have changed since `current` was read from it.
        let (mut known, mut seen) = (None, None);
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_asked = tokio::select! {
                Some(()) = reload.recv() => true,
                _ = looks.tick() => false,
            };
            let text = text_of(path);
            if !is_asked {
                // Whoever writes it may be in the middle: it has to look the same twice before it is believed.
                let now = text.as_ref().ok().cloned();
                let is_settled = now == seen;
                seen = now;
                if !is_settled || seen == known {
                    continue;
                }
            }
            known = text.as_ref().ok().cloned();
            seen.clone_from(&known);
            let outcome = text
                .and_then(|text| Config::parse(&text))
                .map(&adapt)
                .and_then(|new| {
                    let changes = self.reconfigure(&current, &new)?;
                    current = new;
                    Ok(changes)
                });
            let is_news = is_asked || !matches!(&outcome, Ok(changes) if changes.is_empty());
            if is_news {
                report(outcome);
            }
        }
    }
}

fn text_of(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
