//! The state machine of a clone's health, step by step. Time is a number here: nobody waits.

use super::*;

const POLICY: HealthPolicy = HealthPolicy {
    failures: 3,
    ejection: Duration::from_secs(1),
    longest: Duration::from_secs(8),
    slow_start: Duration::from_secs(10),
    fall: 2,
    rise: 3,
};

/// A clone on which things happen at given milliseconds.
struct Clone {
    health: Health,
    begin: Instant,
}

impl Clone {
    fn new() -> Self {
        Clone {
            health: Health::default(),
            begin: Instant::now(),
        }
    }

    fn at(&self, millis: u64) -> Instant {
        self.begin + Duration::from_millis(millis)
    }

    fn note(&mut self, millis: u64, outcome: Outcome) {
        let now = self.at(millis);
        self.health.note(outcome, false, true, &POLICY, now);
    }

    /// Lets one request through if the time has come, and notes what became of it.
    fn try_again(&mut self, millis: u64, outcome: Outcome) -> bool {
        let now = self.at(millis);
        let is_admitted = self.health.admits_trial(true, &POLICY, now);
        if is_admitted {
            self.health.note(outcome, true, true, &POLICY, now);
        }
        is_admitted
    }

    fn probe(&mut self, millis: u64, is_well: bool) -> bool {
        let now = self.at(millis);
        self.health.note_probe(is_well, true, &POLICY, now)
    }

    fn state(&self, millis: u64) -> State {
        self.health.state(&POLICY, self.at(millis))
    }
}

#[test]
fn failures_in_a_row_eject_and_an_answer_between_them_starts_the_count_anew() {
    let mut clone = Clone::new();
    for outcome in [
        Outcome::Failed,
        Outcome::Erred,
        Outcome::Answered,
        Outcome::Failed,
        Outcome::Failed,
    ] {
        clone.note(0, outcome);
        assert_eq!(clone.state(0), State::Up, "never three in a row");
    }
    clone.note(0, Outcome::Abandoned);
    assert_eq!(
        clone.state(0),
        State::Up,
        "a client that leaves is not the clone's failure"
    );

    clone.note(0, Outcome::Failed);
    assert_eq!(
        clone.state(0),
        State::Ejected,
        "two, and one that was not its fault, and a third"
    );
}

#[test]
fn a_refused_connection_ejects_at_once() {
    let mut clone = Clone::new();
    clone.note(0, Outcome::Refused);
    assert_eq!(
        clone.state(0),
        State::Ejected,
        "nobody is there, whom one could ask again"
    );
}

#[test]
fn each_ejection_lasts_twice_as_long_as_the_one_before_up_to_the_longest() {
    let mut clone = Clone::new();
    clone.note(0, Outcome::Refused);
    let mut now = 0;
    for wait in [1_000, 2_000, 4_000, 8_000, 8_000] {
        assert!(
            !clone.try_again(now + wait - 1, Outcome::Answered),
            "tried before its {wait} ms were over: is there a back-off?"
        );
        now += wait;
        assert!(
            clone.try_again(now, Outcome::Refused),
            "its {wait} ms are over"
        );
    }
    assert_eq!(
        clone.health.ejections, 1,
        "it has never come back, so it was ejected once"
    );
}

#[test]
fn after_a_long_peace_an_ejection_is_a_first_one_again() {
    let mut clone = Clone::new();
    clone.note(0, Outcome::Refused);
    assert!(clone.try_again(1_000, Outcome::Answered));
    clone.note(2_000, Outcome::Refused);
    assert!(
        !clone.try_again(3_999, Outcome::Answered),
        "it has been here before: two seconds"
    );
    assert!(clone.try_again(4_000, Outcome::Answered));

    clone.note(12_001, Outcome::Refused);
    assert!(
        clone.try_again(13_001, Outcome::Answered),
        "eight seconds of peace are forgotten and forgiven"
    );
    assert_eq!(clone.health.ejections, 3);
}

#[test]
fn an_ejected_clone_is_tried_by_one_request_at_a_time() {
    let mut clone = Clone::new();
    clone.note(0, Outcome::Refused);
    let later = clone.at(1_000);
    assert!(
        clone.health.admits_trial(true, &POLICY, later),
        "its second has passed, so one may try"
    );
    assert!(
        !clone.health.admits_trial(true, &POLICY, later),
        "and only one"
    );
    let much_later = clone.at(2_000);
    assert!(
        clone.health.admits_trial(true, &POLICY, much_later),
        "that one did not come back, so another may"
    );
}

