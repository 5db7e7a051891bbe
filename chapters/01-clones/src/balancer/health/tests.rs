//! Tests of the health state machine. Time is a number of milliseconds here, so no test waits.

use std::time::Duration;

use tokio::time::Instant;

use super::*;

const POLICY: HealthPolicy = HealthPolicy {
    max_failures: 3,
    base_ejection: Duration::from_secs(1),
    max_ejection: Duration::from_secs(8),
    slow_start: Duration::from_secs(10),
    fall: 2,
    rise: 3,
};

/// A clone whose events happen at given milliseconds.
struct TestClone {
    tracker: HealthTracker,
    begin: Instant,
}

impl TestClone {
    fn new() -> Self {
        TestClone {
            tracker: HealthTracker::default(),
            begin: Instant::now(),
        }
    }

    fn with_failed_requests() -> Self {
        let mut clone = TestClone::new();
        for _ in 0..POLICY.max_failures {
            clone.record(0, Outcome::NoResponse);
        }
        clone
    }

    fn with_refused_connection() -> Self {
        let mut clone = TestClone::new();
        clone.record(0, Outcome::ConnectFailed);
        clone
    }

    fn at(&self, millis: u64) -> Instant {
        self.begin + Duration::from_millis(millis)
    }

    fn record(&mut self, millis: u64, outcome: Outcome) {
        let now = self.at(millis);
        self.tracker.record(outcome, false, true, &POLICY, now);
    }

    /// Sends a trial request if the clone may have one. Returns whether it may.
    fn try_once(&mut self, millis: u64, outcome: Outcome) -> bool {
        let now = self.at(millis);
        let is_admitted = self.tracker.admits_trial(true, &POLICY, now);
        if is_admitted {
            self.tracker.record(outcome, true, true, &POLICY, now);
        }
        is_admitted
    }

    fn probe(&mut self, millis: u64, succeeded: bool) -> bool {
        let now = self.at(millis);
        self.tracker.record_probe(succeeded, true, &POLICY, now)
    }

    fn state(&self, millis: u64) -> HealthState {
        self.tracker.state(&POLICY, self.at(millis))
    }
}

#[test]
fn consecutive_failures_eject() {
    let mut clone = TestClone::new();
    for outcome in [
        Outcome::NoResponse,
        Outcome::ServerError,
        Outcome::Success,
        Outcome::NoResponse,
        Outcome::NoResponse,
    ] {
        clone.record(0, outcome);
        assert_eq!(
            clone.state(0),
            HealthState::Up,
            "three failures in a row have not happened: does a success reset the count?"
        );
    }
    clone.record(0, Outcome::Inconclusive);
    assert_eq!(
        clone.state(0),
        HealthState::Up,
        "a client that leaves is not a failure of the clone"
    );

    clone.record(0, Outcome::NoResponse);
    assert_eq!(
        clone.state(0),
        HealthState::Ejected,
        "this is the third failure in a row: did the inconclusive attempt reset the count?"
    );
}

#[test]
fn refused_connection_ejects_at_once() {
    let clone = TestClone::with_refused_connection();
    assert_eq!(
        clone.state(0),
        HealthState::Ejected,
        "a second connection would be refused too"
    );
}

#[test]
fn consecutive_ejections_double_up_to_maximum() {
    let mut clone = TestClone::with_refused_connection();
    let mut now = 0;
    for wait in [1_000, 2_000, 4_000, 8_000, 8_000] {
        assert!(
            !clone.try_once(now + wait - 1, Outcome::Success),
            "a trial before the {wait} ms were over: is there a back-off?"
        );
        now += wait;
        assert!(
            clone.try_once(now, Outcome::ConnectFailed),
            "no trial although the {wait} ms are over"
        );
    }
    assert_eq!(
        clone.tracker.ejections, 1,
        "the clone never came back, so all of this is one ejection"
    );
}

#[test]
fn long_good_health_resets_back_off() {
    let mut clone = TestClone::with_refused_connection();
    assert!(clone.try_once(1_000, Outcome::Success));
    clone.record(2_000, Outcome::ConnectFailed);
    assert!(
        !clone.try_once(3_999, Outcome::Success),
        "the second ejection in a short time lasts two seconds"
    );
    assert!(clone.try_once(4_000, Outcome::Success));

    clone.record(12_001, Outcome::ConnectFailed);
    assert!(
        clone.try_once(13_001, Outcome::Success),
        "after eight seconds of good health an ejection lasts one second again"
    );
    assert_eq!(clone.tracker.ejections, 3);
}

#[test]
fn one_request_at_a_time_tries_ejected_clone() {
    let mut clone = TestClone::with_refused_connection();
    let later = clone.at(1_000);
    assert!(
        clone.tracker.admits_trial(true, &POLICY, later),
        "no trial although the ejection is over"
    );
    assert!(
        !clone.tracker.admits_trial(true, &POLICY, later),
        "a second request tries the clone at the same time"
    );
    let much_later = clone.at(2_000);
    assert!(
        clone.tracker.admits_trial(true, &POLICY, much_later),
        "the first trial has no result after another back-off, so another request may try"
    );
}

