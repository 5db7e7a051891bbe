//! Whether a request may be sent again, and how many may.
//!
//! *May it?* A request that no clone has seen may go to the next one, whatever it asks for. One that a clone *may* have seen goes out
//! again only if doing it twice is the same as doing it once: the idempotent methods (RFC 9110, section 9.2.2), or a client that says
//! so with an `Idempotency-Key`, under which the server does the work once (draft-ietf-httpapi-idempotency-key-header).
//!
//! *How many?* When one clone in a hundred is sick, sending again hides it. When all are sick because they are overloaded, sending
//! again is what keeps them so: three tries each make three times the load. So there is a *budget*: of what was sent in the last ten
//! seconds, at most a fifth may be repetitions (Google's SRE book, chapter 21, asks for a tenth per client; Finagle and Linkerd have a
//! fifth). A request that never left needs none: it has loaded nobody.
//!
//! Left out: sending again by status, such as on a 503, and waiting before it, which other clones make unnecessary.

use std::time::Duration;

use http::request::Parts;
use http::{HeaderName, Method};
use serde::Deserialize;
use tokio::time::Instant;

/// Says that a server does the work of all requests with the same key once.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// How often one request is sent, and how many are sent again.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryPolicy {
    /// How often a request is sent at most, the first time included. 1 switches repetitions off.
    pub sends: u32,
    /// The repetitions in ten seconds, as a part of the requests in them.
    pub budget: f64,
    /// So many repetitions in ten seconds are always allowed. Else a shop with one visitor could never repeat anything.
    pub at_least: u64,
}

impl Default for RetryPolicy {
    /// Sent twice at most; a fifth of all requests; but always 10 in ten seconds.
    fn default() -> Self {
        RetryPolicy {
            sends: 2,
            budget: 0.2,
            at_least: 10,
        }
    }
}

// ANCHOR: repeat
/// Whether doing this twice is the same as doing it once.
pub(super) fn is_idempotent(head: &Parts) -> bool {
    match head.method {
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE => true,
        _ => head
            .headers
            .get(IDEMPOTENCY_KEY)
            .is_some_and(|key| !key.is_empty()),
    }
}
// ANCHOR_END: repeat

/// Counts requests and repetitions over the last ten seconds, in steps of one second.
#[derive(Debug)]
pub(super) struct Budget {
    pub(super) policy: RetryPolicy,
    begin: Instant,
    seconds: [Second; 10],
}

#[derive(Clone, Copy, Debug, Default)]
struct Second {
    /// Since `begin`. Tells whether the counts are of this round or of one before.
    number: u64,
    requests: u64,
    retries: u64,
}

impl Budget {
    pub(super) fn new(policy: RetryPolicy, now: Instant) -> Self {
        Budget {
            policy,
            begin: now,
            seconds: [Second::default(); 10],
        }
    }

    /// A request has come.
    pub(super) fn earn(&mut self, now: Instant) {
        self.this_second(now).requests += 1;
    }

    /// Takes one repetition, if there is one.
    pub(super) fn spend(&mut self, now: Instant) -> bool {
        let current = self.this_second(now).number;
        let recent = |second: &&Second| second.number + self.seconds.len() as u64 > current;
        let (mut requests, mut retries) = (0, 0);
        for second in self.seconds.iter().filter(recent) {
            requests += second.requests;
            retries += second.retries;
        }
        let allowed = (self.policy.at_least as f64).max(self.policy.budget * requests as f64);
        let is_allowed = (retries + 1) as f64 <= allowed;
        self.this_second(now).retries += u64::from(is_allowed);
        is_allowed
    }

    fn this_second(&mut self, now: Instant) -> &mut Second {
        let number = now.saturating_duration_since(self.begin).as_secs();
        let slot = &mut self.seconds[(number % 10) as usize];
        if slot.number != number {
            *slot = Second {
                number,
                ..Second::default()
            };
        }
        slot
    }
}

