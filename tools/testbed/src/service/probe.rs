//! Readiness probes: asks a server in its own protocol whether it is ready.
//!
//! A log line is no reliable sign: it may come too early, and its text changes between versions.

use std::net::SocketAddr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::service::Service;

/// The limit for one probe. A server that is starting may accept connections and not answer.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// How to find out whether a server is ready.
pub(crate) enum Probe<'a> {
    /// In the protocol of the service.
    Protocol(Service),
    /// With `GET` on this port of the container, for this path. A 200 means ready.
    Http(u16, &'a str),
}

impl Probe<'_> {
    /// The probed port in the container.
    pub(crate) fn port(&self) -> u16 {
        match self {
            Probe::Protocol(service) => service.port(),
            Probe::Http(port, _) => *port,
        }
    }

    /// Whether the server at this address answers now.
    pub(crate) async fn succeeds(&self, address: SocketAddr) -> bool {
        let probe = async {
            match self {
                Probe::Protocol(Service::Postgres) => select_one(address).await.is_ok(),
                Probe::Protocol(Service::Redis) => replies(address, b"PING\r\n", b"+PONG").await,
                Probe::Protocol(Service::Memcached) => {
                    replies(address, b"version\r\n", b"VERSION").await
                }
                // The AMQP 0-9-1 protocol header. The reply is Connection.Start: a frame of type 1
                // (method) on channel 0.
                Probe::Protocol(Service::RabbitMq) => {
                    replies(address, b"AMQP\x00\x00\x09\x01", &[1, 0, 0]).await
                }
                Probe::Http(_, path) => {
                    let request = format!(
                        "GET {path} HTTP/1.1\r\nHost: testbed\r\nConnection: close\r\n\r\n"
                    );
                    // Python's servers answer with version 1.0.
                    let reply = reply(address, request.as_bytes(), b"HTTP/1.1 200".len()).await;
                    reply.is_some_and(|reply| {
                        reply.starts_with(b"HTTP/1.") && reply.ends_with(b" 200")
                    })
                }
            }
        };
        timeout(PROBE_TIMEOUT, probe).await.unwrap_or(false)
    }
}

async fn replies(address: SocketAddr, request: &[u8], expected: &[u8]) -> bool {
    let reply = reply(address, request, expected.len()).await;
    reply.is_some_and(|reply| reply == expected)
}

/// The first bytes of the reply. `None` if the server sends fewer.
async fn reply(address: SocketAddr, request: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let mut reply = vec![0; length];
    stream.write_all(request).await.ok()?;
    stream.read_exact(&mut reply).await.ok()?;
    Some(reply)
}

async fn select_one(address: SocketAddr) -> Result<(), sqlx::Error> {
    let mut connection = connect_postgres(address, "workshop").await?;
    sqlx::query("SELECT 1").execute(&mut connection).await?;
    connection.close().await
}

/// Opens a single connection to a PostgreSQL server of the testbed.
pub(crate) async fn connect_postgres(
    address: SocketAddr,
    database: &str,
) -> Result<PgConnection, sqlx::Error> {
    let options = PgConnectOptions::new_without_pgpass()
        .host(&address.ip().to_string())
        .port(address.port())
        .username("workshop")
        .database(database)
        .ssl_mode(PgSslMode::Disable);
    options.connect().await
}
