// The tests of `safe_retries`: what is sent how often. Time is a number here, and nobody waits.

use std::time::{Duration, Instant};

use http::Method;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use safe_retries::{Failure, GiveUp, Request, Retries, WINDOW};

const CLONES: usize = 4;

fn request(method: Method) -> Request {
    Request {
        method,
        key: None,
        is_body_kept: true,
    }
}

fn with_key(method: Method, key: &str) -> Request {
    Request {
        key: Some(key.to_owned()),
        ..request(method)
    }
}

/// So many requests have just come, so there is a budget.
fn after_requests(count: usize, now: Instant) -> Retries {
    let mut retries = Retries::new(CLONES);
    (0..count).for_each(|_| retries.note_request(now));
    retries
}

/// What is decided after the first attempt, at clone 0, with a minute left.
fn decide(
    retries: &mut Retries,
    request: &Request,
    failure: Failure,
    now: Instant,
) -> Result<usize, GiveUp> {
    retries.again(request, failure, &[0], now + Duration::from_mins(1), now)
}

/// How many of so many broken `GET`s are sent again.
fn repeated(retries: &mut Retries, broken: usize, now: Instant) -> usize {
    (0..broken)
        .filter(|_| decide(retries, &request(Method::GET), Failure::Broken, now).is_ok())
        .count()
}

/// Somebody who decides whether to try again.
trait Balancer {
    fn note_request(&mut self, now: Instant);
    fn again(
        &mut self,
        request: &Request,
        failure: Failure,
        met: &[usize],
        now: Instant,
    ) -> Option<usize>;
}

impl Balancer for Retries {
    fn note_request(&mut self, now: Instant) {
        Retries::note_request(self, now);
    }

    fn again(
        &mut self,
        request: &Request,
        failure: Failure,
        met: &[usize],
        now: Instant,
    ) -> Option<usize> {
        let deadline = now + Duration::from_mins(1);
        Retries::again(self, request, failure, met, deadline, now).ok()
    }
}

/// The naive one: it tries everything three times.
struct ThreeTries;

impl Balancer for ThreeTries {
    fn note_request(&mut self, _now: Instant) {}

    fn again(
        &mut self,
        _request: &Request,
        _failure: Failure,
        met: &[usize],
        _now: Instant,
    ) -> Option<usize> {
        (met.len() < 3).then_some(met.len())
    }
}

/// Carries one request through. `fate` says how each attempt ends: with a failure, or with an answer, which is `None`. Returns how often
/// a clone has seen the request.
fn carry(
    balancer: &mut dyn Balancer,
    request: &Request,
    now: Instant,
    mut fate: impl FnMut() -> Option<Failure>,
) -> usize {
    balancer.note_request(now);
    let mut met = vec![0];
    let mut seen = 0;
    loop {
        let fate = fate();
        seen += usize::from(fate != Some(Failure::NotSent));
        let again = fate.and_then(|failure| balancer.again(request, failure, &met, now));
        let Some(clone) = again else { return seen };
        met.push(clone);
        assert!(
            met.len() < 50,
            "one request was sent 50 times: when does it end?"
        );
    }
}

#[test]
fn what_nobody_has_seen_goes_to_another_clone_whatever_it_asks_for() {
    let now = Instant::now();
    let mut retries = after_requests(1_000, now);
    for method in [Method::GET, Method::PUT, Method::POST, Method::PATCH] {
        let decision = decide(
            &mut retries,
            &request(method.clone()),
            Failure::NotSent,
            now,
        );
        assert!(
            decision.is_ok(),
            "nobody has seen this {method}, so to send it elsewhere does nothing twice; and you say {decision:?}"
        );
    }
    let upload = Request {
        is_body_kept: false,
        ..request(Method::PUT)
    };
    let decision = decide(&mut retries, &upload, Failure::NotSent, now);
    assert!(
        decision.is_ok(),
        "nothing of it was sent, so its body is all there, and you say {decision:?}"
    );
}