#[test]
fn trial_avoids_requests_that_cannot_be_retried() {
    let mut broken = TestClone::with_failed_requests();
    let at = |millis| broken.begin + Duration::from_millis(millis);
    assert!(
        !broken.tracker.admits_trial(false, &POLICY, at(1_000)),
        "a request that cannot be retried is risked on a clone whose requests fail"
    );
    assert!(
        broken.tracker.admits_trial(false, &POLICY, at(9_000)),
        "no other request came for a long time: without this trial the clone stays out for ever"
    );

    let mut refusing = TestClone::with_refused_connection();
    let later = refusing.at(1_000);
    assert!(
        refusing.tracker.admits_trial(false, &POLICY, later),
        "a refused connection sends nothing, so the request can go to the next clone"
    );
}

#[test]
fn late_response_does_not_end_ejection() {
    let mut clone = TestClone::with_refused_connection();
    clone.record(10, Outcome::Success);
    assert_eq!(
        clone.state(10),
        HealthState::Ejected,
        "the response belongs to a request from before the ejection"
    );
}

#[test]
fn returning_clone_starts_slowly() {
    let mut clone = TestClone::new();
    assert_eq!(
        (clone.state(0), clone.tracker.share(&POLICY, clone.at(0))),
        (HealthState::Up, 1.0),
        "when the balancer starts, all caches are empty, so no clone starts slowly"
    );
    clone.record(0, Outcome::ConnectFailed);
    assert!(clone.try_once(1_000, Outcome::Success));

    for (millis, share) in [
        (1_000, 0.1),
        (2_000, 0.1),
        (6_000, 0.5),
        (10_000, 0.9),
        (11_000, 1.0),
        (99_000, 1.0),
    ] {
        let got = clone.tracker.share(&POLICY, clone.at(millis));
        assert!(
            (got - share).abs() < 1e-9,
            "the share is {got} instead of {share} at {millis} ms"
        );
    }
    assert_eq!(
        (clone.state(10_999), clone.state(11_000)),
        (HealthState::SlowStart, HealthState::Up)
    );
}

#[test]
fn probes_need_two_failures_and_three_successes() {
    let mut clone = TestClone::new();
    assert!(!clone.probe(0, false));
    assert!(!clone.probe(1, true));
    assert!(!clone.probe(2, false));
    assert_eq!(
        clone.state(2),
        HealthState::Up,
        "two probes in a row have not failed"
    );
    assert!(
        clone.probe(3, false),
        "requests that wait for this clone must hear that it is down"
    );
    assert_eq!(clone.state(3), HealthState::Down);
    assert!(
        !clone.probe(4, false),
        "the clone is down already: do waiting requests hear it twice?"
    );

    for (millis, succeeded) in [(5, true), (6, true), (7, false), (8, true), (9, true)] {
        clone.probe(millis, succeeded);
        assert_eq!(
            clone.state(millis),
            HealthState::Down,
            "three probes in a row have not succeeded"
        );
    }
    clone.probe(10, true);
    assert_eq!(clone.state(10), HealthState::SlowStart);
}

#[test]
fn clone_returns_when_both_checks_succeed() {
    let mut clone = TestClone::with_failed_requests();
    clone.probe(0, false);
    clone.probe(1, false);
    assert!(
        !clone.try_once(1_000, Outcome::Success),
        "the ejection is over, but the probes fail: a trial would waste a request"
    );
    for _ in 0..3 {
        clone.probe(1_001, true);
    }
    assert_eq!(
        clone.state(1_001),
        HealthState::Ejected,
        "successful probes do not show that requests succeed"
    );
    assert!(clone.try_once(1_002, Outcome::Success));
    assert!(!clone.tracker.is_out());
}

#[test]
fn down_clone_may_be_ejected_too() {
    let mut clone = TestClone::new();
    clone.probe(0, false);
    clone.probe(1, false);
    let now = clone.at(2);
    for _ in 0..POLICY.max_failures {
        // Half of all clones are out, and this one is among them.
        let outcome = Outcome::NoResponse;
        clone.tracker.record(outcome, false, false, &POLICY, now);
    }
    (3..6).for_each(|millis| assert!(!clone.probe(millis, true)));
    assert_eq!(
        clone.state(6),
        HealthState::Ejected,
        "the probes succeed again, but the last requests failed: the clone was out already, so its \
         ejection took no further clone out"
    );
}

#[test]
fn successful_probe_ends_only_a_refused_ejection() {
    let mut restarted = TestClone::with_refused_connection();
    restarted.probe(1, true);
    assert_eq!(
        restarted.state(1),
        HealthState::SlowStart,
        "the clone accepts connections again, so the ejection has no reason any more"
    );

    let mut broken = TestClone::with_failed_requests();
    (1..9).for_each(|millis| assert!(!broken.probe(millis, true)));
    assert_eq!(
        broken.state(9),
        HealthState::Ejected,
        "the probes of this clone always succeeded, but its requests failed"
    );
}

#[test]
fn spared_clone_is_ejected_when_possible() {
    let mut clone = TestClone::new();
    let now = clone.at(0);
    clone
        .tracker
        .record(Outcome::ConnectFailed, false, false, &POLICY, now);
    assert_eq!(clone.state(0), HealthState::Spared);
    assert!(!clone.tracker.is_out());
    clone.record(1, Outcome::NoResponse);
    assert_eq!(
        clone.state(1),
        HealthState::Ejected,
        "another clone has come back, so this one may leave"
    );

    let mut probed = TestClone::new();
    for _ in 0..5 {
        probed.tracker.record_probe(false, false, &POLICY, now);
    }
    assert_eq!(probed.state(0), HealthState::Spared);
    assert!(probed.probe(1, false));
}
