//! One request's way through the balancer: in, up to a clone, and back.
//!
//! The heart of it is what happens when a clone fails. The request goes to the next one, never to the same again, if that can do no
//! harm and the [budget](super::retry) allows it; else the client, who knows what it was, decides. It hears which of three things
//! went wrong: **502**, a clone broke off, and may have acted on the request; **503** with `Retry-After`, no clone was reached, or all
//! have enough to do, so nothing happened; **504**, the time was up, and a clone may still be working on it.
//!
//! Neither body is ever held in memory as a whole, but for small ones that may be sent again: pieces pass as they come, in
//! both directions.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::header::SET_COOKIE;
use http::{HeaderValue, Request, Response, StatusCode, request};
use http_body_util::{Either, Full};
use tokio::time::Instant;

use super::health::Outcome;
use super::members::{Asking, NoClone, Ticket};
use super::pooled::PooledBody;
use super::retry::{Deadline, is_idempotent};
use super::send::{Answer, Failure};
use super::strategy::Visit;
use super::upgrade::{self, Wish};
use super::upload::{Progress, Upload};
use super::{Balancer, Rules, Timeouts, headers};
use crate::web::identity::{X_REQUEST_ID, request_id};
use crate::web::problem::Problem;
use crate::web::request_body::{BodyError, RequestBody};
use crate::web::server::PeerAddr;

/// A clone's answer, or a problem document of the balancer's own.
pub type ResponseBody = Either<PooledBody, Full<Bytes>>;

impl Balancer {
    /// Answers the request with a clone's response, or with a problem of our own: 400, 408, 502, 503 or 504.
    pub async fn forward(&self, mut request: Request<RequestBody>) -> Response<ResponseBody> {
        let rules = self.rules();
        let wish = Wish::take(&mut request);
        let (mut head, body) = request.into_parts();
        let id = request_id(&head.headers);
        let peer = head.extensions.get().map(|PeerAddr(peer)| peer.ip());
        let outcome = match headers::prepare_request(&mut head, peer, &rules.trusted, &id) {
            Ok(()) => self.try_clones(&rules, head, body, wish).await,
            Err(problem) => Err(problem),
        };
        match outcome {
            Ok(response) => {
                let (mut head, body) = response.into_parts();
                headers::prepare_response(&mut head);
                if head.status == StatusCode::SWITCHING_PROTOCOLS {
                    upgrade::announce(&mut head.headers);
                }
                head.headers.entry(X_REQUEST_ID).or_insert(id);
                Response::from_parts(head, body)
            }
            Err(problem) => answer_ourselves(problem, id),
        }
    }

    async fn try_clones(
        &self,
        rules: &Rules,
        mut head: request::Parts,
        body: RequestBody,
        wish: Option<Wish>,
    ) -> Result<Response<ResponseBody>, Problem> {
        let deadline = Deadline::after(rules.timeouts.total);
        self.budget().earn(Instant::now());
        if wish.is_some() {
            upgrade::announce(&mut head.headers);
        }
        let mut again = Again::new(&head, &body, rules.sends);
        let mut request = Request::from_parts(head, Upload::new(body, again.head.is_some()));
        again.progress = request.body().progress();
        let (mut met, mut last_failure) = (Vec::new(), None);

        loop {
            let picked = self.pick(&request, &met, again.head.is_some());
            let mut ticket = match (picked, last_failure.take()) {
                (Ok(ticket), _) => ticket,
                // Nobody else is left: what the last one did is the answer.
                (Err(_), Some(problem)) => return Err(problem),
                (Err(NoClone::Full), None) => return Err(all_busy()),
                (Err(NoClone::Left), None) => return Err(nobody_there()),
            };
            if again.was_sent {
                self.members().count_retry(ticket.id);
            }
            met.push(ticket.id);

            let failure = match self
                .attempt(&rules.timeouts, &ticket, request, deadline, &mut again)
                .await
            {
                Ok((response, ..)) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                    let idle = rules.timeouts.tunnel;
                    let granted = wish.and_then(|wish| {
                        wish.grant(response, ticket.in_flight, idle, &self.tunnels)
                    });
                    return granted.ok_or_else(|| {
                        bad_gateway("the clone changed to a protocol that nobody asked for")
                    });
                }
                Ok(answer) => {
                    headers::check_response(&answer.0)?;
                    let cookie = ticket.cookie.take();
                    return Ok(pass_on(answer, ticket, cookie, rules.timeouts.gap));
                }
                Err(failure) => failure,
            };
            request = match failure {
                // It has not been seen by anybody, so it costs no repetition.
                Failure::NotSent(request) if deadline.has_passed() => {
                    drop(request);
                    return Err(too_late(rules.timeouts.total));
                }
                Failure::NotSent(request) => *request,
                Failure::Broken(error) if error.is_user() => return Err(blame_client(&error)),
                seen => {
                    let problem = explain(&seen);
                    let Some(request) = again.request(self, deadline) else {
                        return Err(problem);
                    };
                    last_failure = Some(problem);
                    request
                }
            };
        }
    }

    fn pick(
        &self,
        request: &Request<Upload>,
        met: &[u64],
        is_safe: bool,
    ) -> Result<Ticket, NoClone> {
        let path = request
            .uri()
            .path_and_query()
            .map_or("/", |target| target.as_str());
        let headers = request.headers();
        let visit = Visit { path, headers };
        let asking = Asking {
            visit,
            met,
            is_safe,
        };
        self.members().pick(&asking, Instant::now())
    }

    /// Sends the request to this clone, and notes what became of it.
    async fn attempt(
        &self,
        timeouts: &Timeouts,
        ticket: &Ticket,
        request: Request<Upload>,
        deadline: Deadline,
        again: &mut Again,
    ) -> Result<Answer, Failure> {
        let upstream = ticket.in_flight.upstream();
        let (begin, given_up) = (Instant::now(), upstream.given_up());
        let sending = upstream.send(request, timeouts, deadline);
        tokio::pin!(sending);
        let result = tokio::select! {
            result = &mut sending => result,
            // The probes say that this clone hangs. Whoever may go elsewhere does; the others can only hope.
            () = given_up => {
                if again.take_repetition(self, deadline) {
                    Err(Failure::TimedOut)
                } else {
                    sending.await
                }
            }
        };
        let outcome = match &result {
            Ok((response, ..)) => match response.status() {
                StatusCode::INTERNAL_SERVER_ERROR
                | StatusCode::BAD_GATEWAY
                | StatusCode::GATEWAY_TIMEOUT => Outcome::Erred,
                _ => Outcome::Answered,
            },
            // Cut short by the request's own deadline: the clone had no chance to show that it is there.
            Err(Failure::NotSent(_)) if deadline.has_passed() => Outcome::Abandoned,
            Err(Failure::NotSent(_)) => Outcome::Refused,
            Err(Failure::Broken(error)) if error.is_user() => Outcome::Abandoned,
            Err(failure) => {
                tracing::warn!(upstream = upstream.name(), ?failure, "no answer came");
                Outcome::Failed
            }
        };
        let now = Instant::now();
        self.members().report(ticket, outcome, now - begin, now);
        result
    }
}

