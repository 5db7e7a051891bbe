//! The contents of the configuration file.
//!
//! The file is TOML. It holds all settings that may change while the balancer runs. The address on
//! which the balancer listens cannot change, so it is a command-line flag.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::balancer::health::{HealthPolicy, ProbePolicy};
use crate::balancer::retry::RetryPolicy;
use crate::balancer::strategy::StrategyName;
use crate::balancer::upstream::Timeouts;
use crate::web::limits::Limits;

/// A balancer's configuration. Durations are written `"500ms"` or `"1m 30s"`. All keys have
/// defaults.
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
/// let error = Config::parse("strategie = 'sticky'").unwrap_err();
/// assert!(error.to_string().contains("unknown field `strategie`"));
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The load-balancing strategy.
    pub strategy: StrategyName,
    /// How many requests one clone may have in flight. At least 1.
    pub max_in_flight: usize,
    /// Proxies whose `X-Forwarded-For` and `Forwarded` headers the balancer keeps.
    #[serde(rename = "trust")]
    pub trusted_proxies: Vec<IpAddr>,
    /// The clones.
    #[serde(rename = "upstream")]
    pub upstreams: Vec<UpstreamConfig>,
    /// Active health checks.
    pub probe: ProbePolicy,
    /// Time-outs of each step of a request.
    pub timeouts: Timeouts,
    /// When a clone is ejected, and how it comes back.
    pub health: HealthPolicy,
    /// How often a request is retried.
    pub retries: RetryPolicy,
    /// Limits for clients. The balancer reads them only when it starts.
    pub limits: Limits,
}

/// One clone in the file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamConfig {
    /// The clone's name. The default is `clone-1`, `clone-2`, … by the position in the file.
    #[serde(default)]
    pub name: String,
    /// The address at which the clone listens.
    pub addr: SocketAddr,
    /// The clone's capacity, compared with the other clones: 1 to 1000.
    #[serde(default = "default_weight")]
    pub weight: u32,
}

fn default_weight() -> u32 {
    1
}

impl Default for Config {
    /// Round robin without clones, with the defaults of each part.
    fn default() -> Self {
        Config {
            strategy: StrategyName::default(),
            max_in_flight: 1024,
            trusted_proxies: Vec::new(),
            upstreams: Vec::new(),
            probe: ProbePolicy::default(),
            timeouts: Timeouts::default(),
            health: HealthPolicy::default(),
            retries: RetryPolicy::default(),
            limits: Limits::default(),
        }
    }
}

/// Why a configuration is refused. A running balancer keeps the old configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file does not exist, or this program may not read it.
    #[error(
        "cannot read {}; it must be a TOML file in UTF-8 that this program may read",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The file is not TOML, or a key or a value is unknown. The message contains the line.
    #[error("{0}")]
    Malformed(#[from] toml::de::Error),
    /// A value is out of range, or values contradict each other.
    #[error("{0}")]
    Invalid(String),
}

impl Config {
    /// Parses the text of a file, and names the clones that have no name.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut config: Config = toml::from_str(text)?;
        for (position, upstream) in (1..).zip(&mut config.upstreams) {
            if upstream.name.is_empty() {
                upstream.name = format!("clone-{position}");
            }
        }
        Ok(config)
    }

    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Config::parse(&read_text(path)?)
    }
}

pub(super) fn read_text(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })
}
