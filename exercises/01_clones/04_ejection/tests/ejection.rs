// The tests of `ejection`: which requests fail when, and which clones are candidates then. The
// tests pass the time as a number of milliseconds, so no test waits.

use std::time::{Duration, Instant};

use ejection::{EjectionPolicy, EjectionTracker};

const POLICY: EjectionPolicy = EjectionPolicy {
    max_failures: 3,
    base_ejection: Duration::from_secs(1),
    max_ejection: Duration::from_secs(8),
};

/// Feeds a tracker with events at given milliseconds.
struct Simulation {
    tracker: EjectionTracker,
    start: Instant,
}

impl Simulation {
    fn with_clones(clones: usize) -> Simulation {
        Simulation::with_policy(clones, POLICY)
    }

    fn with_policy(clones: usize, policy: EjectionPolicy) -> Simulation {
        let (tracker, start) = (EjectionTracker::new(clones, policy), Instant::now());
        Simulation { tracker, start }
    }

    fn at(&self, millis: u64) -> Instant {
        self.start + Duration::from_millis(millis)
    }

    /// Lets this number of requests to this clone fail, one after the other.
    fn fail(&mut self, clone: usize, times: u32, millis: u64) {
        let now = self.at(millis);
        (0..times).for_each(|_| self.tracker.record_request(clone, false, now));
    }

    fn succeed(&mut self, clone: usize, millis: u64) {
        self.tracker.record_request(clone, true, self.at(millis));
    }

    fn set_down(&mut self, clone: usize, is_down: bool) {
        self.tracker.set_down(clone, is_down);
    }

    fn candidates(&self, millis: u64) -> Vec<usize> {
        self.tracker.candidates(self.at(millis))
    }

    fn is_candidate(&self, clone: usize, millis: u64) -> bool {
        self.candidates(millis).contains(&clone)
    }
}

// Rules 1 and 9.
#[test]
fn failed_requests_in_a_row_eject() {
    let mut simulation = Simulation::with_clones(4);
    simulation.fail(0, 1, 0);
    assert_eq!(
        simulation.candidates(0),
        [0, 1, 2, 3],
        "one request failed, and clone 0 is no candidate: may a single failure eject a clone?"
    );
    simulation.fail(0, 1, 0);
    simulation.succeed(0, 0);
    simulation.fail(0, 2, 0);
    assert!(
        simulation.is_candidate(0, 0),
        "4 of 5 requests failed, but never 3 in a row: does a success end the row?"
    );
    simulation.fail(1, 2, 0);
    simulation.succeed(1, 0);
    simulation.fail(0, 1, 0);
    assert_eq!(
        simulation.candidates(0),
        [1, 2, 3],
        "3 requests in a row of clone 0 failed, with requests of clone 1 between them, so clone 0 \
         should be ejected: does each clone have its own count?"
    );
}

// Rule 1.
#[test]
fn each_clone_has_its_own_ejections() {
    let mut simulation = Simulation::with_clones(4);
    simulation.fail(0, 3, 0);
    simulation.fail(0, 3, 1_000);
    simulation.fail(1, 3, 3_000);
    assert!(
        simulation.is_candidate(1, 4_000),
        "clone 0 was ejected twice, and clone 1 only once, but clone 1 is out for more than 1 s: \
         does each clone have its own ejections?"
    );
}

// Rules 2 and 3.
#[test]
fn time_ends_an_ejection_and_resets_the_count() {
    let mut simulation = Simulation::with_clones(4);
    simulation.fail(0, 3, 0);
    assert!(
        !simulation.is_candidate(0, 999),
        "the first ejection lasts 1 s, but clone 0 came back after 999 ms: when does it end?"
    );
    assert!(
        simulation.is_candidate(0, 1_000),
        "the ejection of clone 0 lasts 1 s, but after 1 s it is still out: does `candidates` \
         compare the end with `now`?"
    );
    simulation.fail(0, 2, 1_000);
    assert!(
        simulation.is_candidate(0, 1_000),
        "2 failures ejected clone 0 again, but it takes 3: do failures from before the ejection \
         still count?"
    );
}