/// What it takes to send a request again after a clone may have seen it.
struct Again {
    /// A copy: sending consumes the head. `None` if the request must not be sent again.
    head: Option<request::Parts>,
    /// Knows the body.
    progress: Progress,
    sends_left: u32,
    /// A repetition has been taken from the budget for the next attempt.
    is_paid: bool,
    was_sent: bool,
}

impl Again {
    fn new(head: &request::Parts, body: &RequestBody, sends: u32) -> Self {
        use http_body::Body;
        let is_small = body.size_hint().lower() <= super::upload::KEPT as u64;
        Again {
            head: (sends > 1 && is_idempotent(head) && is_small).then(|| head.clone()),
            progress: Upload::empty().progress(),
            sends_left: sends - 1,
            is_paid: false,
            was_sent: false,
        }
    }

    /// Takes a repetition from the budget, if the request may be sent again at all.
    fn take_repetition(&mut self, balancer: &Balancer, deadline: Deadline) -> bool {
        let may_be = self.head.is_some() && self.sends_left > 0 && !deadline.has_passed();
        self.is_paid =
            may_be && self.progress.again().is_some() && balancer.budget().spend(Instant::now());
        self.is_paid
    }

    /// The request once more, if it may be sent once more.
    fn request(&mut self, balancer: &Balancer, deadline: Deadline) -> Option<Request<Upload>> {
        if !self.is_paid && !self.take_repetition(balancer, deadline) {
            return None;
        }
        (self.is_paid, self.was_sent) = (false, true);
        self.sends_left -= 1;
        Some(Request::from_parts(
            self.head.clone()?,
            self.progress.again()?,
        ))
    }
}

fn pass_on(
    (response, sender, progress): Answer,
    ticket: Ticket,
    cookie: Option<HeaderValue>,
    gap: Duration,
) -> Response<ResponseBody> {
    let mut response = response.map(|body| {
        Either::Left(PooledBody::new(
            body,
            sender,
            progress,
            ticket.in_flight,
            gap,
        ))
    });
    if let Some(cookie) = cookie {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// What to tell the client, if nobody else can answer.
fn explain(failure: &Failure) -> Problem {
    match failure {
        Failure::TimedOut => Problem::new(
            StatusCode::GATEWAY_TIMEOUT,
            "the clone did not answer in time, and may still be working on the request; look before you send it again",
        ),
        _ => bad_gateway(
            "the clone broke off before it answered, and may have acted on the request or not; look before you send it again",
        ),
    }
}

/// The body that the client sends came to no good end.
fn blame_client(error: &hyper::Error) -> Problem {
    match error.source().and_then(|source| source.downcast_ref()) {
        Some(stalled @ BodyError::Stalled(_)) => {
            Problem::new(StatusCode::REQUEST_TIMEOUT, stalled.to_string())
        }
        _ => Problem::bad_request("the body ended before its announced length"),
    }
}

fn too_late(total: Duration) -> Problem {
    let detail = format!("no clone could be reached within {total:?}; the request was not sent");
    Problem::new(StatusCode::GATEWAY_TIMEOUT, detail)
}

fn nobody_there() -> Problem {
    Problem::unavailable("no clone can be reached; try again in a second")
}

fn all_busy() -> Problem {
    Problem::unavailable("all clones have as many requests as they may; try again in a second")
}

fn bad_gateway(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_GATEWAY, detail)
}

fn answer_ourselves(problem: Problem, id: HeaderValue) -> Response<ResponseBody> {
    problem
        .with_header(X_REQUEST_ID, id)
        .into_http()
        .map(Either::Right)
}
