//! One attempt to get a response from a clone, and what it says about the clone's health.

use http::{Request, StatusCode};
use tokio::time::Instant;

use crate::balancer::health::Outcome;
use crate::balancer::load_balancer::{Balancer, Settings};
use crate::balancer::retry::RetryState;
use crate::balancer::upstream::{
    Deadline, PickedUpstream, ReplayBody, SendError, UpstreamResponse,
};

impl Balancer {
    /// Sends the request to this clone, and records the outcome.
    pub(super) async fn attempt(
        &self,
        settings: &Settings,
        picked: &PickedUpstream,
        request: Request<ReplayBody>,
        retries: &mut RetryState<'_>,
    ) -> Result<UpstreamResponse, SendError> {
        let upstream = picked.in_flight.upstream();
        let (begin, went_down) = (Instant::now(), upstream.went_down());
        let deadline = retries.deadline();
        let sending = upstream.send(request, &settings.timeouts, deadline);
        tokio::pin!(sending);
        let result = tokio::select! {
            result = &mut sending => result,
            // The probes say that the clone hangs. Requests that can be retried leave it; the
            // others can only wait.
            () = went_down => {
                if retries.reserve_retry() {
                    Err(SendError::TimedOut)
                } else {
                    sending.await
                }
            }
        };
        let outcome = classify(&result, deadline);
        if let (Outcome::NoResponse, Err(error)) = (outcome, &result) {
            tracing::warn!(upstream = upstream.name(), ?error, "got no response");
        }
        if let Err(SendError::LocalError) = result {
            self.count_local_error();
        }
        let now = Instant::now();
        self.upstreams()
            .record_attempt(picked.id, picked.was_trial, outcome, now - begin, now);
        result
    }
}

fn classify(result: &Result<UpstreamResponse, SendError>, deadline: Deadline) -> Outcome {
    match result {
        Ok(upstream) => match upstream.response.status() {
            StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::GATEWAY_TIMEOUT => Outcome::ServerError,
            _ => Outcome::Success,
        },
        // The request's own deadline passed before the clone had time to accept the connection.
        Err(SendError::NotSent(_)) if deadline.has_passed() => Outcome::Inconclusive,
        Err(SendError::NotSent(_)) => Outcome::ConnectFailed,
        // The balancer's or the client's failure, or a response that is only too large for us.
        Err(SendError::LocalError | SendError::HeadTooLarge) => Outcome::Inconclusive,
        Err(SendError::Broken(error)) if error.is_user() => Outcome::Inconclusive,
        Err(SendError::Broken(_) | SendError::TimedOut) => Outcome::NoResponse,
    }
}