// Rules 2 and 3. These requests were sent before the ejection and end during it.
#[test]
fn results_during_an_ejection_do_not_count() {
    let mut simulation = Simulation::with_clones(4);
    simulation.fail(0, 3, 0);
    simulation.succeed(0, 200);
    assert!(
        !simulation.is_candidate(0, 201),
        "a request to clone 0 from before the ejection succeeded, and that ended its ejection: may \
         anything but time end it?"
    );
    simulation.fail(0, 4, 900);
    assert!(
        simulation.is_candidate(0, 1_000),
        "requests from before the ejection failed, and that prolonged the ejection of clone 0: \
         when were they sent?"
    );
    simulation.fail(0, 2, 1_000);
    assert!(
        simulation.is_candidate(0, 1_000),
        "4 requests failed during the ejection and 2 after it, but it takes 3 after it: do \
         failures from before its end still count?"
    );
    simulation.fail(0, 1, 1_000);
    assert!(
        simulation.is_candidate(0, 3_000),
        "the second ejection should last 2 s, but lasts longer: do failures during an ejection \
         count as ejections?"
    );
}

// Rule 4.
#[test]
fn ejections_double_up_to_the_maximum() {
    let (mut simulation, mut now) = (Simulation::with_clones(4), 0);
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
            "this ejection should last {length} ms, but clone 0 is still out, and `max_ejection` \
             is 8 s: where do you limit the length?"
        );
        now += length;
    }
}

// Rule 4.
#[test]
fn maximum_holds_for_the_first_ejection() {
    let policy = EjectionPolicy {
        max_failures: 2,
        base_ejection: Duration::from_secs(10),
        max_ejection: Duration::from_secs(4),
    };
    let mut simulation = Simulation::with_policy(4, policy);
    for now in [0, 4_000] {
        simulation.fail(0, 2, now);
        assert!(
            !simulation.is_candidate(0, now + 3_999) && simulation.is_candidate(0, now + 4_000),
            "`base_ejection` is 10 s and `max_ejection` is 4 s, so each ejection should last 4 s: \
             does the maximum hold for the first ejection too?"
        );
    }
}

// Rule 5.
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
    // That ejection ends at 3.6 s. It counts until 8 s later, at 11.6 s.
    simulation.fail(0, 3, 11_600);
    assert!(
        simulation.is_candidate(0, 12_600),
        "the last ejection ended 8 s ago, so this one should last 1 s again: does your code ever \
         reset the ejection time?"
    );
    simulation.fail(0, 3, 12_600);
    assert!(
        simulation.is_candidate(0, 14_600),
        "the ejection before was the first one again, so this one should last 2 s: does the reset \
         hold for the ejections after it too?"
    );
}

// Rule 5.
#[test]
fn ejection_time_is_remembered_for_the_maximum() {
    // How long after the end of an ejection of 1 s do the next failures come?
    for pause in [1_000, 2_000, 6_900, 7_999] {
        let mut simulation = Simulation::with_clones(4);
        simulation.fail(0, 3, 0);
        let now = 1_000 + pause;
        simulation.fail(0, 3, now);
        assert!(
            !simulation.is_candidate(0, now + 1_999),
            "the last ejection ended {pause} ms ago, so this one should last 2 s, not 1 s: how long \
             after an ejection do you remember it, and do you begin to count at its end?"
        );
    }
}

// Rule 6.
#[test]
fn at_least_half_stay() {
    for (clones, most) in [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2), (10, 5)] {
        let mut simulation = Simulation::with_clones(clones);
        for clone in 0..clones {
            simulation.fail(clone, 20, 0);
        }

        let candidates = simulation.candidates(0);
        let out = clones - candidates.len();
        assert!(
            out <= most,
            "{out} of {clones} clones are out after failed requests, which is more than half. Do \
             you count the clone that is about to leave?"
        );
        assert!(
            candidates.into_iter().eq(most..clones),
            "the requests of one clone after the other fail, so the first {most} of {clones} \
             should be out: does rule 6 keep too many clones?"
        );
    }
}

