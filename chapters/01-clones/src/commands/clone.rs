//! The role of a clone; and a release of it that is broken on purpose.
//!
//! Left out: everything that a clone does. That is the library's [`app`].

use std::time::Duration;

use anyhow::bail;
use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use ch01_clones::clone::app;
use ch01_clones::web::identity::Identity;
use ch01_clones::web::{server, shutdown};
use ch01_clones::{Problem, Readiness};
use http::StatusCode;
use http::header::COOKIE;

use super::bind;
use crate::cli::{self, CloneArguments, Defect};

/// Runs a clone until it is told to stop.
pub async fn run(arguments: CloneArguments) -> anyhow::Result<()> {
    if arguments.defect == Some(Defect::Exits) {
        bail!("this release is broken on purpose: it ends before it listens");
    }
    // First of all, so that a signal finds somebody who listens.
    let asked = shutdown::requested(arguments.exit_on_stdin_close);
    let mut identity = Identity::new(&arguments.name);
    if let Some(release) = &arguments.release {
        identity = identity.of_release(release);
    }
    let readiness = Readiness::default();
    let avatars = cli::avatars(arguments.avatars.as_deref())?;
    let app = app::router_with(identity, arguments.sessions, avatars, readiness.clone());
    let app = broken(app, arguments.defect, &readiness);
    let listener = bind(&arguments.name, arguments.listen).await?;
    println!(
        "{} listens on http://{} (Ctrl-C ends it)",
        arguments.name,
        listener.local_addr()?
    );
    let stop = readiness.leave(asked, Duration::from_millis(arguments.notice));
    server::run(listener, app, stop).await;
    Ok(())
}

fn broken(app: Router, defect: Option<Defect>, readiness: &Readiness) -> Router {
    match defect {
        Some(Defect::NeverReady) => {
            readiness.withdraw();
            app
        }
        Some(Defect::Errors) => app.layer(from_fn(|request: Request, next| {
            let is_spared = request.uri().path() == "/readyz";
            fail_unless(is_spared, request, next)
        })),
        Some(Defect::Sessions) => app.layer(from_fn(|request: Request, next| {
            let is_spared = !request.headers().contains_key(COOKIE);
            fail_unless(is_spared, request, next)
        })),
        Some(Defect::Exits) | None => app,
    }
}

async fn fail_unless(is_spared: bool, request: Request, next: Next) -> Response {
    if is_spared {
        return next.run(request).await;
    }
    let detail = "this release is broken on purpose; deploy another one";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response()
}
