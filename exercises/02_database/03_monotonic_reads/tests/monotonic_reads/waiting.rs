//! Rules 5 and 6: servers that are late, silent or gone.

use std::time::Duration;

use super::support::{Cluster, SILENCE, Store, shown};
use super::{Lsn, MAX_WAIT, Server, Unavailable};

// Rule 5.
#[test]
fn read_waits_for_a_replica() {
    for replica in [0, 1] {
        let cluster = Cluster::new([50, 60]);
        let at = Duration::from_millis(30);
        cluster.set(|state| state.catches_up = Some((at, replica, 100)));

        let shown = shown(cluster.reader().read(&Store::with_token(100)));

        assert_eq!(
            (cluster.reads(), shown),
            (vec![Server::Replica(replica)], 100),
            "replica {replica} reaches the token after 30 ms, and a read may wait for {MAX_WAIT:?}, \
             but another server answered: does a read wait for a replica, and do you ask all of \
             them again?"
        );
    }
}

// Rule 5.
#[test]
fn waiting_ends_at_the_deadline() {
    // A round of questions takes 20 ms, because the second replica is silent.
    let cluster = Cluster::new([50, 0]);
    cluster.set(|state| state.replicas[1] = None);

    let shown = shown(cluster.reader().read(&Store::with_token(100)));

    let reads = cluster.set(|state| state.reads.clone());
    let [(Server::Primary, waited)] = reads[..] else {
        panic!("no replica reaches the token 100, so only the primary answers, but {reads:?} did");
    };
    assert_eq!(shown, 1000, "the primary is at 1000");
    assert!(
        waited >= MAX_WAIT,
        "the primary answered after {waited:?}, but a read waits for {MAX_WAIT:?}: does a read \
         wait for a replica?"
    );
    assert!(
        waited < 2 * MAX_WAIT,
        "the primary answered after {waited:?}, but a read waits for {MAX_WAIT:?}. A question to \
         the silent replica takes {SILENCE:?}. Do you count rounds instead of looking at the clock?"
    );
}

// Rule 6.
#[test]
fn silent_replica_is_passed_over() {
    for silent in [0, 1] {
        for session in [Store::default(), Store::with_token(100)] {
            let cluster = Cluster::new([150, 150]);
            cluster.set(|state| state.replicas[silent] = None);

            let answer = cluster.reader().read(&session);

            assert_eq!(
                (answer.is_ok(), cluster.reads()),
                (true, vec![Server::Replica(1 - silent)]),
                "replica {silent} is silent, and the other one may answer. Does one silent replica \
                 end the read?"
            );
        }
    }
}

// Rule 6.
#[test]
fn answer_needs_a_position() {
    for dying in [0, 1] {
        let cluster = Cluster::new([150, 150]);
        cluster.set(|state| {
            state.dies_after_read = Some(Server::Replica(dying));
            // Otherwise a reader might never ask the server that dies.
            state.replicas[1 - dying] = Some(90);
            state.replays_in_read = 20;
        });
        let session = Store::with_token(100);

        let shown = shown(cluster.reader().read(&session));

        assert!(
            session.stored() >= Some(Lsn(shown)),
            "a replica answered with {shown} and died before it told its position, and the answer \
             was used with the token {:?}. An answer without a position: how new is it?",
            session.stored()
        );
    }
}

// Rule 6.
#[test]
fn error_is_better_than_an_old_answer() {
    let cluster = Cluster::new([50, 99]);
    cluster.set(|state| state.primary = None);
    let session = Store::with_token(100);

    let answer = cluster.reader().read(&session);

    assert_eq!(
        answer,
        Err(Unavailable),
        "the token is 100, the replicas are at 50 and 99, and the primary is silent. Is an old \
         answer better than an error?"
    );
    assert_eq!(
        session.stored(),
        Some(Lsn(100)),
        "a read that failed shows nothing, so it changes no token"
    );
}