#[test]
fn a_request_that_cannot_be_sent_twice_is_not_risked_on_a_clone_that_broke_off() {
    let mut broken = Clone::new();
    (0..3).for_each(|_| broken.note(0, Outcome::Failed));
    let at = |millis| broken.begin + Duration::from_millis(millis);
    assert!(
        !broken.health.admits_trial(false, &POLICY, at(1_000)),
        "somebody's order would be the guinea pig"
    );
    assert!(
        broken.health.admits_trial(false, &POLICY, at(9_000)),
        "if nothing else comes for so long, it has to be; else the clone would be out for ever"
    );

    let mut gone = Clone::new();
    gone.note(0, Outcome::Refused);
    let later = gone.at(1_000);
    assert!(
        gone.health.admits_trial(false, &POLICY, later),
        "what is refused is not sent, and goes to the next clone"
    );
}

#[test]
fn the_late_answer_to_an_older_request_does_not_bring_a_clone_back() {
    let mut clone = Clone::new();
    clone.note(0, Outcome::Refused);
    clone.note(10, Outcome::Answered);
    assert_eq!(clone.state(10), State::Ejected);
}

#[test]
fn a_clone_comes_back_slowly_and_begins_at_once_when_the_balancer_starts() {
    let mut clone = Clone::new();
    assert_eq!(
        (clone.state(0), clone.health.share(&POLICY, clone.at(0))),
        (State::Up, 1.0),
        "all are cold: none may wait"
    );
    clone.note(0, Outcome::Refused);
    assert!(clone.try_again(1_000, Outcome::Answered));

    for (millis, share) in [
        (1_000, 0.1),
        (2_000, 0.1),
        (6_000, 0.5),
        (10_000, 0.9),
        (11_000, 1.0),
        (99_000, 1.0),
    ] {
        let got = clone.health.share(&POLICY, clone.at(millis));
        assert!(
            (got - share).abs() < 1e-9,
            "{got} instead of {share} at {millis} ms"
        );
    }
    assert_eq!(
        (clone.state(10_999), clone.state(11_000)),
        (State::SlowStart, State::Up)
    );
}

#[test]
fn probes_need_two_to_fall_and_three_to_rise() {
    let mut clone = Clone::new();
    assert!(!clone.probe(0, false));
    assert!(!clone.probe(1, true));
    assert!(!clone.probe(2, false));
    assert_eq!(clone.state(2), State::Up, "never two in a row");
    assert!(
        clone.probe(3, false),
        "whoever waits for its answer has to hear of it"
    );
    assert_eq!(clone.state(3), State::Down);
    assert!(!clone.probe(4, false), "it is known already");

    for (millis, is_well) in [(5, true), (6, true), (7, false), (8, true), (9, true)] {
        clone.probe(millis, is_well);
        assert_eq!(clone.state(millis), State::Down, "never three in a row");
    }
    clone.probe(10, true);
    assert_eq!(clone.state(10), State::SlowStart);
}

#[test]
fn a_clone_is_out_while_either_witness_says_so() {
    let mut clone = Clone::new();
    (0..3).for_each(|_| clone.note(0, Outcome::Failed));
    clone.probe(0, false);
    clone.probe(1, false);
    assert!(
        !clone.try_again(1_000, Outcome::Answered),
        "its time is over, but its probes fail: why waste a request?"
    );
    for _ in 0..3 {
        clone.probe(1_001, true);
    }
    assert_eq!(
        clone.state(1_001),
        State::Ejected,
        "a clone that says it is well still has to answer a request"
    );
    assert!(clone.try_again(1_002, Outcome::Answered));
    assert!(!clone.health.is_out());
}

#[test]
fn a_good_probe_shows_that_somebody_is_there_again_but_not_that_requests_succeed() {
    let mut restarted = Clone::new();
    restarted.note(0, Outcome::Refused);
    restarted.probe(1, true);
    assert_eq!(
        restarted.state(1),
        State::SlowStart,
        "it refused, and it answers: why wait for its time to pass?"
    );

    let mut broken = Clone::new();
    (0..3).for_each(|_| broken.note(0, Outcome::Failed));
    (1..9).for_each(|millis| assert!(!broken.probe(millis, true)));
    assert_eq!(
        broken.state(9),
        State::Ejected,
        "its probes were good all the time, and its requests failed"
    );
}

#[test]
fn a_clone_that_has_to_stay_is_spared_and_goes_when_it_may() {
    let mut clone = Clone::new();
    let now = clone.at(0);
    clone
        .health
        .note(Outcome::Refused, false, false, &POLICY, now);
    assert_eq!(clone.state(0), State::Spared);
    assert!(!clone.health.is_out());
    clone.note(1, Outcome::Failed);
    assert_eq!(
        clone.state(1),
        State::Ejected,
        "another one has come back, so this one may go"
    );

    let mut probed = Clone::new();
    for _ in 0..5 {
        probed.health.note_probe(false, false, &POLICY, now);
    }
    assert_eq!(probed.state(0), State::Spared);
    assert!(probed.probe(1, false));
}