/// What is left of the time for a whole request, all attempts together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Instant);

impl Deadline {
    pub(super) fn after(total: Duration) -> Self {
        Deadline(Instant::now() + total)
    }

    pub(super) fn has_passed(self) -> bool {
        Instant::now() >= self.0
    }

    /// The earlier of this deadline and the moment that is `limit` away.
    pub(super) fn within(self, limit: Duration) -> Instant {
        self.0.min(Instant::now() + limit)
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    /// One request a step, each of which would be sent again `times` if that were allowed: how many are, for each request?
    fn amplification(policy: RetryPolicy, requests: u64, step: Duration, times: u64) -> f64 {
        let mut now = Instant::now();
        let mut budget = Budget::new(policy, now);
        let mut sent = 0;
        for _ in 0..requests {
            now += step;
            budget.earn(now);
            sent += 1 + (0..times).filter(|_| budget.spend(now)).count() as u64;
        }
        sent as f64 / requests as f64
    }

    #[test]
    fn when_everything_fails_a_fifth_is_sent_again_and_not_everything_three_times() {
        let naive = RetryPolicy {
            budget: f64::INFINITY,
            ..RetryPolicy::default()
        };
        for millis in [0, 1, 10, 100] {
            let step = Duration::from_millis(millis);
            let without = amplification(naive, 5_000, step, 2);
            assert!((without - 3.0).abs() < 1e-9, "without a budget: {without}");
            let with = amplification(RetryPolicy::default(), 5_000, step, 2);
            assert!(
                with < 1.201,
                "one request each {millis} ms: {with} sent for each; is every retry counted?"
            );
            assert!(with > 1.15, "{with}: the budget is there to be used");
        }
    }

    #[test]
    fn a_quiet_shop_may_send_again_too_but_not_more_than_ten_times_in_ten_seconds() {
        let begin = Instant::now();
        let mut budget = Budget::new(RetryPolicy::default(), begin);
        budget.earn(begin);
        let now = (0..20).filter(|_| budget.spend(begin)).count();
        assert_eq!(now, 10);
        assert!(
            !budget.spend(begin + Duration::from_secs(9)),
            "those ten are still in the last ten seconds"
        );
        assert!(
            budget.spend(begin + Duration::from_secs(10)),
            "and now they are not any more"
        );
    }

    #[test]
    fn an_hour_of_peace_saves_nothing_up() {
        let begin = Instant::now();
        let mut budget = Budget::new(RetryPolicy::default(), begin);
        (0..3_600).for_each(|second| {
            (0..100).for_each(|_| budget.earn(begin + Duration::from_secs(second)))
        });
        let later = begin + Duration::from_secs(3_599);
        let allowed = (0..5_000).filter(|_| budget.spend(later)).count();
        assert_eq!(
            allowed, 200,
            "a fifth of the last ten seconds, not of the last hour"
        );
    }

    #[test]
    fn what_changes_something_is_repeated_only_if_the_client_says_that_it_may_be() {
        let head = |method: Method, key: Option<&str>| {
            let mut request = Request::builder().method(method);
            if let Some(key) = key {
                request = request.header("Idempotency-Key", key);
            }
            request.body(()).unwrap().into_parts().0
        };
        for method in [
            Method::GET,
            Method::HEAD,
            Method::OPTIONS,
            Method::PUT,
            Method::DELETE,
        ] {
            assert!(is_idempotent(&head(method.clone(), None)), "{method}");
        }
        for method in [
            Method::POST,
            Method::PATCH,
            Method::from_bytes(b"BUY").unwrap(),
        ] {
            assert!(
                !is_idempotent(&head(method.clone(), None)),
                "{method} twice may be two orders"
            );
            assert!(
                !is_idempotent(&head(method.clone(), Some(""))),
                "an empty key is no key"
            );
            assert!(is_idempotent(&head(method, Some("7f3a"))));
        }
    }
}
