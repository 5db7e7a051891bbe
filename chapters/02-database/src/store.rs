//! What every store of this chapter has in common: how a read says which server answered, and how a store fails.
//!
//! Nothing here talks to a database. [`Catalog`](crate::Catalog) and [`Orders`](crate::Orders) use these types in their
//! signatures.

use std::error::Error;
use std::fmt;

/// The database server that answered a read. It becomes the response header `x-db`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// The one server that takes writes. Its answer is always current.
    Primary,
    /// The n-th replica, counted from 1. Its answer may be older than the last write.
    Replica(usize),
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Primary => f.write_str("primary"),
            Node::Replica(n) => write!(f, "replica-{n}"),
        }
    }
}

/// A value together with the server that it was read from.
///
/// Where an answer came from decides how far you may trust it, so it travels in the type and not in a log line.
#[derive(Clone, Debug, PartialEq)]
pub struct Read<T> {
    /// What was read.
    pub value: T,
    /// The server that answered.
    pub node: Node,
}

impl<T> Read<T> {
    /// A value that the primary gave.
    pub fn from_primary(value: T) -> Self {
        Read {
            value,
            node: Node::Primary,
        }
    }

    /// Applies `change` to the value; the node stays.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Read<U> {
        Read {
            value: change(self.value),
            node: self.node,
        }
    }
}

/// Why a store could not answer. "There is no such game" is not an error, it is `None`.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The server is away, out of connections or out of disk. The same call may succeed later: HTTP 503.
    #[error("the database cannot answer right now")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// What is stored cannot be read as what was expected. Trying again will not help, a person has to look: HTTP 503 too,
    /// for a client cannot mend it by sending something else.
    #[error("the database holds something unexpected: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// Wraps a driver's error.
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        StoreError::Unavailable(cause.into())
    }
}
