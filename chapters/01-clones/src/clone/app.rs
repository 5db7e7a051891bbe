//! The chapter's own clone: the smallest server that shows what a clone must and must not know.
//!
//! It holds a name and the two stores of what visitors leave behind, nothing else. Start two with the same stores and a
//! balancer cannot tell them apart, but for their signature. The full store of `ch05-full` is made of the same parts, with the catalogue and
//! the orders between them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRef, State};
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;

use crate::clone::avatar::{self, AvatarStore};
use crate::clone::login::{self, MaybeUser};
use crate::clone::readiness::{self, Readiness};
use crate::clone::session::SessionStore;
use crate::web::identity::{self, Identity};
use crate::web::problem::{self, Problem};

/// What the handlers of a clone can ask for.
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

/// A clone with this name: `/`, `/whoami`, `/healthz`, `/readyz`, `/login`, `/me`, `/logout`, `/logout-everywhere`, `/me/avatar` and `/users/{id}/avatar`.
/// It is ready for ever.
pub fn router(name: &str, sessions: Arc<dyn SessionStore>, avatars: AvatarStore) -> Router {
    router_with(Identity::new(name), sessions, avatars, Readiness::default())
}

/// The same, ready for as long as `readiness` says so.
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
    let routes = routes.route("/", get(front_page)).with_state(state);
    identity::sign(problem::fallbacks(routes), identity)
}

/// A page that only greets goes on without a name while the session store is away.
async fn front_page(State(identity): State<Identity>, user: Result<MaybeUser, Problem>) -> String {
    let user = user.ok().and_then(|MaybeUser(user)| user);
    let visitor = user.as_deref().unwrap_or("visitor");
    format!("SERVER {}: welcome, {visitor}\n", identity.name())
}
