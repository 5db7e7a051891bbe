// The tests of `safe_retries`: which requests are sent how often. The tests pass the time as a
// number, so no test waits.

use std::time::{Duration, Instant};

use http::Method;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use safe_retries::{Failure, NoRetry, Request, Retrier, WINDOW};

const CLONES: usize = 4;

fn request(method: Method) -> Request {
    Request {
        method,
        idempotency_key: None,
        is_body_buffered: true,
    }
}

fn with_key(method: Method, key: &str) -> Request {
    Request {
        idempotency_key: Some(key.to_owned()),
        ..request(method)
    }
}

/// A retrier with the budget of `count` requests that have just arrived.
fn after_requests(count: usize, now: Instant) -> Retrier {
    let mut retrier = Retrier::new(CLONES);
    (0..count).for_each(|_| retrier.record_request(now));
    retrier
}

/// The decision after a first attempt at clone 0, with a minute left until the deadline.
fn decide(
    retrier: &mut Retrier,
    request: &Request,
    failure: Failure,
    now: Instant,
) -> Result<usize, NoRetry> {
    retrier.next_clone(request, failure, &[0], now + Duration::from_mins(1), now)
}

/// How many of this number of `GET` requests are retried after their connection was lost.
fn count_retries(retrier: &mut Retrier, failed: usize, now: Instant) -> usize {
    (0..failed)
        .filter(|_| decide(retrier, &request(Method::GET), Failure::ConnectionLost, now).is_ok())
        .count()
}

/// Decides about retries: the learner's code, or the naive version.
trait Balancer {
    fn record_request(&mut self, now: Instant);
    fn next_clone(
        &mut self,
        request: &Request,
        failure: Failure,
        tried: &[usize],
        now: Instant,
    ) -> Option<usize>;
}

impl Balancer for Retrier {
    fn record_request(&mut self, now: Instant) {
        Retrier::record_request(self, now);
    }

    fn next_clone(
        &mut self,
        request: &Request,
        failure: Failure,
        tried: &[usize],
        now: Instant,
    ) -> Option<usize> {
        let deadline = now + Duration::from_mins(1);
        Retrier::next_clone(self, request, failure, tried, deadline, now).ok()
    }
}

/// The naive version: it sends each request up to three times.
struct ThreeAttempts;

impl Balancer for ThreeAttempts {
    fn record_request(&mut self, _now: Instant) {}

    fn next_clone(
        &mut self,
        _request: &Request,
        _failure: Failure,
        tried: &[usize],
        _now: Instant,
    ) -> Option<usize> {
        (tried.len() < 3).then_some(tried.len())
    }
}

/// Sends one request until it gets a response or is not retried. `next_result` returns how each
/// attempt ends: with a failure, or with a response (`None`). Returns how many clones received the
/// request.
fn send(
    balancer: &mut dyn Balancer,
    request: &Request,
    now: Instant,
    mut next_result: impl FnMut() -> Option<Failure>,
) -> usize {
    balancer.record_request(now);
    let mut tried = vec![0];
    let mut received = 0;
    loop {
        let result = next_result();
        received += usize::from(result != Some(Failure::NotSent));
        let next = result.and_then(|failure| balancer.next_clone(request, failure, &tried, now));
        let Some(clone) = next else { return received };
        tried.push(clone);
        assert!(
            tried.len() < 50,
            "one request was sent 50 times: does your code check which clones it has tried?"
        );
    }
}

#[test]
fn unsent_request_is_retried_with_any_method() {
    let now = Instant::now();
    let mut retrier = after_requests(1_000, now);
    for method in [Method::GET, Method::PUT, Method::POST, Method::PATCH] {
        let decision = decide(
            &mut retrier,
            &request(method.clone()),
            Failure::NotSent,
            now,
        );
        assert!(
            decision.is_ok(),
            "no clone received this {method}, so a retry cannot execute it twice, but you return \
             {decision:?}"
        );
    }
    let upload = Request {
        is_body_buffered: false,
        ..request(Method::PUT)
    };
    let decision = decide(&mut retrier, &upload, Failure::NotSent, now);
    assert!(
        decision.is_ok(),
        "no part of this upload was sent, so its body is complete, but you return {decision:?}"
    );
}

