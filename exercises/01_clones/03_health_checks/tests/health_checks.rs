// The tests of `health_checks`: what happened when, and who may be asked then. Time is a number here, and nobody waits.

use std::time::{Duration, Instant};

use health_checks::{Fleet, Policy};

const POLICY: Policy = Policy {
    fall: 3,
    rise: 2,
    failures: 3,
    ejection: Duration::from_secs(1),
    longest: Duration::from_secs(8),
};

/// Clones on which things happen at given milliseconds.
struct Lab {
    fleet: Fleet,
    begin: Instant,
}

impl Lab {
    fn of(clones: usize) -> Lab {
        Lab {
            fleet: Fleet::new(clones, POLICY),
            begin: Instant::now(),
        }
    }

    fn at(&self, millis: u64) -> Instant {
        self.begin + Duration::from_millis(millis)
    }

    fn probe(&mut self, clone: usize, results: &[bool]) {
        for is_well in results {
            self.fleet.note_probe(clone, *is_well);
        }
    }

    /// So many requests to this clone fail, one after the other.
    fn fail(&mut self, clone: usize, times: u32, millis: u64) {
        for _ in 0..times {
            self.fleet.note_request(clone, false, self.at(millis));
        }
    }

    fn answer(&mut self, clone: usize, millis: u64) {
        self.fleet.note_request(clone, true, self.at(millis));
    }

    fn asked(&self, millis: u64) -> Vec<usize> {
        self.fleet.candidates(self.at(millis))
    }

    fn is_asked(&self, clone: usize, millis: u64) -> bool {
        self.asked(millis).contains(&clone)
    }
}

const GOOD: bool = true;
const BAD: bool = false;

#[test]
fn probes_take_a_clone_down_after_some_in_a_row_and_up_again_after_some_in_a_row() {
    let mut lab = Lab::of(3);
    assert_eq!(lab.asked(0), [0, 1, 2], "in the beginning all are well");

    lab.probe(1, &[BAD]);
    assert!(
        lab.is_asked(1, 0),
        "one bad probe took a clone out: a packet that is lost now and then would empty the fleet"
    );
    lab.probe(1, &[BAD, GOOD, BAD, BAD]);
    assert!(
        lab.is_asked(1, 0),
        "four of five probes were bad, but never three in a row: does a good probe set the count back?"
    );

    lab.probe(1, &[BAD]);
    assert_eq!(
        lab.asked(0),
        [0, 2],
        "three bad probes in a row, and clone 1 is still asked"
    );

    lab.probe(1, &[GOOD, BAD, GOOD]);
    assert!(
        !lab.is_asked(1, 0),
        "clone 1 is back without two good probes in a row: does a bad probe set the count of the good ones back?"
    );
    lab.probe(1, &[GOOD]);
    assert_eq!(
        lab.asked(0),
        [0, 1, 2],
        "two good probes in a row, and clone 1 is not asked"
    );

    lab.probe(1, &[BAD, BAD]);
    assert!(
        lab.is_asked(1, 0),
        "it has come back, so it takes three bad ones again"
    );
}

#[test]
fn failed_requests_in_a_row_eject_and_an_answer_between_them_begins_the_count_anew() {
    let mut lab = Lab::of(4);
    lab.fail(0, 2, 0);
    lab.answer(0, 0);
    lab.fail(0, 2, 0);
    assert!(
        lab.is_asked(0, 0),
        "four of five requests failed, but never three in a row: does an answer set the count back?"
    );

    lab.fail(0, 1, 0);
    assert_eq!(
        lab.asked(0),
        [1, 2, 3],
        "three requests in a row failed, and clone 0 is still asked"
    );

    lab.fail(1, 2, 0);
    assert!(lab.is_asked(1, 0), "each clone has a count of its own");
}

#[test]
fn an_ejection_is_over_when_its_time_is_and_the_count_begins_at_zero() {
    let mut lab = Lab::of(4);
    lab.fail(0, 3, 0);
    assert!(!lab.is_asked(0, 999), "the first ejection lasts a second");
    assert!(
        lab.is_asked(0, 1_000),
        "its second is over, and nobody asks clone 0: who has to tell that it is over?"
    );

    lab.fail(0, 2, 1_000);
    assert!(
        lab.is_asked(0, 1_000),
        "two failures after its return took clone 0 out: do the three from before still count?"
    );
}

#[test]
fn what_was_under_way_when_a_clone_was_ejected_is_old_news() {
    let mut lab = Lab::of(4);
    lab.fail(0, 3, 0);

    // It had ten more requests at that moment, and they end now.
    lab.fail(0, 5, 100);
    lab.answer(0, 200);
    assert!(
        !lab.is_asked(0, 201),
        "an answer to a request from before brought clone 0 back: only time does that"
    );
    lab.fail(0, 4, 900);
    assert!(
        lab.is_asked(0, 1_000),
        "clone 0 failed requests that it had got before its ejection, and that prolonged it"
    );

    lab.fail(0, 3, 1_000);
    assert!(
        lab.is_asked(0, 3_000),
        "this is its second ejection, so it lasts 2 s: do failures during an ejection count as ejections?"
    );
}

