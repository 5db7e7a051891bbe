//! Builds a balancer from a configuration, and changes a running balancer to another configuration.
//!
//! A configuration is applied as a whole or not at all. Requests in flight keep the settings with
//! which they began, and a removed clone finishes its requests.

use tokio::time::Instant;

use super::file::{Config, ConfigError, UpstreamConfig};
use crate::balancer::load_balancer::Balancer;
use crate::balancer::strategy::StrategyName;
use crate::balancer::upstream::Upstream;
use crate::web::limits::Limits;

impl Config {
    /// Builds a balancer with this configuration.
    pub fn build(&self) -> Result<Balancer, ConfigError> {
        self.check()?;
        let balancer = Balancer::new(self.upstreams.iter().map(UpstreamConfig::build).collect());
        balancer.apply_settings(self);
        Ok(balancer.with_strategy(self.strategy.build(rand::random())))
    }
}

impl UpstreamConfig {
    fn build(&self) -> Upstream {
        Upstream::new(&self.name, self.addr).with_weight(self.weight)
    }
}

impl Balancer {
    /// Changes from the configuration `old` to `new` while requests are in flight. Returns one line
    /// of text for each change. An invalid configuration changes nothing.
    pub fn reconfigure(&self, old: &Config, new: &Config) -> Result<Vec<String>, ConfigError> {
        new.check()?;
        let mut changes = self.reconfigure_upstreams(&old.upstreams, &new.upstreams);
        if new.strategy != old.strategy {
            self.upstreams().strategy = new.strategy.build(rand::random());
            changes.push(format!("the strategy is {:?}", new.strategy));
        }
        self.apply_settings(new);
        if other_settings(old) != other_settings(new) {
            changes.push("other settings have changed".to_owned());
        }
        if old.limits != new.limits {
            changes.push("the new `limits` apply after a restart".to_owned());
        }
        Ok(changes)
    }

    /// Makes the clones of the file the balancer's clones, also those that an operator has removed.
    /// Clones that only the operator has added stay.
    fn reconfigure_upstreams(&self, old: &[UpstreamConfig], new: &[UpstreamConfig]) -> Vec<String> {
        let (mut upstreams, now) = (self.upstreams(), Instant::now());
        let mut changes = Vec::new();
        let is_gone = |name: &str| new.iter().all(|upstream| upstream.name != name);
        for UpstreamConfig { name, addr, .. } in old.iter().filter(|old| is_gone(&old.name)) {
            if upstreams.remove(name) {
                changes.push(format!("{name} at {addr} was removed"));
            }
        }
        for upstream in new {
            let UpstreamConfig { name, addr, weight } = upstream;
            let running = upstreams.addr(name);
            if running == Some(*addr) {
                if upstreams.set_weight(name, *weight) {
                    changes.push(format!("{name} has the weight {weight}"));
                }
                continue;
            }
            if let Some(former) = running {
                upstreams.remove(name);
                changes.push(format!("{name} at {former} was removed"));
            }
            let added = upstreams.add(vec![upstream.build()], now);
            added.expect("the name is free: a clone of this name was just removed");
            changes.push(format!("{name} at {addr} was added"));
        }
        changes
    }

    fn apply_settings(&self, config: &Config) {
        self.change_settings(|settings| {
            settings.timeouts = config.timeouts;
            settings.probes = Some(config.probe.clone());
            settings.trusted_proxies.clone_from(&config.trusted_proxies);
        });
        self.set_retry_policy(config.retries);
        let mut upstreams = self.upstreams();
        upstreams.health_policy = config.health;
        upstreams.max_in_flight = config.max_in_flight;
    }
}

/// The settings for which [`Balancer::reconfigure`] reports only that they have changed.
fn other_settings(config: &Config) -> Config {
    Config {
        upstreams: Vec::new(),
        strategy: StrategyName::default(),
        limits: Limits::default(),
        ..config.clone()
    }
}
