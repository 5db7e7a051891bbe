//! Which server answered a read.

use std::fmt;

/// The database server that answered a read. Becomes the response header `x-db`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// The only server that takes writes. Its answer is always current.
    Primary,
    /// A replica, counted from 1. Its answer may be older than the last write.
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
}

impl<T> Read<T> {
    /// A value from the primary.
    pub fn from_primary(value: T) -> Self {
        Read {
            value,
            node: Node::Primary,
        }
    }

    /// Applies `change` to the value and keeps the node.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Read<U> {
        Read {
            value: change(self.value),
            node: self.node,
        }
    }
}
