// Wrong: it asks the replicas again and again without a pause.
// Says: Does it pause between them
// Breaks: rule 5
#![allow(missing_docs, reason = "documented in the exercise")]

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;
use std::time::Duration;

pub const MAX_WAIT: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lsn(pub u64);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

impl FromStr for Lsn {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        let (high, low) = text.split_once('/').unwrap_or(("", text));
        let number = |part| u32::from_str_radix(part, 16).map(u64::from);
        Ok(Lsn(number(high)? << 32 | number(low)?))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    Primary,
    Replica(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no server has reached the reader's token; try again later")]
pub struct Unavailable;

pub trait Servers {
    fn replicas(&self) -> usize;

    fn position(&self, server: Server) -> Option<Lsn>;

    fn read(&self, server: Server) -> Option<String>;

    fn now(&self) -> Duration;

    fn pause(&self);
}

pub trait Session {
    fn token(&self) -> Option<String>;

    fn set(&self, token: &str);

    fn compare_and_set(&self, expected: Option<&str>, token: &str) -> bool;
}

pub struct Reader<S> {
    servers: S,
}

impl<S: Servers> Reader<S> {
    pub fn new(servers: S) -> Self {
        Reader { servers }
    }

    pub fn read(&self, session: &impl Session) -> Result<String, Unavailable> {
        let token = position_of(session);
        let deadline = self.servers.now() + MAX_WAIT;
        let answer = loop {
            let mut replicas = (0..self.servers.replicas()).map(Server::Replica);
            let answer = replicas.find_map(|replica| self.read_from(replica, token));
            if answer.is_some() {
                break answer;
            }
            if self.servers.now() >= deadline {
                break self.read_from(Server::Primary, token);
            }
        };
        let (reviews, position) = answer.ok_or(Unavailable)?;
        raise(session, position);
        Ok(reviews)
    }

    fn read_from(&self, server: Server, token: Option<Lsn>) -> Option<(String, Lsn)> {
        if Some(self.servers.position(server)?) < token {
            return None;
        }
        let reviews = self.servers.read(server)?;
        let position = self.servers.position(server)?;
        Some((reviews, position))
    }
}

fn position_of(session: &impl Session) -> Option<Lsn> {
    session.token()?.parse().ok()
}

fn raise(session: &impl Session, position: Lsn) {
    loop {
        let stored = session.token();
        let current = stored.as_deref().and_then(|token| token.parse().ok());
        if current >= Some(position)
            || session.compare_and_set(stored.as_deref(), &position.to_string())
        {
            return;
        }
    }
}
