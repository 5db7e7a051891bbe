//! Rules 3, 4 and 7: the token in the session, which other clones use too.

use super::support::{Cluster, Store, shown};
use super::{Lsn, Server};

// Rule 3.
#[test]
fn token_of_another_clone_stays() {
    for number in 1..=6 {
        let cluster = Cluster::new([120]);
        cluster.set(|state| state.primary = Some(300));
        let session = Store::with_token(100);
        session.0.borrow_mut().other = Some((number, Lsn(300)));

        cluster.reader().read(&session).ok();
        session.finish_other();

        assert_eq!(
            session.stored(),
            Some(Lsn(300)),
            "just before command {number} of your read, another clone stored Ada's token 300, and \
             it is lost. Your read was at 120. Did an older token replace a newer one?"
        );
    }
}

// Rule 3.
#[test]
fn own_token_is_stored_after_a_conflict() {
    for number in 1..=6 {
        let cluster = Cluster::new([120]);
        let session = Store::with_token(100);
        session.0.borrow_mut().other = Some((number, Lsn(110)));

        cluster.reader().read(&session).ok();
        session.finish_other();

        assert_eq!(
            session.stored(),
            Some(Lsn(120)),
            "Ada has seen 120. Just before command {number} of your read, another clone stored 110, \
             and your 120 is not stored. What do you do if your command changed nothing?"
        );
    }
}

// Rule 3.
#[test]
fn reached_token_stays() {
    let cluster = Cluster::new([150, 90]);
    let session = Store::with_token(100);

    cluster.reader().read(&session).ok();
    let token = session.stored();

    assert!(
        token >= Some(Lsn(100)),
        "the token was 100, and after a read it is {token:?}. The other replica is still at 90. \
         Does a token end when a replica has reached it?"
    );
}

// Rule 4.
#[test]
fn positions_are_compared_as_numbers() {
    for (token, replica) in [
        (0xff, 0x100),
        (0xffff_ffff, 1 << 32),
        (0x9_0000_0000, 0x10_0000_0000),
    ] {
        let (old, new) = (Lsn(token), Lsn(replica));
        let cluster = Cluster::new([replica]);
        cluster.set(|state| state.primary = Some(replica));
        let session = Store::with_token(token);
        cluster.reader().read(&session).ok();
        assert_eq!(
            cluster.reads(),
            [Server::Replica(0)],
            "the token is {old}, and the replica is at {new}, which is newer, but it may not \
             answer. Do you compare text? And what does the number in front of the slash mean?"
        );
        assert_eq!(
            session.stored(),
            Some(new),
            "the token was {old}, and Ada has seen {new}, which is newer. Do you compare text when \
             you store?"
        );

        let cluster = Cluster::new([token]);
        cluster.set(|state| state.primary = Some(replica));
        cluster.reader().read(&Store::with_token(replica)).ok();
        assert_eq!(
            cluster.reads(),
            [Server::Primary],
            "the token is {new}, and the replica is at {old}, which is older, but it has answered. \
             Do you compare text? And what does the number in front of the slash mean?"
        );
    }
}

// Rule 7.
#[test]
fn another_clone_continues_with_the_token() {
    let cluster = Cluster::new([200, 120]);
    let (first, second) = (cluster.reader(), cluster.reader());
    let session = Store::with_token(100);
    cluster.set(|state| state.replicas[1] = Some(90));
    let before = shown(first.read(&session));
    cluster.set(|state| state.replicas = vec![None, Some(120)]);

    let after = shown(second.read(&session));

    assert!(
        after >= before,
        "one clone showed Ada {before}, and then another clone showed her {after}. Where is her \
         token?"
    );
}

// Rule 7.
#[test]
fn users_have_tokens_of_their_own() {
    let cluster = Cluster::new([50]);
    let reader = cluster.reader();
    reader.read(&Store::with_token(100)).ok();
    cluster.reads();

    reader.read(&Store::default()).ok();

    assert_eq!(
        cluster.reads(),
        [Server::Replica(0)],
        "Ada's token is newer than the replica, but Bob has no token, so the replica may answer \
         him. Does Ada's token count for Bob?"
    );
}
