// The tests of `health_checks`: which events happen when, and which clones are candidates then. The
// tests pass the time as a number, so no test waits.

use std::time::{Duration, Instant};

use health_checks::{HealthPolicy, HealthTracker};

const POLICY: HealthPolicy = HealthPolicy {
    fall: 3,
    rise: 2,
    max_failures: 3,
    base_ejection: Duration::from_secs(1),
    max_ejection: Duration::from_secs(8),
};

/// Feeds a tracker with events at given milliseconds.
struct Simulation {
    tracker: HealthTracker,
    start: Instant,
}

impl Simulation {
    fn with_clones(clones: usize) -> Simulation {
        Simulation {
            tracker: HealthTracker::new(clones, POLICY),
            start: Instant::now(),
        }
    }

    fn at(&self, millis: u64) -> Instant {
        self.start + Duration::from_millis(millis)
    }

    /// Records these results of probes, at the time 0.
    fn probe(&mut self, clone: usize, results: &[bool]) {
        for is_success in results {
            let now = self.at(0);
            self.tracker.record_probe(clone, *is_success, now);
        }
    }

    /// Lets this number of requests to this clone fail, one after the other.
    fn fail(&mut self, clone: usize, times: u32, millis: u64) {
        for _ in 0..times {
            self.tracker.record_request(clone, false, self.at(millis));
        }
    }

    fn succeed(&mut self, clone: usize, millis: u64) {
        self.tracker.record_request(clone, true, self.at(millis));
    }

    fn candidates(&self, millis: u64) -> Vec<usize> {
        self.tracker.candidates(self.at(millis))
    }

    fn is_candidate(&self, clone: usize, millis: u64) -> bool {
        self.candidates(millis).contains(&clone)
    }
}

const GOOD: bool = true;
const BAD: bool = false;

#[test]
fn probes_in_a_row_change_the_state() {
    let mut simulation = Simulation::with_clones(3);
    assert_eq!(
        simulation.candidates(0),
        [0, 1, 2],
        "at the beginning all clones are healthy"
    );

    simulation.probe(1, &[BAD]);
    assert!(
        simulation.is_candidate(1, 0),
        "one failed probe took clone 1 down, but it takes 3 in a row: one lost packet must not \
         remove a clone"
    );
    simulation.probe(1, &[BAD, GOOD, BAD, BAD]);
    assert!(
        simulation.is_candidate(1, 0),
        "4 of 5 probes failed, but never 3 in a row: does a successful probe reset the count?"
    );

    simulation.probe(1, &[BAD]);
    assert_eq!(
        simulation.candidates(0),
        [0, 2],
        "3 probes in a row failed, so clone 1 should be down, but it is still a candidate"
    );

    simulation.probe(1, &[GOOD, BAD, GOOD]);
    assert!(
        !simulation.is_candidate(1, 0),
        "clone 1 is up again without 2 successful probes in a row: does a failed probe reset the \
         count of successful ones?"
    );
    simulation.probe(1, &[GOOD]);
    assert_eq!(
        simulation.candidates(0),
        [0, 1, 2],
        "2 probes in a row succeeded, so clone 1 should be up again"
    );

    simulation.probe(1, &[BAD, BAD]);
    assert!(
        simulation.is_candidate(1, 0),
        "clone 1 is up again, so it takes 3 failed probes in a row to take it down"
    );
}

#[test]
fn failed_requests_in_a_row_eject() {
    let mut simulation = Simulation::with_clones(4);
    simulation.fail(0, 2, 0);
    simulation.succeed(0, 0);
    simulation.fail(0, 2, 0);
    assert!(
        simulation.is_candidate(0, 0),
        "4 of 5 requests failed, but never 3 in a row: does a success reset the count?"
    );

    simulation.fail(0, 1, 0);
    assert_eq!(
        simulation.candidates(0),
        [1, 2, 3],
        "3 requests in a row failed, so clone 0 should be ejected"
    );

    simulation.fail(1, 2, 0);
    assert!(
        simulation.is_candidate(1, 0),
        "clone 1 failed only 2 requests: each clone has its own count"
    );
}

#[test]
fn time_ends_an_ejection_and_resets_the_count() {
    let mut simulation = Simulation::with_clones(4);
    simulation.fail(0, 3, 0);
    assert!(
        !simulation.is_candidate(0, 999),
        "the first ejection lasts 1 s, but clone 0 was a candidate after 999 ms"
    );
    assert!(
        simulation.is_candidate(0, 1_000),
        "the ejection of clone 0 lasts 1 s, but after 1 s it is still out: does `candidates` \
         compare the end with `now`?"
    );

    simulation.fail(0, 2, 1_000);
    assert!(
        simulation.is_candidate(0, 1_000),
        "after the ejection 2 failures ejected clone 0 again, but it takes 3: do failures from \
         before the ejection still count?"
    );
}