#[test]
fn what_a_clone_may_have_seen_is_sent_again_only_if_twice_is_like_once() {
    let now = Instant::now();
    let mut retries = after_requests(1_000, now);
    for method in [
        Method::GET,
        Method::HEAD,
        Method::OPTIONS,
        Method::PUT,
        Method::DELETE,
    ] {
        let decision = decide(&mut retries, &request(method.clone()), Failure::Broken, now);
        assert!(
            decision.is_ok(),
            "{method} is idempotent, and you say {decision:?}"
        );
    }
    for method in [
        Method::POST,
        Method::PATCH,
        Method::from_bytes(b"BUY").expect("this is a word"),
    ] {
        let mut said = |request| decide(&mut retries, &request, Failure::Broken, now);
        let decision = said(request(method.clone()));
        assert_eq!(
            decision,
            Err(GiveUp::MayBeDone),
            "a clone may have carried out this {method}: twice may be two orders"
        );
        let decision = said(with_key(method.clone(), ""));
        assert_eq!(
            decision,
            Err(GiveUp::MayBeDone),
            "an empty key is no key, and the {method} may be carried out twice"
        );
        let decision = said(with_key(method.clone(), "7f3a"));
        assert!(
            decision.is_ok(),
            "{method} has a key, so the clones carry it out once; and you say {decision:?}"
        );
    }
}

#[test]
fn what_was_sent_and_not_kept_cannot_be_sent_again() {
    let now = Instant::now();
    let mut retries = after_requests(1_000, now);
    let upload = Request {
        is_body_kept: false,
        ..request(Method::PUT)
    };
    assert_eq!(
        decide(&mut retries, &upload, Failure::Broken, now),
        Err(GiveUp::BodyGone),
        "PUT may be done twice, but half of this body is gone: the next clone would get the other half"
    );
}

#[test]
fn no_order_without_a_key_is_carried_out_twice() {
    // Enough requests that are well keep the budget full, so that it hides nothing.
    let twice = |balancer: &mut dyn Balancer| {
        let mut lots = SmallRng::seed_from_u64(7);
        let begin = Instant::now();
        let mut twice = 0;
        for millis in 0..20_000 {
            let order = request(Method::POST);
            let now = begin + Duration::from_millis(millis);
            let fate = || match lots.random_range(0..20) {
                0 => Some(Failure::NotSent),
                1 => Some(Failure::Broken),
                _ => None,
            };
            twice += usize::from(carry(balancer, &order, now, fate) > 1);
        }
        twice
    };
    let naive = twice(&mut ThreeTries);
    assert!(
        naive > 500,
        "the naive balancer has to be caught, and did it {naive} times"
    );

    let yours = twice(&mut Retries::new(CLONES));
    assert_eq!(
        yours, 0,
        "of 20000 orders {yours} may have been carried out twice; a balancer that tries everything three times makes it {naive}"
    );
}

#[test]
fn each_attempt_goes_to_a_clone_that_the_request_has_not_met() {
    let now = Instant::now();
    for failure in [Failure::Broken, Failure::NotSent] {
        let mut retries = after_requests(1_000, now);
        let mut again = |met: &[usize]| {
            let deadline = now + Duration::from_mins(1);
            retries.again(&request(Method::GET), failure, met, deadline, now)
        };
        for first in 0..CLONES {
            let mut met = vec![first];
            while met.len() < CLONES {
                let clone = again(&met)
                    .expect("it has not met everybody, there is time, and there is a budget");
                assert!(
                    clone < CLONES,
                    "there is no clone {clone}; they are 0 to {}",
                    CLONES - 1
                );
                assert!(
                    !met.contains(&clone),
                    "it has met {met:?}, and goes to clone {clone}, where it has been already"
                );
                met.push(clone);
            }
            assert_eq!(
                again(&met),
                Err(GiveUp::NobodyLeft),
                "it has met all {CLONES} clones, and none of them may get it twice"
            );
        }
    }
}

#[test]
fn after_the_deadline_nobody_waits_for_the_answer() {
    let before = Instant::now();
    let now = before + Duration::from_secs(1);
    let mut retries = after_requests(1_000, now);
    for failure in [Failure::Broken, Failure::NotSent] {
        let mut with =
            |deadline| retries.again(&request(Method::GET), failure, &[0], deadline, now);
        let decision = with(now + Duration::from_millis(1));
        assert!(
            decision.is_ok(),
            "there is time left, and you say {decision:?}"
        );
        for late in [now, before] {
            assert_eq!(
                with(late),
                Err(GiveUp::TooLate),
                "the client has been told that the time is over, and a clone would work for nobody"
            );
        }
    }
}

