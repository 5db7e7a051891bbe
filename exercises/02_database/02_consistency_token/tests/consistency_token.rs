// The tests of `consistency_token`. Their token store can let another clone write before any of
// your commands, so each race happens in every run.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use consistency_token::{Lsn, Router, Server, Tokens};

/// A token store that several routers share.
#[derive(Clone, Default)]
struct SharedTokens(Arc<Mutex<Store>>);

#[derive(Default)]
struct Store {
    tokens: HashMap<String, Lsn>,
    /// How many commands the routers sent since `write_before_command`.
    commands: usize,
    /// Before which command another clone writes, and what.
    other_write: Option<(usize, String, Lsn)>,
}

impl SharedTokens {
    fn router(&self) -> Router<SharedTokens> {
        Router::new(self.clone())
    }

    /// Another clone records a write of this user before the next command number `number`.
    fn write_before_command(&self, number: usize, user: &str, lsn: Lsn) {
        let mut store = self.0.lock().unwrap();
        store.commands = 0;
        store.other_write = Some((number, user.to_owned(), lsn));
    }

    /// Lets the other clone write now, if it has not done so.
    fn finish_other_write(&self) {
        let mut store = self.0.lock().unwrap();
        if let Some((_, user, lsn)) = store.other_write.take() {
            store.raise(&user, lsn);
        }
    }

    fn command<R>(&self, run: impl FnOnce(&mut Store) -> R) -> R {
        let mut store = self.0.lock().unwrap();
        store.commands += 1;
        let commands = store.commands;
        if let Some((_, user, lsn)) = store.other_write.take_if(|write| write.0 == commands) {
            store.raise(&user, lsn);
        }
        run(&mut store)
    }

    fn stored(&self, user: &str) -> Option<Lsn> {
        self.0.lock().unwrap().tokens.get(user).copied()
    }
}

impl Store {
    fn raise(&mut self, user: &str, lsn: Lsn) {
        let token = self.tokens.entry(user.to_owned()).or_insert(lsn);
        *token = lsn.max(*token);
    }
}

impl Tokens for SharedTokens {
    fn get(&self, user: &str) -> Option<Lsn> {
        self.command(|store| store.tokens.get(user).copied())
    }

    fn set(&self, user: &str, token: Lsn) {
        self.command(|store| store.tokens.insert(user.to_owned(), token));
    }

    fn set_if_newer(&self, user: &str, token: Lsn) {
        self.command(|store| store.raise(user, token));
    }

    fn delete(&self, user: &str) {
        self.command(|store| store.tokens.remove(user));
    }

    fn delete_if_equal(&self, user: &str, token: Lsn) {
        self.command(|store| {
            if store.tokens.get(user) == Some(&token) {
                store.tokens.remove(user);
            }
        });
    }
}

/// The positions of replicas that all answer.
fn at<const N: usize>(positions: [u64; N]) -> [Option<Lsn>; N] {
    positions.map(|position| Some(Lsn(position)))
}

// Rule 1.
#[test]
fn token_is_the_newest_write() {
    let tokens = SharedTokens::default();
    let (here, there) = (tokens.router(), tokens.router());

    here.record_write("ada", Lsn(100));
    assert_eq!(
        tokens.stored("ada"),
        Some(Lsn(100)),
        "Ada wrote at 100: is this her token now?"
    );
    here.record_write("ada", Lsn(300));
    assert_eq!(
        tokens.stored("ada"),
        Some(Lsn(300)),
        "Ada wrote again, at 300, so her token must be 300: does a second write store its token?"
    );
    there.record_write("ada", Lsn(200));
    assert_eq!(
        tokens.stored("ada"),
        Some(Lsn(300)),
        "a slow clone recorded Ada's older write, at 200, after the newer one: did an older token \
         replace a newer one?"
    );
}

// Rule 1.
#[test]
fn concurrent_writes_keep_the_newest_token() {
    for number in 1..=4 {
        let tokens = SharedTokens::default();
        tokens.router().record_write("ada", Lsn(100));
        tokens.write_before_command(number, "ada", Lsn(300));

        tokens.router().record_write("ada", Lsn(200));
        tokens.finish_other_write();

        assert_eq!(
            tokens.stored("ada"),
            Some(Lsn(300)),
            "two clones record writes of Ada, at 200 and 300. The second one comes just before \
             command {number} of `record_write`, and its token is lost. Do you read the token and \
             then write it, in two commands?"
        );
    }
}

// Rule 2.
#[test]
fn replica_behind_the_token_is_not_chosen() {
    let tokens = SharedTokens::default();
    let router = tokens.router();
    router.record_write("ada", Lsn(100));

    for (replayed, index) in [(at([99, 101]), 1), (at([101, 99]), 0), (at([0, 500]), 1)] {
        assert_eq!(
            router.choose("ada", &replayed),
            Server::Replica(index),
            "Ada's token is 100, and the replicas have replayed {replayed:?}: only replica {index} \
             has her write. Is the position compared with the token?"
        );
    }
    assert_eq!(
        router.choose("ada", &at([99, 98])),
        Server::Primary,
        "Ada's token is 100, and no replica has replayed it, so only the primary has her write. \
         Did a replica get this read?"
    );
}

// Rule 2.
#[test]
fn replica_exactly_at_the_token_is_chosen() {
    let tokens = SharedTokens::default();
    let router = tokens.router();
    router.record_write("ada", Lsn(100));

    assert_eq!(
        router.choose("ada", &at([99, 100])),
        Server::Replica(1),
        "the second replica has replayed 100, which is Ada's token, so it has her write. What does \
         your comparison say if both are equal?"
    );
}

