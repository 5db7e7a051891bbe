// The tests of `safe_retries`: which requests are retried, where, and until when. The tests pass
// the time as an argument, so no test waits.

use std::time::{Duration, Instant};

use http::Method;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use safe_retries::{Failure, NoRetry, Request, Retrier};

const CLONES: usize = 4;

const IDEMPOTENT: [Method; 5] = [
    Method::GET,
    Method::HEAD,
    Method::OPTIONS,
    Method::PUT,
    Method::DELETE,
];

const FAILURES: [Failure; 2] = [Failure::ConnectionLost, Failure::NotSent];

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

/// The same request, after a part of its body was streamed to a clone.
fn without_body(request: Request) -> Request {
    Request {
        is_body_buffered: false,
        ..request
    }
}

/// `POST` and `PATCH`, and methods that the balancer does not know.
fn methods_that_are_not_idempotent() -> Vec<Method> {
    ["POST", "PATCH", "CONNECT", "BUY", "get", "Put", "delete"]
        .map(|name| Method::from_bytes(name.as_bytes()).expect("a valid method name"))
        .to_vec()
}

/// The decision after a first attempt at clone 0, with a minute left until the deadline.
fn decide(request: &Request, failure: Failure) -> Result<usize, NoRetry> {
    let now = Instant::now();
    let deadline = now + Duration::from_mins(1);
    Retrier::new(CLONES).next_clone(request, failure, &[0], deadline, now)
}

/// The decision about a `GET` that has tried these clones, with a minute left until the deadline.
fn choose(clones: usize, failure: Failure, tried: &[usize]) -> Result<usize, NoRetry> {
    let now = Instant::now();
    let deadline = now + Duration::from_mins(1);
    Retrier::new(clones).next_clone(&request(Method::GET), failure, tried, deadline, now)
}

/// All orders in which a request can have tried one or more of the clones, each at most once.
fn all_orders(clones: usize) -> Vec<Vec<usize>> {
    let mut orders: Vec<Vec<usize>> = vec![Vec::new()];
    let mut next = 0;
    while next < orders.len() {
        let order = orders[next].clone();
        for clone in (0..clones).filter(|clone| !order.contains(clone)) {
            orders.push([order.as_slice(), &[clone]].concat());
        }
        next += 1;
    }
    orders.split_off(1)
}

/// Fails the test unless `decision` is right for a request that has tried these clones.
fn check_choice(clones: usize, tried: &[usize], decision: Result<usize, NoRetry>) {
    let is_left = (0..clones).any(|clone| !tried.contains(&clone));
    match decision {
        Ok(clone) if is_left => {
            assert!(
                clone < clones,
                "there is no clone {clone}: the clones are numbered 0 to {}. Does your code count \
                 past the last one?",
                clones - 1
            );
            assert!(
                !tried.contains(&clone),
                "there are {clones} clones, and the request has tried {tried:?}, but its next \
                 attempt goes to clone {clone} again. Do you compare with every clone in `tried`, \
                 not only with the last one?"
            );
        }
        decision if is_left => panic!(
            "there are {clones} clones, and the request has tried {tried:?}: one clone is left, \
             but you return {decision:?}. Do you count the attempts instead of the clones?"
        ),
        decision => assert_eq!(
            decision,
            Err(NoRetry::AllTried),
            "the request has tried {tried:?}, which are all {clones} clones, and must not go to \
             one of them again. What does your code return if no clone is left?"
        ),
    }
}

// Rule 1. Neither the method nor the body matters if no clone has received the request.
#[test]
fn unsent_request_is_retried_with_any_method() {
    for method in [IDEMPOTENT.to_vec(), methods_that_are_not_idempotent()].concat() {
        let decision = decide(&request(method.clone()), Failure::NotSent);
        assert!(
            decision.is_ok(),
            "no clone received this {method}, so a retry cannot execute it twice, but you return \
             {decision:?}. Do you look at the failure before the method?"
        );
        let decision = decide(&without_body(request(method.clone())), Failure::NotSent);
        assert!(
            decision.is_ok(),
            "no part of this {method} was sent, so its body is complete, but you return \
             {decision:?}. Do you look at the failure before the body?"
        );
    }
}

