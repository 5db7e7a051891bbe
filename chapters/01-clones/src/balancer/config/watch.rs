//! Reloads the configuration file while the balancer runs.

use std::path::Path;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::file::{Config, ConfigError, read_text};
use crate::balancer::load_balancer::Balancer;

/// How often the balancer checks whether the file has changed.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(500);

impl Balancer {
    /// Watches a file for ever. It reloads the file when the file changes, and at once when a
    /// message comes over `reload` (SIGHUP). `adapt` changes each configuration before it applies,
    /// so that command-line flags win over the file. `report` gets the changes or the error.
    pub async fn watch_config(
        &self,
        path: &Path,
        mut current: Config,
        mut reload: mpsc::Receiver<()>,
        adapt: impl Fn(Config) -> Config,
        report: impl Fn(Result<Vec<String>, ConfigError>),
    ) {
        // The file may have changed since `current` was read, so both begin without a value.
        let (mut applied_text, mut last_text) = (None, None);
        let mut ticks = interval(POLL_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_requested = tokio::select! {
                Some(()) = reload.recv() => true,
                _ = ticks.tick() => false,
            };
            let text = read_text(path);
            if !is_requested {
                // An editor may be writing the file, so two reads must give the same text.
                let this_text = text.as_ref().ok().cloned();
                let is_settled = this_text == last_text;
                last_text = this_text;
                if !is_settled || last_text == applied_text {
                    continue;
                }
            }
            applied_text = text.as_ref().ok().cloned();
            last_text.clone_from(&applied_text);
            let result = text
                .and_then(|text| Config::parse(&text))
                .map(&adapt)
                .and_then(|new| {
                    let changes = self.reconfigure(&current, &new)?;
                    current = new;
                    Ok(changes)
                });
            let has_news = !matches!(&result, Ok(changes) if changes.is_empty());
            if is_requested || has_news {
                report(result);
            }
        }
    }
}
