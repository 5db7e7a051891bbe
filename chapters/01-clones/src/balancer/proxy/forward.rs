//! Forwards a request to a clone, and to the next clone if an attempt fails and a retry is safe.

use std::time::Duration;

use http::header::{EXPECT, SET_COOKIE};
use http::{Request, Response, StatusCode, request};
use http_body::Body;
use http_body_util::Either;
use tokio::time::Instant;

use super::headers;
use super::response_body::{ResponseBody, UpstreamBody};
use super::upgrade::{UpgradeRequest, set_upgrade_headers};
use crate::balancer::load_balancer::{Balancer, Settings};
use crate::balancer::retry::RetryState;
use crate::balancer::strategy::RequestInfo;
use crate::balancer::upstream::{PickContext, PickedUpstream, ReplayBody, UpstreamResponse};
use crate::web::identity::{X_REQUEST_ID, request_id};
use crate::web::problem::Problem;
use crate::web::request_body::RequestBody;
use crate::web::server::PeerAddr;

impl Balancer {
    /// Answers a request with a clone's response, or with a problem document of the balancer: 400,
    /// 408, 502, 503 or 504.
    pub async fn forward(&self, mut request: Request<RequestBody>) -> Response<ResponseBody> {
        let settings = self.settings();
        let upgrade = UpgradeRequest::from_request(&mut request);
        let (mut head, body) = request.into_parts();
        let id = request_id(&head.headers);
        let peer = head.extensions.get().map(|PeerAddr(peer)| peer.ip());
        let prepared = headers::prepare_request(&mut head, peer, &settings.trusted_proxies, &id);
        let result = match prepared {
            Ok(()) => {
                self.forward_with_retries(&settings, head, body, upgrade)
                    .await
            }
            Err(problem) => Err(problem),
        };
        match result {
            Ok(response) => {
                let (mut head, body) = response.into_parts();
                headers::prepare_response(&mut head);
                if head.status == StatusCode::SWITCHING_PROTOCOLS {
                    set_upgrade_headers(&mut head.headers);
                }
                head.headers.entry(X_REQUEST_ID).or_insert(id);
                Response::from_parts(head, body)
            }
            Err(problem) => problem
                .with_header(X_REQUEST_ID, id)
                .into_http()
                .map(Either::Right),
        }
    }

    // ANCHOR: retries
    async fn forward_with_retries(
        &self,
        settings: &Settings,
        mut head: request::Parts,
        body: RequestBody,
        upgrade: Option<UpgradeRequest>,
    ) -> Result<Response<ResponseBody>, Problem> {
        if upgrade.is_some() {
            set_upgrade_headers(&mut head.headers);
        }
        // There is nothing to wait for without a body.
        if body.is_end_stream() {
            head.headers.remove(EXPECT);
        }
        let (attempts, timeouts) = (settings.max_attempts, &settings.timeouts);
        let (mut retries, mut request) =
            RetryState::new(head, body, attempts, timeouts, &self.retry_budget);
        loop {
            let picked = self.pick(&request, &mut retries)?;
            match self.attempt(settings, &picked, request, &mut retries).await {
                Ok(response) => return self.accept(response, picked, settings, upgrade),
                Err(failure) => request = retries.next_request(failure)?,
            }
        }
    }
    // ANCHOR_END: retries

    /// Picks the clone for the next attempt.
    fn pick(
        &self,
        request: &Request<ReplayBody>,
        retries: &mut RetryState<'_>,
    ) -> Result<PickedUpstream, Problem> {
        let context = PickContext {
            request: RequestInfo {
                path: request
                    .uri()
                    .path_and_query()
                    .map_or("/", |target| target.as_str()),
                headers: request.headers(),
            },
            tried: retries.tried(),
            is_retryable: retries.is_retryable(),
        };
        let mut upstreams = self.upstreams();
        let picked = upstreams
            .pick(&context, Instant::now())
            .map_err(|reason| retries.no_upstream(reason))?;
        if retries.begin_attempt(picked.id) {
            upstreams.record_retry(picked.id);
        }
        Ok(picked)
    }

    /// Turns a clone's response into the one for the client: an open tunnel, or a streamed body.
    fn accept(
        &self,
        upstream: UpstreamResponse,
        picked: PickedUpstream,
        settings: &Settings,
        upgrade: Option<UpgradeRequest>,
    ) -> Result<Response<ResponseBody>, Problem> {
        if upstream.response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let idle = settings.timeouts.tunnel;
            return upgrade
                .and_then(|upgrade| {
                    upgrade.accept(upstream.response, picked.in_flight, idle, &self.tunnels)
                })
                .ok_or_else(|| {
                    Problem::new(
                        StatusCode::BAD_GATEWAY,
                        "the clone switched to a protocol that the client did not request",
                    )
                });
        }
        headers::check_response(&upstream.response)
            .inspect_err(|_| upstream.upload.end_response())?;
        Ok(stream_response(upstream, picked, settings.timeouts.read))
    }
}

fn stream_response(
    upstream: UpstreamResponse,
    picked: PickedUpstream,
    read_timeout: Duration,
) -> Response<ResponseBody> {
    let UpstreamResponse {
        response,
        sender,
        upload,
    } = upstream;
    let mut response = response.map(|body| {
        let in_flight = picked.in_flight;
        Either::Left(UpstreamBody::new(
            body,
            sender,
            upload,
            in_flight,
            read_timeout,
        ))
    });
    if let Some(cookie) = picked.cookie {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}
