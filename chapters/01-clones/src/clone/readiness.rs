//! Readiness: whether a clone wants requests. The balancer's health checks ask `GET /readyz`.
//!
//! It differs from liveness ([`/healthz`](crate::web::identity)): a clone that is about to stop is
//! alive but not ready. First `/readyz` fails, then the clone still answers until the balancers
//! have noticed (the *deregistration delay*), and then it closes its listener. Without the delay, a
//! request on an open connection could be lost. The balancer must not retry a lost POST.
//!
//! `/readyz` does not check the session store: without Redis no clone would be ready.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::{FromRef, State};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::web::problem::Problem;

/// Whether a clone wants requests, initially yes. Cheap to clone; all copies share the state.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    is_stopping: Arc<AtomicBool>,
}

impl Readiness {
    /// From now on `/readyz` responds with 503.
    pub fn withdraw(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
    }

    // ANCHOR: withdraw
    /// Waits for `shutdown`, withdraws readiness and resolves after `delay`. The result is the
    /// shutdown signal for [`server::run`](crate::web::server::run).
    ///
    /// `delay` must be longer than the balancers need to notice: 1.5 s with the default health
    /// check.
    pub async fn withdraw_on(self, shutdown: impl Future<Output = ()> + Send, delay: Duration) {
        shutdown.await;
        self.withdraw();
        tokio::time::sleep(delay).await;
    }
    // ANCHOR_END: withdraw
}

/// `GET /readyz`, described for `/openapi.json`.
pub fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Readiness: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(readyz))
}

/// Readiness: the clone wants requests.
#[utoipa::path(get, path = "/readyz", tag = "operations", responses(
    (status = 200, description = "The clone wants requests", body = String, content_type = "text/plain", example = "ready"),
    (status = 503, description = "The clone is about to stop", body = Problem, content_type = "application/problem+json"),
))]
async fn readyz(State(readiness): State<Readiness>) -> Result<&'static str, Problem> {
    if readiness.is_stopping.load(Ordering::SeqCst) {
        return Err(Problem::unavailable(
            "this clone is about to stop; send the request to another one",
        ));
    }
    Ok("ready")
}

#[cfg(test)]
mod tests {
    use super::*;

    // Paused time: when no task can run, the clock jumps to the next timer.
    #[tokio::test(start_paused = true)]
    async fn stopping_clone_is_not_ready_before_it_stops() {
        let (readiness, delay) = (Readiness::default(), Duration::from_secs(2));
        assert_eq!(readyz(State(readiness.clone())).await.unwrap(), "ready");
        let begin = tokio::time::Instant::now();

        readiness
            .clone()
            .withdraw_on(std::future::ready(()), delay)
            .await;

        assert_eq!(
            begin.elapsed(),
            delay,
            "the balancers need the delay to notice"
        );
        assert_eq!(readyz(State(readiness)).await.unwrap_err().status(), 503);
    }
}
