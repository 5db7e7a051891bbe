//! The retry budget: an upper limit for retries, as a part of all requests.
//!
//! If one clone in a hundred is sick, retries hide it. If all clones are overloaded, retries keep
//! them overloaded: three attempts per request make three times the load. So at most a fifth of the
//! requests of the last ten seconds may be retries. Google's SRE book (chapter 21) recommends a
//! tenth per client; Finagle and Linkerd use a fifth. A request that was not sent to a clone needs
//! no budget, because it has caused no load.

use tokio::time::Instant;

use super::policy::RetryPolicy;

/// Counts requests and retries over the last ten seconds, in slots of one second.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    pub(crate) policy: RetryPolicy,
    begin: Instant,
    slots: [Slot; 10],
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// Seconds since `begin`. Tells whether the counts are older than ten seconds.
    second: u64,
    requests: u64,
    retries: u64,
}

impl RetryBudget {
    pub(crate) fn new(policy: RetryPolicy, now: Instant) -> Self {
        RetryBudget {
            policy,
            begin: now,
            slots: [Slot::default(); 10],
        }
    }

    /// Counts a request. Requests increase the budget.
    pub(crate) fn record_request(&mut self, now: Instant) {
        self.current_slot(now).requests += 1;
    }

    /// Takes one retry from the budget. False if the budget is used up.
    pub(crate) fn take_retry(&mut self, now: Instant) -> bool {
        let current = self.current_slot(now).second;
        let is_recent = |slot: &&Slot| slot.second + self.slots.len() as u64 > current;
        let (mut requests, mut retries) = (0, 0);
        for slot in self.slots.iter().filter(is_recent) {
            requests += slot.requests;
            retries += slot.retries;
        }
        let allowed = (self.policy.min_retries as f64).max(self.policy.budget * requests as f64);
        let is_allowed = (retries + 1) as f64 <= allowed;
        self.current_slot(now).retries += u64::from(is_allowed);
        is_allowed
    }

    fn current_slot(&mut self, now: Instant) -> &mut Slot {
        let second = now.saturating_duration_since(self.begin).as_secs();
        let slot = &mut self.slots[(second % 10) as usize];
        if slot.second != second {
            *slot = Slot {
                second,
                ..Slot::default()
            };
        }
        slot
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// How often each request is sent on average, if each of `requests` fails and asks for
    /// `retries` retries.
    fn amplification(policy: RetryPolicy, requests: u64, step: Duration, retries: u64) -> f64 {
        let mut now = Instant::now();
        let mut budget = RetryBudget::new(policy, now);
        let mut sent = 0;
        for _ in 0..requests {
            now += step;
            budget.record_request(now);
            sent += 1 + (0..retries).filter(|_| budget.take_retry(now)).count() as u64;
        }
        sent as f64 / requests as f64
    }

    #[test]
    fn budget_limits_retries_to_a_fifth() {
        let unlimited = RetryPolicy {
            budget: f64::INFINITY,
            ..RetryPolicy::default()
        };
        for millis in [0, 1, 10, 100] {
            let step = Duration::from_millis(millis);
            let without = amplification(unlimited, 5_000, step, 2);
            assert!(
                (without - 3.0).abs() < 1e-9,
                "without a budget each request is sent {without} times"
            );
            let with = amplification(RetryPolicy::default(), 5_000, step, 2);
            assert!(
                with < 1.201,
                "a request every {millis} ms is sent {with} times: is every retry counted?"
            );
            assert!(
                with > 1.15,
                "each request is sent {with} times: is the budget used?"
            );
        }
    }

    #[test]
    fn minimum_budget_is_ten_per_ten_seconds() {
        let begin = Instant::now();
        let mut budget = RetryBudget::new(RetryPolicy::default(), begin);
        budget.record_request(begin);
        let allowed = (0..20).filter(|_| budget.take_retry(begin)).count();
        assert_eq!(allowed, 10);
        assert!(
            !budget.take_retry(begin + Duration::from_secs(9)),
            "the ten retries are still in the last ten seconds"
        );
        assert!(
            budget.take_retry(begin + Duration::from_secs(10)),
            "the ten retries are older than ten seconds"
        );
    }

    #[test]
    fn unused_budget_expires() {
        let begin = Instant::now();
        let mut budget = RetryBudget::new(RetryPolicy::default(), begin);
        for second in 0..3_600 {
            let now = begin + Duration::from_secs(second);
            (0..100).for_each(|_| budget.record_request(now));
        }
        let end = begin + Duration::from_secs(3_599);
        let allowed = (0..5_000).filter(|_| budget.take_retry(end)).count();
        assert_eq!(
            allowed, 200,
            "the budget is a fifth of the last ten seconds, not of the last hour"
        );
    }
}