#[test]
fn only_idempotent_requests_are_sent_twice() {
    let now = Instant::now();
    let mut retrier = after_requests(1_000, now);
    for method in [
        Method::GET,
        Method::HEAD,
        Method::OPTIONS,
        Method::PUT,
        Method::DELETE,
    ] {
        let decision = decide(
            &mut retrier,
            &request(method.clone()),
            Failure::ConnectionLost,
            now,
        );
        assert!(
            decision.is_ok(),
            "{method} is idempotent and should be retried, but you return {decision:?}"
        );
    }
    for method in [
        Method::POST,
        Method::PATCH,
        Method::from_bytes(b"BUY").expect("`BUY` is a valid method name"),
    ] {
        let mut decision_for =
            |request| decide(&mut retrier, &request, Failure::ConnectionLost, now);
        let decision = decision_for(request(method.clone()));
        assert_eq!(
            decision,
            Err(NoRetry::NotIdempotent),
            "a clone may have executed this {method}: a retry could create a second order"
        );
        let decision = decision_for(with_key(method.clone(), ""));
        assert_eq!(
            decision,
            Err(NoRetry::NotIdempotent),
            "an empty idempotency key is no key, so this {method} could be executed twice"
        );
        let decision = decision_for(with_key(method.clone(), "7f3a"));
        assert!(
            decision.is_ok(),
            "this {method} has an idempotency key, so the clones execute it once and a retry is \
             safe, but you return {decision:?}"
        );
    }
}

#[test]
fn request_without_its_body_is_not_retried() {
    let now = Instant::now();
    let mut retrier = after_requests(1_000, now);
    let upload = Request {
        is_body_buffered: false,
        ..request(Method::PUT)
    };
    assert_eq!(
        decide(&mut retrier, &upload, Failure::ConnectionLost, now),
        Err(NoRetry::BodyNotBuffered),
        "PUT is idempotent, but a part of this body is gone: the next clone would get only the rest"
    );
}

#[test]
fn no_order_is_executed_twice() {
    // Most requests succeed, so the budget is never the reason for "no retry".
    let count_duplicates = |balancer: &mut dyn Balancer| {
        let mut rng = SmallRng::seed_from_u64(7);
        let start = Instant::now();
        let mut duplicates = 0;
        for millis in 0..20_000 {
            let order = request(Method::POST);
            let now = start + Duration::from_millis(millis);
            let next_result = || match rng.random_range(0..20) {
                0 => Some(Failure::NotSent),
                1 => Some(Failure::ConnectionLost),
                _ => None,
            };
            duplicates += usize::from(send(balancer, &order, now, next_result) > 1);
        }
        duplicates
    };
    let naive = count_duplicates(&mut ThreeAttempts);
    assert!(
        naive > 500,
        "the naive balancer should send many orders twice, or this test proves nothing: {naive}"
    );

    let yours = count_duplicates(&mut Retrier::new(CLONES));
    assert_eq!(
        yours, 0,
        "{yours} of 20000 orders may have been executed twice, and none should be. A balancer that \
         sends each request up to three times has {naive}"
    );
}

#[test]
fn each_attempt_goes_to_an_untried_clone() {
    let now = Instant::now();
    for failure in [Failure::ConnectionLost, Failure::NotSent] {
        let mut retrier = after_requests(1_000, now);
        let mut next_clone = |tried: &[usize]| {
            let deadline = now + Duration::from_mins(1);
            retrier.next_clone(&request(Method::GET), failure, tried, deadline, now)
        };
        for first in 0..CLONES {
            let mut tried = vec![first];
            while tried.len() < CLONES {
                let clone = next_clone(&tried)
                    .expect("a clone is untried, and there is time and budget: expected a retry");
                assert!(
                    clone < CLONES,
                    "there is no clone {clone}: the clones are numbered 0 to {}",
                    CLONES - 1
                );
                assert!(
                    !tried.contains(&clone),
                    "the request has tried {tried:?}, but its next attempt goes to clone {clone} \
                     again"
                );
                tried.push(clone);
            }
            assert_eq!(
                next_clone(&tried),
                Err(NoRetry::AllTried),
                "the request has tried all {CLONES} clones, and must not go to one of them again"
            );
        }
    }
}

#[test]
fn no_retry_after_the_deadline() {
    let before = Instant::now();
    let now = before + Duration::from_secs(1);
    let mut retrier = after_requests(1_000, now);
    for failure in [Failure::ConnectionLost, Failure::NotSent] {
        let mut with =
            |deadline| retrier.next_clone(&request(Method::GET), failure, &[0], deadline, now);
        let decision = with(now + Duration::from_millis(1));
        assert!(
            decision.is_ok(),
            "there is 1 ms left until the deadline, but you return {decision:?}"
        );
        for deadline in [now, before] {
            assert_eq!(
                with(deadline),
                Err(NoRetry::DeadlinePassed),
                "the deadline has passed and the client no longer waits, so a retry is useless work"
            );
        }
    }
}