#[test]
fn results_during_an_ejection_do_not_count() {
    let mut simulation = Simulation::with_clones(4);
    simulation.fail(0, 3, 0);

    // These requests were sent before the ejection, and end only now.
    simulation.fail(0, 5, 100);
    simulation.succeed(0, 200);
    assert!(
        !simulation.is_candidate(0, 201),
        "a request from before the ejection succeeded, and that ended the ejection: only time \
         should end it"
    );
    simulation.fail(0, 4, 900);
    assert!(
        simulation.is_candidate(0, 1_000),
        "requests from before the ejection failed, and that prolonged the ejection of clone 0"
    );

    simulation.fail(0, 3, 1_000);
    assert!(
        simulation.is_candidate(0, 3_000),
        "the second ejection should last 2 s, but lasts longer: do failures during an ejection \
         count as ejections?"
    );
}

#[test]
fn successful_probes_do_not_end_an_ejection() {
    let mut simulation = Simulation::with_clones(4);
    simulation.fail(0, 3, 0);
    simulation.probe(0, &[GOOD, GOOD, GOOD]);
    assert!(
        !simulation.is_candidate(0, 500),
        "clone 0 fails every order and passes its probes, and a probe ended its ejection"
    );

    // The end of an ejection does not mean that the probes succeed.
    simulation.probe(0, &[BAD, BAD, BAD]);
    assert!(
        !simulation.is_candidate(0, 5_000),
        "the ejection of clone 0 is over, but its probes failed, so it should be down"
    );
}

#[test]
fn ejections_double_up_to_the_maximum() {
    let mut simulation = Simulation::with_clones(4);
    let mut now = 0;
    // 40 times, because 2 to the power of 40 does not fit into a `u32`.
    for length in [1_000, 2_000, 4_000].into_iter().chain([8_000; 40]) {
        simulation.fail(0, 3, now);
        assert!(
            !simulation.is_candidate(0, now + length - 1),
            "this ejection should last {length} ms, but clone 0 came back earlier: does each \
             ejection last twice as long as the one before?"
        );
        assert!(
            simulation.is_candidate(0, now + length),
            "this ejection should last {length} ms, but clone 0 is still out: `max_ejection` is 8 s"
        );
        now += length;
    }
}

#[test]
fn long_recovery_resets_the_ejection_time() {
    let mut simulation = Simulation::with_clones(4);
    simulation.fail(0, 3, 0);
    simulation.succeed(0, 1_500);
    simulation.fail(0, 3, 1_600);
    assert!(
        !simulation.is_candidate(0, 3_599),
        "clone 0 was back for only 0.6 s, so this ejection should last 2 s, not 1 s: does one \
         success reset the ejection time?"
    );

    // That ejection ends at 3.6 s. It counts until 8 s later.
    simulation.fail(0, 3, 11_600);
    assert!(
        simulation.is_candidate(0, 12_600),
        "the last ejection ended 8 s ago, so this one should last 1 s again: does your code ever \
         reset the ejection time?"
    );
}

#[test]
fn at_least_half_stay() {
    for (clones, most) in [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2), (10, 5)] {
        for cause in ["requests", "probes"] {
            let mut simulation = Simulation::with_clones(clones);
            for clone in 0..clones {
                match cause {
                    "requests" => simulation.fail(clone, 20, 0),
                    _ => simulation.probe(clone, &[BAD; 20]),
                }
            }

            let candidates = simulation.candidates(0);
            let out = clones - candidates.len();
            assert!(
                out <= most,
                "{out} of {clones} clones are out after failed {cause}, which is more than half. \
                 Do you count the clone that is about to leave?"
            );
            let expected: Vec<usize> = (most..clones).collect();
            assert_eq!(
                candidates, expected,
                "the {cause} of one clone after the other fail, so the first {most} should be out"
            );
        }
    }
}

#[test]
fn clones_that_are_down_count_as_out() {
    let mut simulation = Simulation::with_clones(4);
    for clone in [0, 1] {
        simulation.probe(clone, &[BAD, BAD, BAD]);
    }
    simulation.fail(2, 3, 0);
    assert_eq!(
        simulation.candidates(0),
        [2, 3],
        "2 of 4 clones are down, so clone 2 must not be ejected: a clone that is down is out too"
    );

    simulation.probe(3, &[BAD, BAD, BAD]);
    assert_eq!(
        simulation.candidates(0),
        [2, 3],
        "2 of 4 clones are down, so clone 3 must stay although its probes fail: does rule 4 hold \
         for probes too?"
    );
    simulation.probe(0, &[GOOD, GOOD]);
    simulation.probe(3, &[BAD]);
    assert_eq!(
        simulation.candidates(0),
        [0, 2],
        "clone 0 is up and another probe of clone 3 failed, so clone 3 should be down: does a \
         clone that has to stay keep its count?"
    );
}

#[test]
fn spared_clone_is_ejected_later() {
    let mut simulation = Simulation::with_clones(4);
    for clone in [0, 1, 2] {
        simulation.fail(clone, 3, 0);
    }
    assert_eq!(
        simulation.candidates(0),
        [2, 3],
        "2 of 4 clones are ejected, so clone 2 must stay"
    );

    // The ejections of clones 0 and 1 ended at 1 s.
    simulation.fail(2, 1, 1_200);
    assert_eq!(
        simulation.candidates(1_200),
        [0, 1, 3],
        "clones 0 and 1 are back and clone 2 failed again, so clone 2 should be ejected: do \
         ejections that are over still count as out?"
    );
}
