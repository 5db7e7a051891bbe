//! One request's way through the balancer: in, up to a clone, and back.
//!
//! The rule about trying again is the heart of it. A request that no clone has seen may go to another one, whatever
//! it asks for. A request that a clone *may* have seen goes out again only if doing it twice is the same as doing it
//! once: `GET` and `HEAD`. A `POST` is answered with 502, and the client, who knows what it was, decides.
//!
//! Neither body is ever held in memory as a whole: pieces pass as they come, in both directions. Left out: a budget for
//! retries over all requests, without which a sick system gets twice the load.

use std::error::Error;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, request};
use http_body::Body;
use http_body_util::{Either, Full};

use super::pooled::PooledBody;
use super::upload::Upload;
use super::upstream::Failure;
use super::{Balancer, headers};
use crate::identity::{X_REQUEST_ID, request_id};
use crate::linger::{BodyError, RequestBody};
use crate::problem::Problem;
use crate::server::PeerAddr;

/// A clone's answer, or a problem document of the balancer's own.
pub type ResponseBody = Either<PooledBody, Full<Bytes>>;

impl Balancer {
    /// Answers the request with a clone's response, or with a problem of our own: 400, 502, 503 or 504.
    pub async fn forward(&self, request: Request<RequestBody>) -> Response<ResponseBody> {
        let (mut head, body) = request.into_parts();
        let id = request_id(&head.headers);
        let peer = head.extensions.get().map(|PeerAddr(peer)| peer.ip());
        let outcome = match headers::prepare_request(&mut head, peer, &id) {
            Ok(()) => self.try_clones(head, Upload::new(body)).await,
            Err(problem) => Err(problem),
        };
        match outcome {
            Ok(response) => {
                let (mut head, body) = response.into_parts();
                headers::prepare_response(&mut head);
                head.headers.entry(X_REQUEST_ID).or_insert(id);
                Response::from_parts(head, Either::Left(body))
            }
            Err(problem) => answer_ourselves(problem, id),
        }
    }

    async fn try_clones(&self, head: request::Parts, body: Upload) -> Result<Response<PooledBody>, Problem> {
        // Sending consumes the head, so whoever wants to send it twice needs a copy beforehand.
        let mut copy = (may_be_repeated(&head.method) && body.is_end_stream()).then(|| head.clone());
        let mut request = Request::from_parts(head, body);
        let mut candidates = self.candidates();
        let mut next = candidates.next();

        while let Some(upstream) = next {
            request = match upstream.send(request, &self.timeouts).await {
                Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                    return Err(bad_gateway("the clone changed to a protocol that nobody asked for"));
                }
                Ok(response) => return Ok(response),
                Err(Failure::NotSent(request)) => {
                    next = candidates.next();
                    *request
                }
                Err(Failure::Broken(error)) if error.is_user() => return Err(blame_client(&error)),
                Err(Failure::Broken(error)) => {
                    tracing::warn!(upstream = upstream.name(), %error, "the connection broke before a response came");
                    let Some(head) = copy.take() else {
                        return Err(bad_gateway(
                            "the clone broke off before it answered, and may have acted on the request or not; look before you send it again",
                        ));
                    };
                    // A single clone may have closed just this connection, so it gets the second chance itself.
                    next = candidates.next().or(Some(upstream));
                    Request::from_parts(head, Upload::empty())
                }
                Err(Failure::TimedOut) => {
                    let limit = self.timeouts.response;
                    return Err(Problem::new(
                        StatusCode::GATEWAY_TIMEOUT,
                        format!("the clone did not answer within {limit:?}, and may still be working on the request"),
                    ));
                }
            };
        }
        Err(Problem::unavailable("no clone can be reached; try again in a second"))
    }
}

// ANCHOR: repeat
/// Safe methods change nothing, so doing them twice does no harm (RFC 9110, section 9.2.1). `PUT` and `DELETE` are
/// idempotent as well, but they have often a body, and that has streamed away.
fn may_be_repeated(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}
// ANCHOR_END: repeat

/// The body that the client sends came to no good end.
fn blame_client(error: &hyper::Error) -> Problem {
    match error.source().and_then(|source| source.downcast_ref()) {
        Some(stalled @ BodyError::Stalled(_)) => Problem::new(StatusCode::REQUEST_TIMEOUT, stalled.to_string()),
        _ => Problem::bad_request("the body ended before its announced length"),
    }
}

fn bad_gateway(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_GATEWAY, detail)
}

fn answer_ourselves(problem: Problem, id: HeaderValue) -> Response<ResponseBody> {
    problem.with_header(X_REQUEST_ID, id).into_http().map(Either::Right)
}
