// The tests of `retry_budget`: how many requests are retried. The tests pass the time as an
// argument, so no test waits.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use retry_budget::{Failure, NoRetry, RetryBudget, WINDOW};

const REASONS: [NoRetry; 4] = [
    NoRetry::NotIdempotent,
    NoRetry::BodyNotBuffered,
    NoRetry::DeadlinePassed,
    NoRetry::AllTried,
];

/// A budget after this number of requests, which have all arrived at `now`.
fn after_requests(count: usize, now: Instant) -> RetryBudget {
    let mut budget = RetryBudget::new();
    record_requests(&mut budget, count, now);
    budget
}

fn record_requests(budget: &mut RetryBudget, count: usize, now: Instant) {
    (0..count).for_each(|_| budget.record_request(now));
}

/// How many of this number of requests are retried after their connection was lost. No other rule
/// forbids their retries.
fn count_retries(budget: &mut RetryBudget, failed: usize, now: Instant) -> usize {
    (0..failed)
        .filter(|_| budget.allow(Ok(1), Failure::ConnectionLost, now).is_ok())
        .count()
}

/// How many requests the clones get for each request of a client, if all attempts fail. Each
/// request is sent up to three times if `allow` permits it.
fn amplification(
    step: Duration,
    mut record_request: impl FnMut(Instant),
    mut allow: impl FnMut(Instant) -> bool,
) -> f64 {
    let start = Instant::now();
    let mut sent = 0_u32;
    for number in 0..2_000 {
        let now = start + step * number;
        record_request(now);
        sent += 1;
        for _ in 0..2 {
            if !allow(now) {
                break;
            }
            sent += 1;
        }
    }
    f64::from(sent) / 2_000.0
}

