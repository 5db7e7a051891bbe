//! The set of clones changes while requests come: add, drain, resume, remove.
//!
//! A clone is replaced in this order: the new one is added, the old one is *drained*, which means that it gets nothing new and
//! finishes what it has, and only then it is stopped. So no request meets a clone that is going. A request holds its clone by
//! itself, so even one that is removed under it is finished.
//!
//! Left out: where the list of clones comes from. Here somebody calls; elsewhere it is DNS, Consul or Kubernetes.

use tokio::time::Instant;

use super::{Balancer, Upstream};

/// Why the set was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FleetError {
    /// The balancer has a clone of this name. Remove that one first, or take another name.
    #[error("there is a clone called `{0}` already; remove it first, or take another name")]
    NameTaken(String),
    /// The balancer has no clone of this name.
    #[error("there is no clone called `{0}`; `status` lists those that there are")]
    Unknown(String),
}

impl Balancer {
    /// Adds a clone. It gets a growing part of its share at first (*slow start*): its caches are cold, those of the others warm.
    pub fn add(&self, upstream: Upstream) -> Result<(), FleetError> {
        self.add_together(vec![upstream])
    }

    /// Adds clones that begin together. If they are the first, all are cold, and each gets its share at once.
    pub fn add_together(&self, upstreams: Vec<Upstream>) -> Result<(), FleetError> {
        let added = self.members().add(upstreams, Instant::now());
        added.map_err(FleetError::NameTaken)
    }

    /// The clone gets nothing new from the first poll on. Resolves when it has finished what it had, with the last byte of the last
    /// answer. Dropping the future stops the waiting only; [`resume`](Self::resume) lets requests in again.
    pub async fn drain(&self, name: &str) -> Result<(), FleetError> {
        let upstream = self.members().set_draining(name, true, Instant::now());
        upstream
            .ok_or_else(|| FleetError::Unknown(name.to_owned()))?
            .quiet()
            .await;
        Ok(())
    }

    /// Takes a draining back. The clone gets its share again, slowly.
    pub fn resume(&self, name: &str) -> Result<(), FleetError> {
        let upstream = self.members().set_draining(name, false, Instant::now());
        upstream
            .map(drop)
            .ok_or_else(|| FleetError::Unknown(name.to_owned()))
    }

    /// The clone counts for so much from now on, compared with the others. True if it counted for something else before.
    pub(super) fn set_weight(&self, name: &str, weight: u32) -> bool {
        self.members().set_weight(name, weight)
    }

    /// Takes a clone out at once. Requests that it has are finished, but nobody waits for them here: [`drain`](Self::drain) does.
    pub fn remove(&self, name: &str) -> Result<(), FleetError> {
        let was_there = self.members().remove(name);
        was_there
            .then_some(())
            .ok_or_else(|| FleetError::Unknown(name.to_owned()))
    }
}
