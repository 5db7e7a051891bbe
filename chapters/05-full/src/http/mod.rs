//! The HTTP interface of a clone.
//!
//! A request passes the middleware and reaches a handler. There is one file of handlers for each
//! part of the store. A handler uses the [`Services`](crate::services::Services) and answers with
//! JSON or with a page of [`views`](crate::views). `/openapi.json` is generated from the handlers'
//! annotations.

mod consistency;
mod error;
mod games;
mod home;
mod jobs;
pub mod metrics;
mod middleware;
mod negotiation;
mod news;
mod openapi;
mod operations;
mod orders;
mod response;
mod reviews;
mod rsvp;
mod social;
mod state;
mod static_files;
mod validation;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use ch01_clones::Problem;
use ch01_clones::clone::{avatar, login};
use ch01_clones::web::{identity, problem};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use middleware::MAX_BODY_BYTES;
pub use state::CloneState;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "The game store",
        description = "The HTTP interface of the game store in the scalability workshop."
    ),
    paths(operations::openapi),
    components(schemas(Problem))
)]
struct Document;

/// The routes and the middleware of one clone.
pub fn router(state: CloneState) -> Router {
    let (router, document) = OpenApiRouter::with_openapi(Document::openapi())
        .merge(identity::routes())
        .merge(login::routes())
        .merge(avatar::routes())
        .routes(routes!(home::home))
        .routes(routes!(home::login_page))
        .routes(routes!(home::account))
        .routes(routes!(games::list))
        .routes(routes!(games::show, games::change))
        .routes(routes!(reviews::add))
        .routes(routes!(reviews::delete))
        .routes(routes!(orders::find, orders::place))
        .routes(routes!(orders::show))
        .routes(routes!(social::friends))
        .routes(routes!(social::activity))
        .routes(routes!(news::list))
        .routes(routes!(news::show))
        .routes(routes!(jobs::submit))
        .routes(routes!(jobs::show))
        .routes(routes!(jobs::events))
        .routes(routes!(rsvp::accept))
        .routes(routes!(static_files::game_page))
        .routes(routes!(static_files::image))
        .routes(routes!(static_files::style))
        .routes(routes!(static_files::icon))
        .routes(routes!(static_files::job_script))
        .routes(routes!(operations::readyz))
        .routes(routes!(operations::metrics))
        .split_for_parts();
    let document = openapi::complete(document)
        .to_pretty_json()
        .expect("the document can always be written as JSON");
    let router = router.route(
        "/openapi.json",
        get(|| async { operations::openapi(document) }),
    );
    let [security_policy, no_sniff] = middleware::security_headers();
    let router = problem::fallbacks(router)
        // A request passes the layers from the last to the first.
        .layer(middleware::catch_panics())
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn(middleware::reject_large_bodies))
        .layer(from_fn(middleware::error_pages))
        .layer(security_policy)
        .layer(no_sniff)
        // Outside the layers that reject a request, so rejected requests are counted. Inside
        // `finish_writes`, so a write is counted even if its client has disconnected.
        .layer(from_fn_with_state(state.clone(), middleware::count))
        .layer(from_fn_with_state(state.clone(), middleware::finish_writes));
    identity::sign(router, state.identity.clone()).with_state(state)
}
