//! The results of a read and of a write: the value, the server, and the position.

use std::fmt;

use super::consistency::ConsistencyToken;

/// The database server that answered a read. Becomes the response header `x-db`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// The only server that takes writes. Its answer is always current.
    Primary,
    /// A replica, counted from 1. In a cluster the number is its place in the list of all servers.
    /// Its answer may be older than the last write.
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

/// A value with the server that it comes from. A value from a replica may be stale, so every
/// reader sees the server in the type.
#[derive(Clone, Debug, PartialEq)]
pub struct Read<T> {
    /// The value.
    pub value: T,
    /// The server that answered.
    pub node: Node,
    /// A position that the server had reached after the read. The value shows nothing later. So a
    /// next read with this token shows at least everything that this read has shown (monotonic
    /// reads). `None` if the read did not ask for it, and in a database without replicas.
    pub token: Option<ConsistencyToken>,
}

impl<T> Read<T> {
    /// A value from the primary, without a token.
    pub fn from_primary(value: T) -> Self {
        Read {
            value,
            node: Node::Primary,
            token: None,
        }
    }

    /// Applies `change` to the value and keeps the rest.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Read<U> {
        Read {
            value: change(self.value),
            node: self.node,
            token: self.token,
        }
    }
}

/// The result of a write, with the position of its commit.
#[derive(Clone, Debug, PartialEq)]
pub struct Written<T> {
    /// The result.
    pub value: T,
    /// A read with this token sees the write. `None` in a database without replicas, where every
    /// read sees it.
    pub token: Option<ConsistencyToken>,
}

impl<T> Written<T> {
    /// A write to a database without replicas.
    pub fn without_token(value: T) -> Self {
        Written { value, token: None }
    }

    /// Applies `change` to the value and keeps the token.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Written<U> {
        Written {
            value: change(self.value),
            token: self.token,
        }
    }
}
