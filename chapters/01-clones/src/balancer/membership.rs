//! Adding, draining, resuming and removing clones while requests are in flight.
//!
//! An operator or a deploy replaces a clone in three steps: add the new clone, *drain* the old one,
//! then stop it. A draining clone gets no new requests and finishes those that it has. A request
//! holds its clone by an `Arc`, so that a removed clone still finishes its requests.
//!
//! Left out: discovering clones by DNS, Consul or Kubernetes.

use tokio::time::Instant;

use super::load_balancer::Balancer;
use super::upstream::Upstream;

/// Why the set of clones was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MembershipError {
    /// The balancer has a clone of this name already. The admin API answers 409.
    #[error("there is a clone called `{0}` already; remove it first, or use another name")]
    NameTaken(String),
    /// The balancer has no clone of this name. The admin API answers 404.
    #[error("there is no clone called `{0}`; `GET /upstreams` lists the clones")]
    UnknownName(String),
}

impl Balancer {
    /// Adds a clone. Its share of the requests grows slowly (*slow start*), because its caches are
    /// empty.
    pub fn add(&self, upstream: Upstream) -> Result<(), MembershipError> {
        self.add_all(vec![upstream])
    }

    /// Adds several clones at once. If they are the balancer's first clones, there is no slow
    /// start.
    pub fn add_all(&self, upstreams: Vec<Upstream>) -> Result<(), MembershipError> {
        let added = self.upstreams().add(upstreams, Instant::now());
        added.map_err(MembershipError::NameTaken)
    }

    /// Sends the clone no new requests, and resolves after the last byte of its last response. If
    /// the future is dropped, the clone goes on draining; only [`resume`](Self::resume) ends that.
    pub async fn drain(&self, name: &str) -> Result<(), MembershipError> {
        let upstream = self.upstreams().set_draining(name, true, Instant::now());
        upstream
            .ok_or_else(|| MembershipError::UnknownName(name.to_owned()))?
            .wait_until_idle()
            .await;
        Ok(())
    }

    /// Ends a drain. The clone gets requests again, with a slow start.
    pub fn resume(&self, name: &str) -> Result<(), MembershipError> {
        let upstream = self.upstreams().set_draining(name, false, Instant::now());
        upstream
            .map(drop)
            .ok_or_else(|| MembershipError::UnknownName(name.to_owned()))
    }

    /// Removes a clone at once. Its requests in flight are finished; [`drain`](Self::drain) waits
    /// for them.
    pub fn remove(&self, name: &str) -> Result<(), MembershipError> {
        let was_removed = self.upstreams().remove(name);
        was_removed
            .then_some(())
            .ok_or_else(|| MembershipError::UnknownName(name.to_owned()))
    }
}
