//! What all handlers of one clone share.

use std::sync::Arc;

use axum::extract::FromRef;
use ch01_clones::web::identity::Identity;
use ch01_clones::{AvatarStore, SessionStore};
use tokio_util::sync::CancellationToken;

use super::metrics::Metrics;
use super::response::ResponseInfo;
use crate::services::Services;

/// The state of one clone. Cheap to clone.
#[derive(Clone)]
pub struct CloneState {
    /// The services that the clone uses.
    pub services: Services,
    /// The clone's name.
    pub identity: Identity,
    /// The metrics of this process.
    pub metrics: Metrics,
    /// Cancelled when the store begins to stop. Event streams end then.
    pub stopping: CancellationToken,
}

impl CloneState {
    /// The description of a response of this clone.
    pub(super) fn response_info(&self) -> ResponseInfo {
        ResponseInfo::new(self.identity.name())
    }
}

impl FromRef<CloneState> for Arc<dyn SessionStore> {
    fn from_ref(state: &CloneState) -> Self {
        state.services.sessions.clone()
    }
}

impl FromRef<CloneState> for AvatarStore {
    fn from_ref(state: &CloneState) -> Self {
        state.services.avatars.clone()
    }
}

impl FromRef<CloneState> for Identity {
    fn from_ref(state: &CloneState) -> Self {
        state.identity.clone()
    }
}