// Rule 2.
#[test]
fn one_fresh_replica_relieves_the_primary() {
    let tokens = SharedTokens::default();
    let router = tokens.router();
    router.record_write("ada", Lsn(100));

    let server = router.choose("ada", &at([0, 0, 150]));

    assert_eq!(
        server,
        Server::Replica(2),
        "the third replica has replayed Ada's token, but the read went elsewhere. Must every \
         replica be fresh before one may answer?"
    );
}

// Rule 3.
#[test]
fn user_without_token_reads_from_a_replica() {
    let tokens = SharedTokens::default();
    let router = tokens.router();
    router.record_write("ada", Lsn(100));

    let server = router.choose("bob", &at([0, 0]));

    assert!(
        matches!(server, Server::Replica(_)),
        "Bob has written nothing, so every replica is fresh enough for him, but he reads from \
         {server:?}. Does Ada's token count for Bob? Does a missing token mean the primary?"
    );
    assert_eq!(
        tokens.stored("ada"),
        Some(Lsn(100)),
        "Bob's read changed Ada's token. Under whose name do you remove it?"
    );
}

// Rule 4. GitLab removed it too early once: users saw "not found" after they had created a project.
#[test]
fn token_stays_until_every_replica_has_it() {
    let tokens = SharedTokens::default();
    let router = tokens.router();
    router.record_write("ada", Lsn(100));

    router.choose("ada", &at([150, 50]));

    assert_eq!(
        tokens.stored("ada"),
        Some(Lsn(100)),
        "one replica has replayed Ada's token and the other one has not, but the token was \
         removed. Her next read may go to the other replica: how many replicas must have it?"
    );
    assert_eq!(
        router.choose("ada", &at([99, 50])),
        Server::Primary,
        "no replica has replayed Ada's token, but a replica got the read: is the token lost?"
    );
}

// Rule 4.
#[test]
fn token_is_removed_when_all_have_it() {
    let tokens = SharedTokens::default();
    let router = tokens.router();
    router.record_write("ada", Lsn(100));

    let server = router.choose("ada", &at([100, 150]));

    assert!(
        matches!(server, Server::Replica(_)),
        "both replicas have replayed Ada's token, but she reads from {server:?}"
    );
    assert_eq!(
        tokens.stored("ada"),
        None,
        "both replicas have replayed Ada's token, so nobody needs it, but it is still stored. Who \
         removes the tokens?"
    );
    let server = router.choose("ada", &at([100, 100]));
    assert!(
        matches!(server, Server::Replica(_)),
        "Ada has no token any more, so she reads from any replica, and not from {server:?}"
    );
}

// Rule 5. GitLab had this bug, too: the second of two quick writes was not protected.
#[test]
fn newer_token_of_another_clone_stays() {
    for number in 1..=5 {
        let tokens = SharedTokens::default();
        let router = tokens.router();
        router.record_write("ada", Lsn(100));
        tokens.write_before_command(number, "ada", Lsn(200));

        router.choose("ada", &at([150, 150]));
        tokens.finish_other_write();

        assert_eq!(
            tokens.stored("ada"),
            Some(Lsn(200)),
            "all replicas have replayed 150, so the token 100 may go. But just before command \
             {number} of `choose`, another clone stored Ada's token 200, and it is lost. Which \
             token does your command remove?"
        );
        assert_eq!(
            router.choose("ada", &at([150, 150])),
            Server::Primary,
            "Ada wrote at 200, and the replicas have replayed only 150"
        );
    }
}

// Rule 6.
#[test]
fn silent_replica_counts_as_behind() {
    let tokens = SharedTokens::default();
    let router = tokens.router();
    router.record_write("ada", Lsn(100));

    assert_eq!(
        router.choose("ada", &[None, Some(Lsn(150))]),
        Server::Replica(1),
        "only the second replica answers, and it has replayed Ada's token. Did you count only the \
         replicas that answer?"
    );
    assert_eq!(
        tokens.stored("ada"),
        Some(Lsn(100)),
        "one replica does not answer, so you cannot know whether it has replayed Ada's token, but \
         the token was removed. Does a silent replica count as one that has it?"
    );
    for replayed in [&[None, Some(Lsn(99))][..], &[None, None]] {
        assert_eq!(
            router.choose("ada", replayed),
            Server::Primary,
            "Ada's token is 100, and the replicas say {replayed:?}, so only the primary is left"
        );
    }
}

// Rule 6.
#[test]
fn silent_replica_gets_no_reads() {
    let router = SharedTokens::default().router();

    assert_eq!(
        router.choose("bob", &[None, Some(Lsn(0))]),
        Server::Replica(1),
        "Bob has no token, so any replica may answer, but the first one is silent: is a user \
         without a token sent to a replica that does not answer?"
    );
    assert_eq!(
        router.choose("bob", &[None, None]),
        Server::Primary,
        "no replica answers: is a user without a token sent to a replica that does not answer?"
    );
}

// Rule 7.
#[test]
fn all_clones_know_the_token() {
    let tokens = SharedTokens::default();
    let (first, second) = (tokens.router(), tokens.router());

    first.record_write("ada", Lsn(100));
    assert_eq!(
        second.choose("ada", &at([50, 50])),
        Server::Primary,
        "the first clone recorded Ada's write, and her next request reached the second clone, \
         which chose a replica without the write. Where is her token?"
    );
    second.record_write("ada", Lsn(200));
    assert_eq!(
        first.choose("ada", &at([150, 150])),
        Server::Primary,
        "the second clone recorded Ada's newer write, at 200, and the first clone chose a replica \
         at 150. Does your router remember an older token?"
    );
}
