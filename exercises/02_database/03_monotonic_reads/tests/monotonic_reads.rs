// The tests of `monotonic_reads`. Their clock moves only when the reader waits, and their servers
// replay, die and catch up exactly between two of the reader's questions.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use monotonic_reads::{Lsn, MAX_WAIT, Reader, Server, Servers, Session, Unavailable};

/// How long a question to a silent server takes.
const SILENCE: Duration = Duration::from_millis(20);

/// A primary at 1000, and some replicas. The answer to a read is the server's position.
#[derive(Clone)]
struct Cluster(Rc<RefCell<State>>);

struct State {
    /// `None` if the server does not answer.
    primary: Option<u64>,
    replicas: Vec<Option<u64>>,
    now: Duration,
    questions: usize,
    /// The servers that have answered a read, and when.
    reads: Vec<(Server, Duration)>,
    /// The position of each server that answers a read moves by this much just before the answer.
    replays_in_read: u64,
    /// This server dies just after it has answered a read.
    dies_after_read: Option<Server>,
    /// At this time, this replica reaches this position.
    catches_up: Option<(Duration, usize, u64)>,
}

impl Cluster {
    fn new<const N: usize>(replicas: [u64; N]) -> Cluster {
        Cluster(Rc::new(RefCell::new(State {
            primary: Some(1000),
            replicas: replicas.map(Some).to_vec(),
            now: Duration::ZERO,
            questions: 0,
            reads: Vec::new(),
            replays_in_read: 0,
            dies_after_read: None,
            catches_up: None,
        })))
    }

    fn reader(&self) -> Reader<Cluster> {
        Reader::new(self.clone())
    }

    /// Changes the cluster between two reads.
    fn set<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        change(&mut self.0.borrow_mut())
    }

    /// The servers that have answered a read since the last call.
    fn reads(&self) -> Vec<Server> {
        let reads = self.set(|state| std::mem::take(&mut state.reads));
        reads.into_iter().map(|(server, _)| server).collect()
    }
}

impl State {
    fn server(&mut self, server: Server) -> &mut Option<u64> {
        self.questions += 1;
        assert!(
            self.questions < 2000,
            "one read has asked 2000 questions, and there is no end. Does it pause between them, and \
             when does the waiting end?"
        );
        let server = match server {
            Server::Primary => &mut self.primary,
            Server::Replica(index) => &mut self.replicas[index],
        };
        if server.is_none() {
            self.now += SILENCE;
        }
        server
    }
}

impl Servers for Cluster {
    fn replicas(&self) -> usize {
        self.set(|state| state.replicas.len())
    }

    fn position(&self, server: Server) -> Option<Lsn> {
        self.set(|state| state.server(server).map(Lsn))
    }

    fn read(&self, server: Server) -> Option<String> {
        self.set(|state| {
            let replays = state.replays_in_read;
            let position = state.server(server).as_mut()?;
            *position += replays;
            let answer = Lsn(*position).to_string();
            let now = state.now;
            state.reads.push((server, now));
            if state.dies_after_read == Some(server) {
                *state.server(server) = None;
            }
            Some(answer)
        })
    }

    fn now(&self) -> Duration {
        self.set(|state| {
            state.questions += 1;
            assert!(
                state.questions < 2000,
                "one read has asked 2000 questions, and there is no end. Does it pause between them, \
                 and when does the waiting end?"
            );
            state.now
        })
    }

    fn pause(&self) {
        self.set(|state| {
            state.questions += 1;
            assert!(
                state.questions < 2000,
                "one read has paused for 20 s, and there is no end: when does the waiting end?"
            );
            state.now += Duration::from_millis(10);
            if let Some((time, replica, position)) = state.catches_up
                && state.now >= time
            {
                state.replicas[replica] = Some(position);
            }
        });
    }
}

/// The session of a user, which other clones change at the same time.
#[derive(Default)]
struct Store(RefCell<StoreState>);

#[derive(Default)]
struct StoreState {
    token: Option<String>,
    commands: usize,
    /// Before which command another clone raises the token, and to what.
    other: Option<(usize, Lsn)>,
}

impl Store {
    fn with_token(token: u64) -> Store {
        let store = Store::default();
        store.0.borrow_mut().token = Some(Lsn(token).to_string());
        store
    }

    fn stored(&self) -> Option<Lsn> {
        let token = self.0.borrow().token.clone();
        token.map(|token| {
            let lsn = token.parse();
            lsn.unwrap_or_else(|_| panic!("`{token}` is stored, which is not the text of an Lsn"))
        })
    }

    fn command<R>(&self, run: impl FnOnce(&mut StoreState) -> R) -> R {
        let mut store = self.0.borrow_mut();
        store.commands += 1;
        assert!(
            store.commands < 1000,
            "one read has sent 1000 commands to the session: when does your loop end?"
        );
        let commands = store.commands;
        if let Some((_, lsn)) = store.other.take_if(|other| other.0 == commands) {
            store.raise(lsn);
        }
        run(&mut store)
    }

    /// The other clone stores its token now, if it has not done so.
    fn finish_other(&self) {
        let mut store = self.0.borrow_mut();
        if let Some((_, lsn)) = store.other.take() {
            store.raise(lsn);
        }
    }
}

impl StoreState {
    fn raise(&mut self, lsn: Lsn) {
        let stored = self.token.as_deref().map(|token| token.parse().unwrap());
        self.token = stored.max(Some(lsn)).map(|lsn: Lsn| lsn.to_string());
    }
}

impl Session for Store {
    fn token(&self) -> Option<String> {
        self.command(|store| store.token.clone())
    }

    fn set(&self, token: &str) {
        self.command(|store| store.token = Some(token.to_owned()));
    }

    fn compare_and_set(&self, expected: Option<&str>, token: &str) -> bool {
        self.command(|store| {
            let is_expected = store.token.as_deref() == expected;
            if is_expected {
                store.token = Some(token.to_owned());
            }
            is_expected
        })
    }
}

/// The position that an answer shows.
fn shown(answer: Result<String, Unavailable>) -> u64 {
    let answer = answer.expect("a server that has reached the token answers, so the read succeeds");
    answer.parse::<Lsn>().unwrap().0
}

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