#[test]
fn budget_limits_the_load_to_a_fifth_more() {
    let amplification = |balancer: &mut dyn Balancer, step: Duration| {
        let start = Instant::now();
        let sent: usize = (0..5_000)
            .map(|number| {
                let now = start + step * number;
                send(balancer, &request(Method::GET), now, || {
                    Some(Failure::ConnectionLost)
                })
            })
            .sum();
        f64::from(u32::try_from(sent).expect("each request is sent fewer than 50 times")) / 5_000.0
    };
    for millis in [0, 1, 10, 100] {
        let step = Duration::from_millis(millis);
        let naive = amplification(&mut ThreeAttempts, step);
        assert!(
            (naive - 3.0).abs() < 1e-9,
            "the naive balancer should send 3 requests per request, or this test proves nothing: \
             {naive}"
        );

        let yours = amplification(&mut Retrier::new(CLONES), step);
        assert!(
            yours <= 1.2,
            "one request every {millis} ms, and all fail: the clones get {yours:.2} requests per \
             client request, but at most 1.20 are allowed. Is there a budget? Does a retry count \
             as a request and allow further retries?"
        );
        assert!(
            yours >= 1.15,
            "one request every {millis} ms, and all fail: the clones get {yours:.2} requests per \
             client request, but the budget allows 1.20. Does your code use the whole budget?"
        );
    }
}

#[test]
fn quiet_times_save_up_no_budget() {
    let start = Instant::now();
    let mut retrier = Retrier::new(CLONES);
    for second in 0..3_600 {
        (0..100).for_each(|_| retrier.record_request(start + Duration::from_secs(second)));
    }
    let later = start + Duration::from_secs(3_599);

    let count = count_retries(&mut retrier, 5_000, later);

    // 200, or a few more if you count in whole seconds.
    assert!(
        (180..=225).contains(&count),
        "1000 requests arrived in the last 10 s, so the budget is 200 retries, but {count} were \
         made. Does your code forget older requests?"
    );
    assert_eq!(
        count_retries(&mut retrier, 10, later + 2 * WINDOW),
        0,
        "no request arrived in the last 10 s, so there is no budget"
    );
}

#[test]
fn used_budget_returns_after_the_window() {
    let start = Instant::now();
    let at = |millis| start + Duration::from_millis(millis);
    let mut retrier = after_requests(1_000, at(500));
    assert_eq!(
        count_retries(&mut retrier, 1_000, at(9_500)),
        200,
        "the budget is a fifth of 1000 requests"
    );

    (0..1_000).for_each(|_| retrier.record_request(at(11_000)));
    assert_eq!(
        count_retries(&mut retrier, 1_000, at(11_000)),
        0,
        "200 retries were made 1.5 s ago, which is the whole budget of 1000 requests. Does your \
         window slide, or does your code reset the counts every 10 s?"
    );
    assert_eq!(
        count_retries(&mut retrier, 1_000, at(20_600)),
        200,
        "the 200 retries are more than 10 s old, so the budget should be available again"
    );
}

#[test]
fn only_a_retry_uses_budget() {
    let now = Instant::now();
    let mut retrier = after_requests(100, now);
    let all: Vec<usize> = (0..CLONES).collect();
    for _ in 0..100 {
        let minute = now + Duration::from_mins(1);
        let mut expect_no_retry = |request: Request, tried: &[usize], deadline| {
            let decision =
                retrier.next_clone(&request, Failure::ConnectionLost, tried, deadline, now);
            assert!(
                decision.is_err(),
                "expected no retry for {request:?} that tried {tried:?}, got {decision:?}"
            );
        };
        expect_no_retry(request(Method::POST), &[0], minute);
        expect_no_retry(request(Method::GET), &[0], now);
        expect_no_retry(request(Method::GET), &all, minute);
    }
    assert_eq!(
        count_retries(&mut retrier, 20, now),
        20,
        "100 requests allow 20 retries, but requests that were not retried used some of this \
         budget. Which check comes last in your code?"
    );
    assert_eq!(
        decide(
            &mut retrier,
            &request(Method::GET),
            Failure::ConnectionLost,
            now
        ),
        Err(NoRetry::BudgetExhausted),
        "100 requests allow 20 retries, and 20 were made"
    );
}

#[test]
fn unsent_request_uses_no_budget() {
    let now = Instant::now();
    let mut retrier = after_requests(100, now);
    for _ in 0..500 {
        let decision = decide(&mut retrier, &request(Method::POST), Failure::NotSent, now);
        assert!(
            decision.is_ok(),
            "a refused connection does not load a clone, so its retry needs no budget, but you \
             return {decision:?}"
        );
    }
    assert_eq!(
        count_retries(&mut retrier, 100, now),
        20,
        "100 requests allow 20 retries, but refused connections used some of this budget"
    );
    let decision = decide(&mut retrier, &request(Method::GET), Failure::NotSent, now);
    assert!(
        decision.is_ok(),
        "the budget is empty, but a request that was not sent needs none; you return {decision:?}"
    );
}
