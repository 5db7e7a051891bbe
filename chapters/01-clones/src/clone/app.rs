//! The router of this chapter's clone: the smallest application that shows what a clone may keep.
//!
//! A clone has a name and two stores that it shares with the other clones. So all clones send the
//! same responses, except for the clone's name. `ch05-full` builds its clone from the same parts.

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRef, State};
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;

use super::avatar::{self, AvatarStore};
use super::login::{self, MaybeUser};
use super::readiness::{self, Readiness};
use super::session::SessionStore;
use crate::web::identity::{self, Identity};
use crate::web::problem;

/// The state that the handlers share.
#[derive(Clone)]
struct AppState {
    identity: Identity,
    sessions: Arc<dyn SessionStore>,
    avatars: AvatarStore,
    readiness: Readiness,
}

impl FromRef<AppState> for Readiness {
    fn from_ref(state: &AppState) -> Self {
        state.readiness.clone()
    }
}

impl FromRef<AppState> for Identity {
    fn from_ref(state: &AppState) -> Self {
        state.identity.clone()
    }
}

impl FromRef<AppState> for Arc<dyn SessionStore> {
    fn from_ref(state: &AppState) -> Self {
        Arc::clone(&state.sessions)
    }
}

impl FromRef<AppState> for AvatarStore {
    fn from_ref(state: &AppState) -> Self {
        state.avatars.clone()
    }
}

/// The routes of a clone with this name. It is always ready.
pub fn router(name: &str, sessions: Arc<dyn SessionStore>, avatars: AvatarStore) -> Router {
    router_with(Identity::new(name), sessions, avatars, Readiness::default())
}

/// Like [`router`], with an identity and a readiness that the caller controls.
pub fn router_with(
    identity: Identity,
    sessions: Arc<dyn SessionStore>,
    avatars: AvatarStore,
    readiness: Readiness,
) -> Router {
    let state = AppState {
        identity: identity.clone(),
        sessions,
        avatars,
        readiness,
    };
    let (routes, _openapi) = OpenApiRouter::new()
        .merge(identity::routes())
        .merge(readiness::routes())
        .merge(login::routes())
        .merge(avatar::routes())
        .split_for_parts();
    let routes = routes.route("/", get(home_page)).with_state(state);
    identity::sign(problem::fallbacks(routes), identity)
}

/// While the session store is unavailable, this page still works, without the user's name.
async fn home_page(State(identity): State<Identity>, MaybeUser(user): MaybeUser) -> String {
    let name = user.as_deref().unwrap_or("visitor");
    format!("SERVER {}: welcome, {name}\n", identity.name())
}
