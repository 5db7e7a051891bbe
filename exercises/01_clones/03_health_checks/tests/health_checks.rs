// The tests of `health_checks`: which probes fail, and which clones are candidates afterwards.

use health_checks::{HealthPolicy, HealthTracker};

const POLICY: HealthPolicy = HealthPolicy { fall: 3, rise: 2 };

const GOOD: bool = true;
const BAD: bool = false;

/// A tracker with short names for its events.
struct Simulation(HealthTracker);

impl Simulation {
    fn with_clones(clones: usize) -> Simulation {
        Simulation(HealthTracker::new(clones, POLICY))
    }

    /// Records these results of probes, one after the other.
    fn probe(&mut self, clone: usize, results: &[bool]) {
        for is_success in results {
            self.0.record_probe(clone, *is_success);
        }
    }

    fn candidates(&self) -> Vec<usize> {
        self.0.candidates()
    }

    fn is_candidate(&self, clone: usize) -> bool {
        self.candidates().contains(&clone)
    }
}

// Rules 1 and 6.
#[test]
fn failed_probes_in_a_row_take_down() {
    let mut simulation = Simulation::with_clones(3);
    assert_eq!(
        simulation.candidates(),
        [0, 1, 2],
        "at the beginning all clones are healthy: which clones does `candidates` leave out?"
    );

    simulation.probe(1, &[BAD]);
    assert!(
        simulation.is_candidate(1),
        "one failed probe took clone 1 down, but it takes 3 in a row: may one lost packet remove a \
         clone?"
    );
    simulation.probe(1, &[BAD]);
    assert!(
        simulation.is_candidate(1),
        "2 failed probes took clone 1 down, but `fall` is 3 and `rise` is 2: do you use `rise` \
         where you need `fall`?"
    );
    simulation.probe(1, &[GOOD, BAD, BAD]);
    assert!(
        simulation.is_candidate(1),
        "4 of 5 probes failed, but never 3 in a row: does a successful probe end the row?"
    );

    simulation.probe(1, &[BAD]);
    assert_eq!(
        simulation.candidates(),
        [0, 2],
        "3 probes in a row failed, so clone 1 should be down, but it is still a candidate: do you \
         compare the count after you have added this probe?"
    );
}

// Rule 1.
#[test]
fn each_clone_has_its_own_count() {
    let mut simulation = Simulation::with_clones(4);
    for clone in [0, 1, 2, 3] {
        simulation.probe(clone, &[BAD, BAD]);
    }
    assert_eq!(
        simulation.candidates(),
        [0, 1, 2, 3],
        "2 probes of each clone failed, so no clone should be down: does each clone have its own \
         count?"
    );
    simulation.probe(3, &[BAD]);
    assert_eq!(
        simulation.candidates(),
        [0, 1, 2],
        "3 probes in a row of clone 3 failed, with probes of other clones before them, so only \
         clone 3 should be down: does each clone have its own count?"
    );
}

// Rule 2.
#[test]
fn successful_probes_in_a_row_bring_up() {
    let mut simulation = Simulation::with_clones(3);
    simulation.probe(1, &[BAD, BAD, BAD]);

    simulation.probe(1, &[GOOD]);
    assert!(
        !simulation.is_candidate(1),
        "clone 1 came up after one successful probe, but it takes 2 in a row: do you use `rise`?"
    );
    simulation.probe(1, &[BAD, GOOD]);
    assert!(
        !simulation.is_candidate(1),
        "clone 1 is up again without 2 successful probes in a row: does a failed probe end the row \
         of successful ones?"
    );
    simulation.probe(1, &[GOOD]);
    assert_eq!(
        simulation.candidates(),
        [0, 1, 2],
        "2 probes in a row succeeded, so clone 1 should be up again: how does a clone come back?"
    );

    simulation.probe(1, &[BAD, BAD]);
    assert!(
        simulation.is_candidate(1),
        "clone 1 came up, and then 2 probes failed, but it takes 3 to take it down: do probes from \
         before still count?"
    );
}

// Rule 2.
#[test]
fn clone_may_always_come_up() {
    let mut simulation = Simulation::with_clones(4);
    for clone in [0, 1] {
        simulation.probe(clone, &[BAD, BAD, BAD]);
    }
    simulation.probe(0, &[GOOD, GOOD]);
    assert_eq!(
        simulation.candidates(),
        [0, 2, 3],
        "2 of 4 clones were down, and 2 probes in a row of clone 0 succeeded: do you check rule 3 \
         before a clone comes up?"
    );
}

