//! The kinds of servers: ports, users and URLs.

pub(crate) mod probe;
pub(crate) mod script;

use std::fmt;
use std::net::SocketAddr;

/// A kind of reverse proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyKind {
    /// HAProxy.
    HaProxy,
    /// nginx.
    Nginx,
}

impl ProxyKind {
    /// Both kinds.
    pub const ALL: [ProxyKind; 2] = [ProxyKind::HaProxy, ProxyKind::Nginx];
}

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// PostgreSQL: the catalogue and the orders.
    Postgres,
    /// Redis: sessions and cache.
    Redis,
    /// Memcached: cache.
    Memcached,
    /// RabbitMQ: jobs and events.
    RabbitMq,
}

impl Service {
    /// All four kinds.
    pub const ALL: [Service; 4] = [
        Service::Postgres,
        Service::Redis,
        Service::Memcached,
        Service::RabbitMq,
    ];

    /// The name in container names and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Service::Postgres => "postgres",
            Service::Redis => "redis",
            Service::Memcached => "memcached",
            Service::RabbitMq => "rabbitmq",
        }
    }

    /// The port on which it listens in its container.
    pub(crate) fn port(self) -> u16 {
        match self {
            Service::Postgres => 5432,
            Service::Redis => 6379,
            Service::Memcached => 11211,
            Service::RabbitMq => 5672,
        }
    }

    /// Further ports that are published.
    pub(crate) fn more_ports(self) -> &'static [u16] {
        match self {
            // The management plugin's HTTP interface creates virtual hosts.
            Service::RabbitMq => &[RABBITMQ_HTTP],
            _ => &[],
        }
    }

    /// The user in the container. No server needs root, and PostgreSQL refuses to run as root.
    pub(crate) fn user(self) -> &'static str {
        match self {
            Service::Postgres => "postgres",
            Service::Redis => "redis",
            Service::Memcached => "nobody",
            Service::RabbitMq => "rabbitmq",
        }
    }

    /// The signal that stops the server in an orderly way.
    pub(crate) fn stop_signal(self) -> &'static str {
        match self {
            // SIGTERM waits until every client has disconnected.
            Service::Postgres => "SIGINT",
            _ => "SIGTERM",
        }
    }

    /// The URL that client libraries take.
    pub(crate) fn url(self, address: SocketAddr) -> String {
        match self {
            Service::Postgres => format!("postgres://workshop@{address}/workshop"),
            Service::Redis => format!("redis://{address}"),
            Service::Memcached => format!("memcache://{address}"),
            Service::RabbitMq => format!("amqp://workshop:workshop@{address}/%2f"),
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Service::Postgres => "PostgreSQL",
            Service::Redis => "Redis",
            Service::Memcached => "Memcached",
            Service::RabbitMq => "RabbitMQ",
        })
    }
}

/// The port of RabbitMQ's HTTP interface.
pub(crate) const RABBITMQ_HTTP: u16 = 15672;