#[test]
fn when_all_clones_are_sick_they_get_a_fifth_more_and_not_three_times_as_much() {
    let amplification = |balancer: &mut dyn Balancer, step: Duration| {
        let begin = Instant::now();
        let sent: usize = (0..5_000)
            .map(|number| {
                let now = begin + step * number;
                carry(balancer, &request(Method::GET), now, || {
                    Some(Failure::Broken)
                })
            })
            .sum();
        f64::from(u32::try_from(sent).expect("each was sent fewer than 50 times")) / 5_000.0
    };
    for millis in [0, 1, 10, 100] {
        let step = Duration::from_millis(millis);
        let naive = amplification(&mut ThreeTries, step);
        assert!(
            (naive - 3.0).abs() < 1e-9,
            "the naive balancer has to be caught: {naive}"
        );

        let yours = amplification(&mut Retries::new(CLONES), step);
        assert!(
            yours <= 1.2,
            "one request each {millis} ms, and all fail: {yours:.2} requests were sent for each that came, and the clones bear 1.20. \
             Is there a budget? Does a repetition count as one of the requests that pay for it?"
        );
        assert!(
            yours >= 1.15,
            "one request each {millis} ms: {yours:.2} were sent for each that came. The budget is there to be used, and makes 1.20"
        );
    }
}

#[test]
fn an_hour_of_peace_saves_nothing_up() {
    let begin = Instant::now();
    let mut retries = Retries::new(CLONES);
    for second in 0..3_600 {
        (0..100).for_each(|_| retries.note_request(begin + Duration::from_secs(second)));
    }
    let later = begin + Duration::from_secs(3_599);

    let allowed = repeated(&mut retries, 5_000, later);

    // 200, or a few more if you count in whole seconds.
    assert!(
        (180..=225).contains(&allowed),
        "1000 requests came in the last ten seconds, so 200 may be repeated, and it was {allowed}. Are older ones forgotten?"
    );
    assert_eq!(
        repeated(&mut retries, 10, later + 2 * WINDOW),
        0,
        "nothing came in the last ten seconds"
    );
}

#[test]
fn what_was_spent_is_missing_for_ten_seconds() {
    let begin = Instant::now();
    let at = |millis| begin + Duration::from_millis(millis);
    let mut retries = after_requests(1_000, at(500));
    assert_eq!(
        repeated(&mut retries, 1_000, at(9_500)),
        200,
        "a fifth of 1000"
    );

    (0..1_000).for_each(|_| retries.note_request(at(11_000)));
    assert_eq!(
        repeated(&mut retries, 1_000, at(11_000)),
        0,
        "200 were repeated 1.5 s ago, which is all that 1000 requests pay for. Does your window slide, or does it begin anew every ten \
         seconds?"
    );
    assert_eq!(
        repeated(&mut retries, 1_000, at(20_600)),
        200,
        "those 200 were more than ten seconds ago, and there is a budget again"
    );
}

#[test]
fn only_what_is_sent_again_is_paid_for() {
    let now = Instant::now();
    let mut retries = after_requests(100, now);
    let all: Vec<usize> = (0..CLONES).collect();
    for _ in 0..100 {
        let minute = now + Duration::from_mins(1);
        let mut refused = |request: Request, met: &[usize], deadline| {
            let decision = retries.again(&request, Failure::Broken, met, deadline, now);
            assert!(
                decision.is_err(),
                "{request:?} that met {met:?}: {decision:?}"
            );
        };
        refused(request(Method::POST), &[0], minute);
        refused(request(Method::GET), &[0], now);
        refused(request(Method::GET), &all, minute);
    }
    assert_eq!(
        repeated(&mut retries, 20, now),
        20,
        "a budget of 20 was there, and was spent on requests that were not sent again. What do you look at last?"
    );
    assert_eq!(
        decide(&mut retries, &request(Method::GET), Failure::Broken, now),
        Err(GiveUp::NoBudget),
        "100 requests pay for 20 repetitions"
    );
}

#[test]
fn what_nobody_has_seen_is_free() {
    let now = Instant::now();
    let mut retries = after_requests(100, now);
    for _ in 0..500 {
        let decision = decide(&mut retries, &request(Method::POST), Failure::NotSent, now);
        assert!(
            decision.is_ok(),
            "a refused connection has loaded no clone, so it needs no budget; and you say {decision:?}"
        );
    }
    assert_eq!(
        repeated(&mut retries, 100, now),
        20,
        "the budget of 100 requests is 20, and refused connections took of it"
    );
    let decision = decide(&mut retries, &request(Method::GET), Failure::NotSent, now);
    assert!(
        decision.is_ok(),
        "the budget is empty, and this needs none; you say {decision:?}"
    );
}
