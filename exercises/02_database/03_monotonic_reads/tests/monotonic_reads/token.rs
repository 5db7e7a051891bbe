//! Rules 1 and 2: the token decides who may answer, and the answer moves the token.

use super::support::{Cluster, Store, shown};
use super::{Lsn, Server};

// Rule 1.
#[test]
fn server_behind_the_token_does_not_answer() {
    for replicas in [[99, 150], [150, 99], [0, 99]] {
        let cluster = Cluster::new(replicas);

        let shown = shown(cluster.reader().read(&Store::with_token(100)));

        assert!(
            shown >= 100,
            "Ada has seen 100, the replicas are at {replicas:?}, and her next answer shows {shown}: \
             is the position compared with the token?"
        );
    }
}

// Rule 1.
#[test]
fn replica_exactly_at_the_token_answers() {
    let cluster = Cluster::new([99, 100]);

    cluster.reader().read(&Store::with_token(100)).ok();

    assert_eq!(
        cluster.reads(),
        [Server::Replica(1)],
        "the token is 100, and the second replica has reached 100: what does your comparison say \
         if both are equal? Or does the primary answer first: what are the replicas for?"
    );
}

// Rule 1.
#[test]
fn first_read_goes_to_a_replica() {
    let cluster = Cluster::new([50, 70]);

    let answer = cluster.reader().read(&Store::default());

    assert!(answer.is_ok(), "both replicas answer: {answer:?}");
    assert!(
        matches!(cluster.reads()[..], [Server::Replica(_)]),
        "a user without a token may read from any replica, but the primary answered. Does a \
         missing token mean the primary?"
    );
}

// Rules 1 and 2. The replica that has answered dies, and the other one is behind it.
#[test]
fn answers_never_go_back_in_time() {
    let cluster = Cluster::new([300, 200]);
    let (reader, session) = (cluster.reader(), Store::default());
    let mut newest = 0;
    for step in 0..12_u64 {
        let behind = usize::from(step % 2 == 0);
        cluster.set(|state| {
            state.replicas[behind] = Some(200 + 10 * step);
            state.replicas[1 - behind] = (step % 3 != 0).then_some(300 + 10 * step);
            state.questions = 0;
        });

        let shown = shown(reader.read(&session));

        assert!(
            shown >= newest,
            "read {step} shows {shown}, and a read before it has shown {newest}: is the position \
             compared with the token?"
        );
        newest = shown;
    }
}

// Rule 2.
#[test]
fn token_is_the_position_after_the_read() {
    let cluster = Cluster::new([100, 50]);
    cluster.set(|state| state.replays_in_read = 20);
    let (reader, session) = (cluster.reader(), Store::with_token(80));

    let shown = shown(reader.read(&session));

    assert_eq!(shown, 120, "only the first replica has reached the token");
    assert_ne!(
        session.stored(),
        Some(Lsn(80)),
        "Ada has seen 120, but her token is still 80: who stores the token, and does a second read \
         raise it?"
    );
    assert_ne!(
        session.stored(),
        Some(Lsn(1000)),
        "the replica was at 120, but the token is 1000, which no replica has reached. Whose \
         position is it?"
    );
    assert_eq!(
        session.stored(),
        Some(Lsn(120)),
        "the replica was at 100 before the read, and replayed up to 120 while it read. Ada has seen \
         120, so a replica at 110 may not answer her. Which moment does the position belong to?"
    );
}

// Rule 2.
#[test]
fn first_read_stores_a_token() {
    let cluster = Cluster::new([100]);
    let session = Store::default();

    cluster.reader().read(&session).ok();

    assert_eq!(
        session.stored(),
        Some(Lsn(100)),
        "Ada's first answer came from a replica at 100, so her token must be 100: who stores the \
         token?"
    );
}

// Rule 2.
#[test]
fn read_from_the_primary_stores_its_position() {
    let cluster = Cluster::new([50]);
    let session = Store::with_token(100);

    cluster.reader().read(&session).ok();

    assert_eq!(cluster.reads(), [Server::Primary], "no replica is fresh");
    assert_eq!(
        session.stored(),
        Some(Lsn(1000)),
        "the primary, at 1000, has answered Ada. A replica at 500 would be older than that answer: \
         has the primary no position?"
    );
}
