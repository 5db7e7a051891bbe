// Wrong: the last recorded write wins, and not the newest one.
// Says: did an older token replace a newer one?
// Breaks: rule 1
#![allow(missing_docs, reason = "documented in the exercise")]

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lsn(pub u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    Primary,
    Replica(usize),
}

pub trait Tokens {
    fn get(&self, user: &str) -> Option<Lsn>;

    fn set(&self, user: &str, token: Lsn);

    fn set_if_newer(&self, user: &str, token: Lsn);

    fn delete(&self, user: &str);

    fn delete_if_equal(&self, user: &str, token: Lsn);
}

pub struct Router<T> {
    tokens: T,
}

impl<T: Tokens> Router<T> {
    pub fn new(tokens: T) -> Self {
        Router { tokens }
    }

    pub fn record_write(&self, user: &str, lsn: Lsn) {
        self.tokens.set(user, lsn);
    }

    pub fn choose(&self, user: &str, replayed: &[Option<Lsn>]) -> Server {
        let token = self.tokens.get(user);
        let has_replayed =
            |lsn: &Option<Lsn>| lsn.is_some_and(|lsn| token.is_none_or(|token| lsn >= token));
        if let Some(token) = token
            && replayed.iter().all(has_replayed)
        {
            self.tokens.delete_if_equal(user, token);
        }
        let fresh = replayed.iter().position(has_replayed);
        fresh.map_or(Server::Primary, Server::Replica)
    }
}