// Rule 3.
#[test]
fn at_least_half_stay() {
    for (clones, most) in [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2), (10, 5)] {
        let mut simulation = Simulation::with_clones(clones);
        for clone in 0..clones {
            simulation.probe(clone, &[BAD; 20]);
        }

        let candidates = simulation.candidates();
        let out = clones - candidates.len();
        assert!(
            out <= most,
            "{out} of {clones} clones are out after failed probes, which is more than half. Do you \
             count the clone that is about to leave?"
        );
        let expected: Vec<usize> = (most..clones).collect();
        assert_eq!(
            candidates, expected,
            "the probes of one clone after the other fail, so the first {most} should be out: does \
             rule 3 keep too many clones?"
        );
    }
}

// Rules 3 and 6.
#[test]
fn ejected_clones_count_as_out() {
    let mut simulation = Simulation::with_clones(4);
    simulation.0.set_ejected(0, true);
    assert_eq!(
        simulation.candidates(),
        [1, 2, 3],
        "clone 0 is ejected, but it is a candidate: does `candidates` leave out clones that are \
         ejected?"
    );
    simulation.probe(1, &[BAD, BAD, BAD]);
    simulation.probe(2, &[BAD, BAD, BAD]);
    assert_eq!(
        simulation.candidates(),
        [2, 3],
        "clone 0 is ejected and clone 1 is down, so clone 2 must stay, because an ejected clone is \
         out too: which clones does rule 3 count?"
    );
}

// Rule 3.
#[test]
fn ejected_clone_may_go_down() {
    let mut simulation = Simulation::with_clones(4);
    for clone in [0, 1] {
        simulation.0.set_ejected(clone, true);
    }
    simulation.probe(0, &[BAD, BAD, BAD]);
    for clone in [0, 1] {
        simulation.0.set_ejected(clone, false);
    }
    assert_eq!(
        simulation.candidates(),
        [1, 2, 3],
        "2 of 4 clones were ejected, and the probes of clone 0 failed. Its ejection is over, so \
         it should be down: do you count a clone twice that is out already?"
    );
}

// Rule 4.
#[test]
fn spared_clone_goes_down_later() {
    let mut simulation = Simulation::with_clones(4);
    for clone in [0, 1, 3] {
        simulation.probe(clone, &[BAD, BAD, BAD, BAD]);
    }
    assert_eq!(
        simulation.candidates(),
        [2, 3],
        "2 of 4 clones are down, so clone 3 must stay: does rule 3 count all clones?"
    );

    simulation.probe(0, &[GOOD, GOOD]);
    assert_eq!(
        simulation.candidates(),
        [0, 2, 3],
        "clone 0 came up, and clone 3 went down without a failed probe of its own: do you change \
         only the clone whose probe you record?"
    );
    simulation.probe(3, &[BAD]);
    assert_eq!(
        simulation.candidates(),
        [0, 2],
        "clone 0 is up and another probe of clone 3 failed, so clone 3 should be down: does a \
         clone that has to stay keep its count?"
    );
}

// Rules 1 and 4.
#[test]
fn successful_probe_ends_the_row_of_spared_clone() {
    let mut simulation = Simulation::with_clones(2);
    simulation.probe(0, &[BAD, BAD, BAD]);
    simulation.probe(1, &[BAD, BAD, BAD, BAD, GOOD]);
    simulation.probe(0, &[GOOD, GOOD]);
    simulation.probe(1, &[BAD, BAD]);
    assert_eq!(
        simulation.candidates(),
        [0, 1],
        "clone 1 had to stay, then a probe succeeded and 2 failed, but it takes 3 in a row: does a \
         successful probe end the row of a clone that has to stay?"
    );
}

// Rule 5.
#[test]
fn probes_and_ejections_are_independent() {
    let mut simulation = Simulation::with_clones(4);
    simulation.0.set_ejected(0, true);
    simulation.probe(0, &[GOOD, GOOD, GOOD]);
    assert!(
        !simulation.is_candidate(0),
        "clone 0 fails every order and passes its probes, and a probe ended its ejection: what may \
         `record_probe` change?"
    );

    simulation.probe(0, &[BAD, BAD, BAD]);
    simulation.0.set_ejected(0, false);
    assert!(
        !simulation.is_candidate(0),
        "the ejection of clone 0 is over, but 3 of its probes in a row failed, so it should be \
         down: do the probes of an ejected clone count?"
    );

    simulation.probe(1, &[BAD, BAD]);
    simulation.0.set_ejected(1, true);
    simulation.probe(1, &[BAD]);
    simulation.0.set_ejected(1, false);
    assert_eq!(
        simulation.candidates(),
        [2, 3],
        "3 probes in a row of clone 1 failed, and it was ejected before the third, so it should be \
         down: does an ejection change what the probes have said?"
    );
}