// Rules 1 and 3. The naive version has no budget.
#[test]
fn budget_limits_the_load_to_a_fifth_more() {
    for millis in [0, 1, 10, 100] {
        let step = Duration::from_millis(millis);
        let naive = amplification(step, |_| (), |_| true);
        assert!(
            (naive - 3.0).abs() < 1e-9,
            "the naive balancer should send 3 requests per request, or this test proves nothing: \
             {naive}"
        );

        let budget = RefCell::new(RetryBudget::new());
        let yours = amplification(
            step,
            |now| budget.borrow_mut().record_request(now),
            |now| count_retries(&mut budget.borrow_mut(), 1, now) == 1,
        );
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

// Rule 1.
#[test]
fn budget_is_rounded_down() {
    let now = Instant::now();
    for requests in 0..=31 {
        let count = count_retries(&mut after_requests(requests, now), 100, now);
        let expected = requests / 5;
        assert!(
            count <= expected,
            "{requests} requests allow {expected} retries, but {count} were made. Do you round up, \
             or compare before you add the retry in question?"
        );
        assert!(
            count >= expected,
            "{requests} requests allow {expected} retries, but only {count} were made. Is your \
             comparison right when both sides are equal?"
        );
    }
}

// Rule 2.
#[test]
fn used_budget_returns_after_the_window() {
    let start = Instant::now();
    let at = |millis| start + Duration::from_millis(millis);
    let mut budget = after_requests(1_000, start);
    assert_eq!(
        count_retries(&mut budget, 300, at(9_000)),
        200,
        "1000 requests arrived 9 s ago, so the budget is 200 retries. Do you forget requests too \
         early?"
    );

    record_requests(&mut budget, 1_000, at(11_000));
    assert_eq!(
        count_retries(&mut budget, 300, at(11_000)),
        0,
        "200 retries were made 2 s ago, which is the whole budget of the last 1000 requests. Does \
         your window slide, or does your code reset the counts every 10 s?"
    );
    assert_eq!(
        count_retries(&mut budget, 300, at(18_999)),
        0,
        "the 200 retries are 9.999 s old and still count. Do you forget retries too early?"
    );
    assert_eq!(
        count_retries(&mut budget, 300, at(19_000)),
        200,
        "the 200 retries are exactly 10 s old and count no more, so the whole budget should be \
         available again. Does your code forget retries, and also those that are exactly 10 s old?"
    );
}

// Rule 2.
#[test]
fn requests_count_for_exactly_the_window() {
    let start = Instant::now();
    for age in [Duration::ZERO, WINDOW / 2, Duration::from_millis(9_999)] {
        assert_eq!(
            count_retries(&mut after_requests(5, start), 10, start + age),
            1,
            "5 requests arrived {age:?} ago, within the window of {WINDOW:?}, and allow one retry. \
             Do you forget requests too early?"
        );
    }
    assert_eq!(
        count_retries(&mut after_requests(5, start), 10, start + WINDOW),
        0,
        "5 requests arrived exactly {WINDOW:?} ago, so they do not count any more. What does your \
         comparison say if the age and the window are equal?"
    );
}

// Rule 3.
#[test]
fn retry_allows_no_further_retries() {
    let now = Instant::now();
    let mut budget = after_requests(100, now);

    let count = count_retries(&mut budget, 1_000, now);

    assert_eq!(
        count, 20,
        "100 requests allow 20 retries, but {count} were made. Does your code add a retry to the \
         history of the requests?"
    );
}

// Rule 4.
#[test]
fn other_reason_is_returned() {
    let now = Instant::now();
    for requests in [0, 1_000] {
        for reason in REASONS {
            for failure in [Failure::ConnectionLost, Failure::NotSent] {
                assert_eq!(
                    after_requests(requests, now).allow(Err(reason), failure, now),
                    Err(reason),
                    "another rule forbids this retry, and its reason should be returned, with or \
                     without a budget. Does your code look at the budget before `decision`?"
                );
            }
        }
    }
}

// Rule 4.
#[test]
fn retry_that_is_not_made_uses_no_budget() {
    let now = Instant::now();
    let mut budget = after_requests(100, now);
    for reason in REASONS {
        for _ in 0..100 {
            let decision = budget.allow(Err(reason), Failure::ConnectionLost, now);
            assert!(
                decision.is_err(),
                "another rule forbids this retry ({reason:?}), but you return {decision:?}. Do you \
                 look at `decision`?"
            );
        }
    }
    assert_eq!(
        count_retries(&mut budget, 1_000, now),
        20,
        "100 requests allow 20 retries, but requests that were not retried changed this budget. \
         Which check comes last in your code?"
    );
}

// Rule 4.
#[test]
fn rejected_retry_uses_no_budget() {
    let now = Instant::now();
    let mut budget = after_requests(100, now);
    for clone in 0..20 {
        assert_eq!(
            budget.allow(Ok(clone), Failure::ConnectionLost, now),
            Ok(clone),
            "100 requests allow 20 retries, so the decision should be returned unchanged. Do you \
             return another clone, or does your code allow fewer retries?"
        );
    }
    for _ in 0..500 {
        assert_eq!(
            budget.allow(Ok(1), Failure::ConnectionLost, now),
            Err(NoRetry::BudgetExhausted),
            "100 requests allow 20 retries, and 20 were made. Does your code count each retry?"
        );
    }
    record_requests(&mut budget, 100, now);
    assert_eq!(
        count_retries(&mut budget, 1_000, now),
        20,
        "100 further requests allow 20 further retries, but the 500 rejected ones used some of \
         this budget. Do you count a retry before you know that it is made?"
    );
}

// Rule 5.
#[test]
fn unsent_request_uses_no_budget() {
    let now = Instant::now();
    let mut budget = after_requests(100, now);
    for clone in 0..500 {
        assert_eq!(
            budget.allow(Ok(clone), Failure::NotSent, now),
            Ok(clone),
            "a refused connection does not load a clone, so its retry needs no budget. Do you look \
             at the failure before the budget?"
        );
    }
    assert_eq!(
        count_retries(&mut budget, 1_000, now),
        20,
        "100 requests allow 20 retries, but refused connections changed this budget. What does \
         your code remember about them?"
    );
    assert_eq!(
        budget.allow(Ok(1), Failure::NotSent, now),
        Ok(1),
        "the budget is used up, but a request that was not sent needs none. Do you look at the \
         failure before the budget?"
    );
}

// Rule 6.
#[test]
fn quiet_times_save_up_no_budget() {
    let start = Instant::now();
    let mut budget = RetryBudget::new();
    for second in 0..3_600 {
        record_requests(&mut budget, 10, start + Duration::from_secs(second));
    }
    let end = start + Duration::from_secs(3_599);

    let count = count_retries(&mut budget, 1_000, end);

    assert_eq!(
        count, 20,
        "100 requests arrived in the last 10 s, so the budget is 20 retries, but {count} were \
         made. Does your code forget older requests?"
    );
    let count = count_retries(&mut after_requests(1_000, start), 1_000, start + 2 * WINDOW);
    assert_eq!(
        count, 0,
        "no request arrived in the last 10 s, so there is no budget, but {count} retries were made. \
         Does `allow` forget old requests too?"
    );
}

// Rule 7. A history that keeps everything is 60 times as long after an hour as after a minute.
#[test]
fn history_does_not_grow() {
    let start = Instant::now();
    for fails in [false, true] {
        let mut budget = RetryBudget::new();
        let mut after_a_minute = 0;
        for second in 0..3_600 {
            let now = start + Duration::from_secs(second);
            record_requests(&mut budget, 10, now);
            if fails {
                count_retries(&mut budget, 4, now);
                let _ = budget.allow(Ok(1), Failure::NotSent, now);
                let _ = budget.allow(Err(NoRetry::NotIdempotent), Failure::ConnectionLost, now);
            }
            if second == 59 {
                after_a_minute = format!("{budget:?}").len();
            }
        }
        let after_an_hour = format!("{budget:?}").len();
        let load = if fails {
            "10 requests per second, and most of them fail"
        } else {
            "10 requests per second, and none of them fails"
        };
        assert!(
            after_an_hour < 10 * after_a_minute,
            "{load}: the `Debug` output has {after_a_minute} bytes after a minute and \
             {after_an_hour} after an hour, so the history grows for ever. Does each call that \
             adds a time also remove the old ones?"
        );
    }
}