// Rules 1 and 6.
#[test]
fn spared_clone_is_ejected_later() {
    let mut simulation = Simulation::with_clones(4);
    (0..4).for_each(|clone| simulation.fail(clone, 12, 0));
    simulation.succeed(3, 0);
    // The ejections of clones 0 and 1 ended at 1 s. Clones 2 and 3 had to stay.
    simulation.succeed(0, 1_200);
    simulation.fail(3, 1, 1_200);
    assert_eq!(
        simulation.candidates(1_200),
        [0, 1, 2, 3],
        "clones 0 and 1 are back, clone 2 had no request since then, and clone 3 failed once after \
         a success: do you check rule 6 only at a clone's own failed request, and does a success \
         end the row of a clone that has to stay?"
    );
    simulation.fail(2, 1, 1_200);
    assert_eq!(
        simulation.candidates(1_200),
        [0, 1, 3],
        "clones 0 and 1 are back and clone 2 failed again, so it should be ejected: do ejections \
         that are over still count as out, and does a clone that has to stay keep its count?"
    );
    assert!(
        simulation.is_candidate(2, 2_200),
        "this is the first ejection of clone 2, so it should last 1 s: does the ejection time grow \
         while the clone has to stay?"
    );
}

// Rules 6 and 9.
#[test]
fn clones_that_are_down_count_as_out() {
    let mut simulation = Simulation::with_clones(4);
    simulation.set_down(0, true);
    assert_eq!(
        simulation.candidates(0),
        [1, 2, 3],
        "clone 0 is down, but it is a candidate: which clones does `candidates` leave out?"
    );
    simulation.fail(1, 3, 0);
    simulation.fail(2, 3, 0);
    assert_eq!(
        simulation.candidates(0),
        [2, 3],
        "clones 0 and 1 are out, so clone 2 must stay: which clones does rule 6 count?"
    );
}

// Rule 7.
#[test]
fn probes_change_no_ejection_and_no_count() {
    let mut simulation = Simulation::with_clones(4);
    for _ in 0..3 {
        simulation.set_down(0, false);
        simulation.fail(0, 1, 0);
    }
    assert!(
        !simulation.is_candidate(0, 0),
        "clone 0 passes its probes and failed 3 orders, so it should be ejected: do the probes \
         change the failure count?"
    );
    simulation.set_down(0, false);
    assert!(
        !simulation.is_candidate(0, 500),
        "clone 0 passes its probes and fails every order, and a probe ended its ejection: what may \
         `set_down` change?"
    );
}

// Rule 7.
#[test]
fn requests_bring_no_clone_up() {
    let mut simulation = Simulation::with_clones(4);
    simulation.set_down(0, true);
    simulation.succeed(0, 0);
    assert!(
        !simulation.is_candidate(0, 0),
        "clone 0 is down, and a successful request brought it up: may a request change what the \
         probes have said?"
    );
    simulation.fail(0, 3, 0);
    assert!(
        !simulation.is_candidate(0, 5_000),
        "clone 0 was ejected while it was down. The ejection is over, but the clone is still down: \
         does an ejection change what the probes have said?"
    );
}

// Rule 8.
#[test]
fn requests_to_a_down_clone_count() {
    let mut simulation = Simulation::with_clones(4);
    simulation.set_down(0, true);
    simulation.fail(0, 3, 0);
    simulation.set_down(0, false);
    assert!(
        !simulation.is_candidate(0, 999) && simulation.is_candidate(0, 1_000),
        "3 requests in a row failed while clone 0 was down, so it should be ejected for 1 s, also \
         after it is up: do failures of a clone that is down count?"
    );
    simulation.fail(1, 2, 0);
    simulation.set_down(1, true);
    simulation.succeed(1, 0);
    simulation.set_down(1, false);
    simulation.fail(1, 1, 0);
    assert!(
        simulation.is_candidate(1, 0),
        "3 requests failed, but not in a row: does a success of a clone that is down end the row?"
    );
}

// Rule 8.
#[test]
fn down_clone_may_be_ejected() {
    for down in [2, 4] {
        let mut simulation = Simulation::with_clones(4);
        (0..down).for_each(|clone| simulation.set_down(clone, true));
        simulation.fail(0, 3, 0);
        (0..down).for_each(|clone| simulation.set_down(clone, false));
        assert_eq!(
            simulation.candidates(0),
            [1, 2, 3],
            "{down} of 4 clones were down, and 3 requests in a row to one of them failed. All are \
             up now, but clone 0 should be ejected: do you count a clone twice that is out already?"
        );
    }
}

// Rule 9.
#[test]
fn no_clone_is_candidate_if_all_are_out() {
    let mut simulation = Simulation::with_clones(2);
    (0..2).for_each(|clone| simulation.set_down(clone, true));
    assert_eq!(
        simulation.candidates(0),
        [],
        "both clones are down: is it `candidates` that decides what happens then?"
    );
}
