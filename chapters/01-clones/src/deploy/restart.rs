//! Restarts of dead clones. Each restart runs by itself: a clone that cannot start delays no other
//! restart and no deploy.

use std::collections::BTreeSet;
use std::time::Duration;

use common::restart_delay::RestartDelay;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::sleep;

use super::artifact::Artifact;
use super::supervisor::{
    READY_TIMEOUT, STOP_TIMEOUT, SupervisedClone, Supervisor, SupervisorError,
};

/// How often the supervisor checks whether its clones are alive.
const CHECK_INTERVAL: Duration = Duration::from_millis(200);

/// A clone whose process has ended.
struct DeadClone {
    name: String,
    release: Artifact,
}

impl Supervisor {
    /// Restarts dead clones, for ever. It reports each step to `report`, as a line of text.
    pub async fn supervise(&self, report: impl Fn(String)) {
        let (mut restarts, mut restarting) = (FuturesUnordered::new(), BTreeSet::new());
        loop {
            for (dead, ended) in self.dead_clones() {
                if restarting.insert(dead.name.clone()) {
                    let _ = self.balancer.remove(&dead.name);
                    restarts.push(self.restart(dead, ended, &report));
                }
            }
            tokio::select! {
                Some(name) = restarts.next() => { restarting.remove(&name); }
                () = sleep(CHECK_INTERVAL) => {}
            }
        }
    }

    /// The clones whose process has ended, and why it ended.
    fn dead_clones(&self) -> Vec<(DeadClone, SupervisorError)> {
        let mut clones = self.clones();
        let running = clones.running.iter_mut();
        running
            .filter_map(|clone| {
                let ended = clone.ended_error()?;
                let (name, release) = (clone.process.name.clone(), clone.release.clone());
                Some((DeadClone { name, release }, ended))
            })
            .collect()
    }

    /// Replaces a dead clone by a new one of the same release. Returns the name of the dead clone.
    ///
    /// It tries until a clone is ready, or until a deploy has replaced the dead clone.
    async fn restart(
        &self,
        dead: DeadClone,
        ended: SupervisorError,
        report: &impl Fn(String),
    ) -> String {
        let (mut reason, mut delay) = (ended, RestartDelay::default());
        while self.clones().position(&dead.name).is_some() {
            let name = self.clones().next_name();
            report(format!("{reason}; {name} replaces it"));
            match self.start_ready(&name, &dead.release, READY_TIMEOUT).await {
                Ok(clone) => {
                    self.install(clone, &dead.name).await;
                    break;
                }
                Err(error) => reason = error,
            }
            delay.wait().await;
        }
        dead.name
    }

    /// Puts a new clone into the place of `replaced`. If a deploy was faster, it stops the new one.
    async fn install(&self, clone: SupervisedClone, replaced: &str) {
        {
            let mut clones = self.clones();
            if let Some(index) = clones.position(replaced) {
                self.add_to_balancer(&clone);
                clones.running[index] = clone;
                return;
            }
        }
        clone.process.stop(STOP_TIMEOUT).await;
    }
}