// Rule 2.
#[test]
fn only_idempotent_requests_are_sent_twice() {
    for method in IDEMPOTENT {
        let decision = decide(&request(method.clone()), Failure::ConnectionLost);
        assert!(
            decision.is_ok(),
            "{method} is idempotent and should be retried, but you return {decision:?}. Is it in \
             your list of methods?"
        );
    }
    for method in methods_that_are_not_idempotent() {
        assert_eq!(
            decide(&request(method.clone()), Failure::ConnectionLost),
            Err(NoRetry::NotIdempotent),
            "a clone may have executed this {method}: a retry could create a second order. Do you \
             list the methods that are idempotent, spelled exactly as in the rule?"
        );
    }
}

// Rule 2. A key makes every method idempotent. It never makes one less so.
#[test]
fn idempotency_key_allows_any_method() {
    for method in methods_that_are_not_idempotent() {
        let decide = |key| decide(&with_key(method.clone(), key), Failure::ConnectionLost);
        assert_eq!(
            decide(""),
            Err(NoRetry::NotIdempotent),
            "an empty idempotency key is no key, so this {method} could be executed twice. Do you \
             look at the value, or only whether there is one?"
        );
        let decision = decide("7f3a");
        assert!(
            decision.is_ok(),
            "this {method} has an idempotency key, so the clones execute it once and a retry is \
             safe, but you return {decision:?}. Does your code accept a key with any method?"
        );
    }
    for method in IDEMPOTENT {
        for key in ["", "7f3a"] {
            let decision = decide(&with_key(method.clone(), key), Failure::ConnectionLost);
            assert!(
                decision.is_ok(),
                "{method} is idempotent without a key, so the key {key:?} changes nothing, but you \
                 return {decision:?}. Does your code look at the key before the method?"
            );
        }
    }
}

// Rule 2. Counts how often customers pay twice, with your code and with the naive version.
#[test]
fn no_order_is_executed_twice() {
    type NextClone<'a> = &'a dyn Fn(Failure, &[usize]) -> Option<usize>;
    let count_duplicates = |next_clone: NextClone| {
        let mut rng = SmallRng::seed_from_u64(7);
        let mut duplicates = 0;
        for _ in 0..20_000 {
            let (mut tried, mut received) = (vec![0], 0);
            loop {
                let failure = match rng.random_range(0..20) {
                    0 => Some(Failure::NotSent),
                    1 => Some(Failure::ConnectionLost),
                    _ => None,
                };
                received += usize::from(failure != Some(Failure::NotSent));
                let Some(clone) = failure.and_then(|failure| next_clone(failure, &tried)) else {
                    break;
                };
                tried.push(clone);
                assert!(
                    tried.len() < 50,
                    "one order was sent 50 times: does your code check which clones it has tried?"
                );
            }
            duplicates += usize::from(received > 1);
        }
        duplicates
    };
    let naive = count_duplicates(&|_, tried| (tried.len() < 3).then_some(tried.len()));
    assert!(
        naive > 500,
        "the naive balancer should send many orders twice, or this test proves nothing: {naive}"
    );

    let retrier = Retrier::new(CLONES);
    let now = Instant::now();
    let deadline = now + Duration::from_mins(1);
    let order = request(Method::POST);
    let yours = count_duplicates(&|failure, tried| {
        let next = retrier.next_clone(&order, failure, tried, deadline, now);
        next.ok()
    });
    assert_eq!(
        yours, 0,
        "{yours} of 20000 orders may have been executed twice, and none should be. A balancer that \
         sends each request up to three times has {naive}. Which orders does your code retry?"
    );
}

