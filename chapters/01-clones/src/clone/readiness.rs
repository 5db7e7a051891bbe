//! Readiness: whether a clone wants requests. `GET /readyz` says so to the balancer's probes.
//!
//! It is not liveness ([`/healthz`](crate::web::identity)). A clone that is about to stop lives, and wants nothing new. It says no first, goes
//! on answering for as long as balancers need to notice, and only then closes its door. Without that notice, a request that comes over
//! an open connection at the moment of closing is lost, and a POST cannot be sent again.
//!
//! Left out: asking the session store. If Redis is away it is away for all clones, and none would be left.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::{FromRef, State};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::web::problem::Problem;

/// Whether a clone wants requests; at first it does. Cheap to clone, and all clones of it say the same.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    is_leaving: Arc<AtomicBool>,
}

impl Readiness {
    /// From now on `/readyz` says no.
    pub fn withdraw(&self) {
        self.is_leaving.store(true, Ordering::SeqCst);
    }

    /// Waits for `stop`, withdraws, and resolves when `notice` is over: what [`server::run`](crate::web::server::run) takes for its
    /// shutdown. `notice` has to be longer than the balancers' probes take to believe it, 1.5 s with the default ones.
    pub async fn leave(self, stop: impl Future<Output = ()> + Send, notice: Duration) {
        stop.await;
        self.withdraw();
        tokio::time::sleep(notice).await;
    }
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
    (status = 200, description = "It wants requests", body = String, content_type = "text/plain", example = "ready"),
    (status = 503, description = "It is about to stop", body = Problem, content_type = "application/problem+json"),
))]
async fn readyz(State(readiness): State<Readiness>) -> Result<&'static str, Problem> {
    if readiness.is_leaving.load(Ordering::SeqCst) {
        return Err(Problem::unavailable(
            "this clone is about to stop; ask another one",
        ));
    }
    Ok("ready")
}

#[cfg(test)]
mod tests {
    use super::*;

    // The clock is paused: whenever nothing else can run, it jumps to the next timer.
    #[tokio::test(start_paused = true)]
    async fn a_clone_that_is_asked_to_stop_says_so_first_and_stops_later() {
        let (readiness, notice) = (Readiness::default(), Duration::from_secs(2));
        assert_eq!(readyz(State(readiness.clone())).await.unwrap(), "ready");
        let begin = tokio::time::Instant::now();

        readiness
            .clone()
            .leave(std::future::ready(()), notice)
            .await;

        assert_eq!(
            begin.elapsed(),
            notice,
            "the balancers had no time to notice"
        );
        assert_eq!(readyz(State(readiness)).await.unwrap_err().status(), 503);
    }
}
