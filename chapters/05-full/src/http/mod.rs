//! The clone's HTTP interface: which path leads to which handler, and what every request passes on its way.
//!
//! The handlers stand in one file for each part of the store. Of the design document's table of the interface these routes are
//! a part: friends and news are still to come. What exists is listed by `/openapi.json`, which is made from the
//! handlers' own annotations.

mod describe;
mod games;
mod home;
mod input;
mod jobs;
mod middleware;
mod negotiate;
mod operations;
mod orders;
mod reviews;
mod rsvp;
mod static_files;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use ch01_clones::clone::{avatar, login};
use ch01_clones::web::identity::{self, Identity};
use ch01_clones::web::problem;
use ch01_clones::{AvatarStore, SessionStore};
use ch02_database::StoreError;
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::metrics::Metrics;
use crate::services::Services;
use ch01_clones::Problem;

/// The largest request body that a clone reads, in bytes. What the store takes is short; the rest is somebody's mistake.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// What the handlers share. One value for each clone, cheap to clone.
#[derive(Clone)]
pub struct CloneState {
    /// The seams.
    pub services: Services,
    /// This clone's name.
    pub identity: Identity,
    /// What this process counts.
    pub metrics: Metrics,
    /// Fires when the store is about to stop: endless answers (events) end then.
    pub stopping: CancellationToken,
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

#[derive(OpenApi)]
#[openapi(
    info(
        title = "The game store",
        description = "One game store, scaled out: the HTTP interface of the scalability workshop's last chapter."
    ),
    components(schemas(Problem))
)]
struct Document;

/// The whole interface of one clone.
pub fn router(state: CloneState) -> Router {
    let (router, document) = OpenApiRouter::with_openapi(Document::openapi())
        .merge(identity::routes())
        .merge(login::routes())
        .merge(avatar::routes())
        .routes(routes!(home::home))
        .routes(routes!(games::list))
        .routes(routes!(games::show, games::change))
        .routes(routes!(reviews::add))
        .routes(routes!(reviews::delete))
        .routes(routes!(orders::find, orders::place))
        .routes(routes!(orders::show))
        .routes(routes!(jobs::work))
        .routes(routes!(jobs::show))
        .routes(routes!(jobs::events))
        .routes(routes!(rsvp::answer))
        .routes(routes!(static_files::game_page))
        .routes(routes!(static_files::art))
        .routes(routes!(operations::readyz))
        .routes(routes!(operations::metrics))
        .split_for_parts();
    let document = describe::complete(document)
        .to_pretty_json()
        .expect("a document made of strings is always JSON");
    let router = router
        .route(
            "/openapi.json",
            get(|| async { operations::openapi(document) }),
        )
        // For people only, so not in the document.
        .route("/login", get(home::login_page))
        .route("/account", get(home::account))
        .route("/static/style.css", get(static_files::style))
        .route("/static/icon.svg", get(static_files::icon))
        .route("/static/job.js", get(static_files::job_script));
    let router = problem::fallbacks(router)
        // The layer that is added last is the first that a request meets.
        .layer(from_fn(middleware::catch_panics))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn(middleware::refuse_large_bodies))
        .layer(from_fn(middleware::problems_for_people))
        .layer(from_fn(middleware::security_headers))
        // Around all that may refuse a request or panic, so that such answers are counted; but inside of what finishes writes, or
        // a write whose client has hung up would happen and not be counted.
        .layer(from_fn_with_state(state.clone(), middleware::count))
        .layer(from_fn_with_state(state.clone(), middleware::finish_writes));
    identity::sign(router, state.identity.clone()).with_state(state)
}

/// A store that does not answer is nobody's mistake but ours, and may be over in a second: 503.
#[expect(
    clippy::needless_pass_by_value,
    reason = "made for `map_err`, which passes by value"
)]
fn unavailable(error: StoreError) -> Problem {
    // The cause names files and hosts, so it goes into the log and not to the client.
    tracing::error!(error = &error as &dyn std::error::Error, "a request failed");
    Problem::unavailable("a part of the store does not answer right now; try again in a second")
}