#[test]
fn a_good_probe_does_not_end_an_ejection() {
    let mut lab = Lab::of(4);
    lab.fail(0, 3, 0);
    lab.probe(0, &[GOOD, GOOD, GOOD]);
    assert!(
        !lab.is_asked(0, 500),
        "clone 0 fails every order and says that it is well, and the probe was believed"
    );

    // Nor does the end of an ejection mean that the probes are good.
    lab.probe(0, &[BAD, BAD, BAD]);
    assert!(
        !lab.is_asked(0, 5_000),
        "its ejection is over, and it is down all the same"
    );
}

#[test]
fn each_ejection_lasts_twice_as_long_as_the_one_before_up_to_the_longest() {
    let mut lab = Lab::of(4);
    let mut now = 0;
    // So many, because 2 to the power of 40 is more than a `u32` holds.
    for wait in [1_000, 2_000, 4_000].into_iter().chain([8_000; 40]) {
        lab.fail(0, 3, now);
        assert!(
            !lab.is_asked(0, now + wait - 1),
            "clone 0 came back before its {wait} ms were over: does each ejection last twice as long as the one before?"
        );
        assert!(
            lab.is_asked(0, now + wait),
            "clone 0 is not back after {wait} ms: no ejection lasts longer than `longest`, which is 8 s"
        );
        now += wait;
    }
}

#[test]
fn after_a_long_peace_the_next_ejection_is_a_first_one_and_an_answer_is_no_peace() {
    let mut lab = Lab::of(4);
    lab.fail(0, 3, 0);
    lab.answer(0, 1_500);
    lab.fail(0, 3, 1_600);
    assert!(
        !lab.is_asked(0, 3_599),
        "clone 0 was back for 0.6 s, and its next ejection lasted 1 s: is one good answer enough to forget?"
    );

    // That one is over at 3.6 s; 8 s later it is forgotten.
    lab.fail(0, 3, 11_600);
    assert!(
        lab.is_asked(0, 12_600),
        "after 8 s of peace an ejection is a first one again, of 1 s: is anything ever forgotten?"
    );
}

#[test]
fn never_more_than_half_are_ejected() {
    for (clones, most) in [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2), (10, 5)] {
        let mut lab = Lab::of(clones);
        (0..clones).for_each(|clone| lab.fail(clone, 20, 0));

        let stay = lab.asked(0);
        // With everybody ejected the fleet fails open, which looks as if nobody were.
        assert!(
            most == 0 || stay.len() < clones,
            "all {clones} clones fail, and all of them are asked. Were all ejected, so that nobody was left?"
        );
        assert!(
            stay.len() >= clones - most,
            "{} of {clones} clones are ejected, which is more than half. Is the one that is about to go among those that are counted?",
            clones - stay.len()
        );
        let expected: Vec<usize> = (most..clones).collect();
        assert_eq!(
            stay, expected,
            "they fail one after the other, so the first {most} go"
        );
    }
}

#[test]
fn those_that_are_down_are_out_too() {
    let mut lab = Lab::of(4);
    for clone in [0, 1] {
        lab.probe(clone, &[BAD, BAD, BAD]);
    }
    lab.fail(2, 3, 0);
    assert_eq!(
        lab.asked(0),
        [2, 3],
        "two of four are down, so nobody may be ejected: a clone that is down is out as well"
    );

    // Probes may take any number: where nobody is, nobody answers.
    lab.probe(2, &[BAD, BAD, BAD]);
    assert_eq!(
        lab.asked(0),
        [3],
        "three of four are down, and the rule of the half is for ejections"
    );
}

#[test]
fn who_had_to_stay_goes_when_there_is_room() {
    let mut lab = Lab::of(4);
    for clone in [0, 1, 2] {
        lab.fail(clone, 3, 0);
    }
    assert_eq!(lab.asked(0), [2, 3], "two are out, so clone 2 has to stay");

    // Clones 0 and 1 are back since 1 s.
    lab.fail(2, 1, 1_200);
    assert_eq!(
        lab.asked(1_200),
        [0, 1, 3],
        "clones 0 and 1 are back, so there is room, and clone 2 fails on: do ejections that are over still count as out?"
    );
}

#[test]
fn when_all_look_sick_all_are_asked() {
    let mut lab = Lab::of(3);
    for clone in 0..3 {
        lab.probe(clone, &[BAD, BAD, BAD]);
    }
    assert_eq!(
        lab.asked(0),
        [0, 1, 2],
        "all probes fail, and nobody is asked any more: the shop is closed by its own health check"
    );
    lab.probe(1, &[GOOD, GOOD]);
    assert_eq!(
        lab.asked(0),
        [1],
        "clone 1 is well, so the others need not be asked"
    );

    // One ejected and one down are all as well.
    let mut lab = Lab::of(2);
    lab.fail(0, 3, 0);
    assert_eq!(lab.asked(0), [1]);
    lab.probe(1, &[BAD, BAD, BAD]);
    assert_eq!(
        lab.asked(0),
        [0, 1],
        "one is ejected, the other is down, and nobody is asked"
    );
    assert_eq!(lab.asked(1_000), [0], "and the ejection is over");
}
