//! Servers and a session store in memory. A test sets what each of them has.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::{Lsn, Reader, Server, Servers, Session, Unavailable};

/// How long a question to a silent server takes.
pub const SILENCE: Duration = Duration::from_millis(20);

/// A primary at 1000, and some replicas. The answer to a read is the server's position.
#[derive(Clone)]
pub struct Cluster(pub Rc<RefCell<State>>);

pub struct State {
    /// `None` if the server does not answer.
    pub primary: Option<u64>,
    pub replicas: Vec<Option<u64>>,
    pub now: Duration,
    pub questions: usize,
    /// The servers that have answered a read, and when.
    pub reads: Vec<(Server, Duration)>,
    /// The position of each server that answers a read moves by this much just before the answer.
    pub replays_in_read: u64,
    /// This server dies just after it has answered a read.
    pub dies_after_read: Option<Server>,
    /// At this time, this replica reaches this position.
    pub catches_up: Option<(Duration, usize, u64)>,
}

impl Cluster {
    pub fn new<const N: usize>(replicas: [u64; N]) -> Cluster {
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

    pub fn reader(&self) -> Reader<Cluster> {
        Reader::new(self.clone())
    }

    /// Changes the cluster between two reads.
    pub fn set<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        change(&mut self.0.borrow_mut())
    }

    /// The servers that have answered a read since the last call.
    pub fn reads(&self) -> Vec<Server> {
        let reads = self.set(|state| std::mem::take(&mut state.reads));
        reads.into_iter().map(|(server, _)| server).collect()
    }
}

impl State {
    pub fn server(&mut self, server: Server) -> &mut Option<u64> {
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
pub struct Store(pub RefCell<StoreState>);

#[derive(Default)]
pub struct StoreState {
    pub token: Option<String>,
    pub commands: usize,
    /// Before which command another clone raises the token, and to what.
    pub other: Option<(usize, Lsn)>,
}

impl Store {
    pub fn with_token(token: u64) -> Store {
        let store = Store::default();
        store.0.borrow_mut().token = Some(Lsn(token).to_string());
        store
    }

    pub fn stored(&self) -> Option<Lsn> {
        let token = self.0.borrow().token.clone();
        token.map(|token| {
            let lsn = token.parse();
            lsn.unwrap_or_else(|_| panic!("`{token}` is stored, which is not the text of an Lsn"))
        })
    }

    pub fn command<R>(&self, run: impl FnOnce(&mut StoreState) -> R) -> R {
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
    pub fn finish_other(&self) {
        let mut store = self.0.borrow_mut();
        if let Some((_, lsn)) = store.other.take() {
            store.raise(lsn);
        }
    }
}

impl StoreState {
    pub fn raise(&mut self, lsn: Lsn) {
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
pub fn shown(answer: Result<String, Unavailable>) -> u64 {
    let answer = answer.expect("a server that has reached the token answers, so the read succeeds");
    answer.parse::<Lsn>().unwrap().0
}