// Rule 3. A part of the body is gone, whatever makes the request idempotent.
#[test]
fn request_without_its_body_is_not_retried() {
    for method in IDEMPOTENT {
        assert_eq!(
            decide(
                &without_body(request(method.clone())),
                Failure::ConnectionLost
            ),
            Err(NoRetry::BodyNotBuffered),
            "{method} is idempotent, but a part of this body is gone: the next clone would get only \
             the rest. Do you look at `is_body_buffered`?"
        );
    }
    for method in [Method::POST, Method::PATCH, Method::PUT] {
        assert_eq!(
            decide(
                &without_body(with_key(method.clone(), "7f3a")),
                Failure::ConnectionLost
            ),
            Err(NoRetry::BodyNotBuffered),
            "this {method} has an idempotency key, but a part of its body is gone: the next clone \
             would get half an order. Does your code skip the check of the body for a key?"
        );
    }
}

// Rule 4. Every order in which clones can be tried, and some clones twice.
#[test]
fn each_attempt_goes_to_an_untried_clone() {
    for failure in FAILURES {
        for clones in 1..=CLONES {
            for tried in all_orders(clones) {
                check_choice(clones, &tried, choose(clones, failure, &tried));
                let twice = [tried.as_slice(), &tried].concat();
                check_choice(clones, &twice, choose(clones, failure, &twice));
                let first_again = [tried.as_slice(), &tried[..1]].concat();
                check_choice(clones, &first_again, choose(clones, failure, &first_again));
            }
        }
    }
}

// Rule 5.
#[test]
fn no_retry_after_the_deadline() {
    let before = Instant::now();
    let now = before + Duration::from_secs(1);
    let retrier = Retrier::new(CLONES);
    for failure in FAILURES {
        let decide =
            |deadline| retrier.next_clone(&request(Method::GET), failure, &[0], deadline, now);
        let decision = decide(now + Duration::from_micros(1));
        assert!(
            decision.is_ok(),
            "there is 1 µs left until the deadline, but you return {decision:?} after {failure:?}. \
             Do you compare `now` with the deadline itself?"
        );
        assert_eq!(
            decide(before),
            Err(NoRetry::DeadlinePassed),
            "the deadline passed a second ago and the client no longer waits, so a retry after \
             {failure:?} is useless work. Do you compare `now` with the deadline for every failure?"
        );
        assert_eq!(
            decide(now),
            Err(NoRetry::DeadlinePassed),
            "the deadline is now, and a retry must start before it, not at it. What does your \
             comparison say if both are equal?"
        );
    }
}

// Rule 6. Every combination of reasons.
#[test]
fn first_reason_is_returned() {
    let earlier = Instant::now();
    let deadline = earlier + Duration::from_secs(1);
    let later = deadline + Duration::from_secs(1);
    let all: Vec<usize> = (0..CLONES).collect();
    for failure in FAILURES {
        let is_sent = failure == Failure::ConnectionLost;
        for bits in 0..16 {
            let has = |bit: u32| bits & (1 << bit) != 0;
            let request = Request {
                method: if has(0) { Method::POST } else { Method::PUT },
                idempotency_key: None,
                is_body_buffered: !has(1),
            };
            let now = if has(2) { later } else { earlier };
            let tried = if has(3) { all.as_slice() } else { &[0] };
            let reasons = [
                (has(0) && is_sent, NoRetry::NotIdempotent),
                (has(1) && is_sent, NoRetry::BodyNotBuffered),
                (has(2), NoRetry::DeadlinePassed),
                (has(3), NoRetry::AllTried),
            ];
            let reasons: Vec<NoRetry> = reasons
                .into_iter()
                .filter_map(|(applies, reason)| applies.then_some(reason))
                .collect();
            let decision = Retrier::new(CLONES).next_clone(&request, failure, tried, deadline, now);
            assert_eq!(
                decision.err(),
                reasons.first().copied(),
                "after {failure:?}, the reasons against a retry are {reasons:?}, and the first one \
                 should be returned, but you return {decision:?}. In which order do you check?"
            );
        }
    }
}
