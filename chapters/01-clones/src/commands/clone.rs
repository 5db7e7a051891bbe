//! `clone`: runs one clone, or a release of it that is broken on purpose.

use std::time::Duration;

use anyhow::bail;
use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use ch01_clones::clone::app;
use ch01_clones::web::identity::Identity;
use ch01_clones::web::server;
use ch01_clones::{Problem, Readiness};
use common::shutdown;
use http::StatusCode;
use http::header::COOKIE;

use super::bind;
use crate::cli::{self, CloneArguments, Defect};

/// Runs a clone until it is asked to stop.
pub async fn run(arguments: CloneArguments) -> anyhow::Result<()> {
    if arguments.defect == Some(Defect::Exits) {
        bail!("this release is broken on purpose: it exits before it listens");
    }
    // Before anything else, so that no signal is missed.
    let shutdown_requested = shutdown::requested(arguments.exit_on_stdin_close);
    let mut identity = Identity::new(&arguments.name);
    if let Some(release) = &arguments.release {
        identity = identity.of_release(release);
    }
    let readiness = Readiness::default();
    let avatars = cli::avatars(arguments.avatars.as_deref())?;
    let app = app::router_with(identity, arguments.sessions, avatars, readiness.clone());
    let app = with_defect(app, arguments.defect, &readiness);
    let listener = bind(&arguments.name, arguments.listen).await?;
    println!(
        "{} listens on http://{} (Ctrl-C ends it)",
        arguments.name,
        listener.local_addr()?
    );
    let delay = Duration::from_millis(arguments.notice);
    let shutdown = readiness.withdraw_on(shutdown_requested, delay);
    server::run(listener, app, shutdown).await;
    Ok(())
}

fn with_defect(app: Router, defect: Option<Defect>, readiness: &Readiness) -> Router {
    match defect {
        Some(Defect::NeverReady) => {
            readiness.withdraw();
            app
        }
        Some(Defect::Errors) => app.layer(from_fn(|request: Request, next| {
            let is_exempt = request.uri().path() == "/readyz";
            fail_unless(is_exempt, request, next)
        })),
        Some(Defect::Sessions) => app.layer(from_fn(|request: Request, next| {
            let is_exempt = !request.headers().contains_key(COOKIE);
            fail_unless(is_exempt, request, next)
        })),
        Some(Defect::Exits) | None => app,
    }
}

async fn fail_unless(is_exempt: bool, request: Request, next: Next) -> Response {
    if is_exempt {
        return next.run(request).await;
    }
    let detail = "this release is broken on purpose; deploy another one";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response()
}
