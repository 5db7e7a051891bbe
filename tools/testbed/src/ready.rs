//! Is a server ready? Only a client knows, so each is asked in its own protocol. A line in a log comes too early or is worded
//! differently in the next version.

use std::net::SocketAddr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::service::Service;

/// How long one question may take; a server that is still starting may accept connections and say nothing.
const PATIENCE: Duration = Duration::from_secs(2);

/// How to ask whether a server is ready.
pub(crate) enum Ready<'a> {
    /// In its own protocol.
    Protocol(Service),
    /// On this port, with `GET` for this path.
    Http(u16, &'a str),
}

impl Ready<'_> {
    /// The port in the container that is asked.
    pub(crate) fn port(&self) -> u16 {
        match self {
            Ready::Protocol(service) => service.port(),
            Ready::Http(port, _) => *port,
        }
    }

    /// Whether the server answers a client now.
    pub(crate) async fn answers(&self, address: SocketAddr) -> bool {
        let asked = async {
            match self {
                Ready::Protocol(Service::Postgres) => select_one(address).await.is_ok(),
                Ready::Protocol(Service::Redis) => says(address, b"PING\r\n", b"+PONG").await,
                Ready::Protocol(Service::Memcached) => {
                    says(address, b"version\r\n", b"VERSION").await
                }
                // The protocol's header; the answer is a frame of type 1 (method) on channel 0: Connection.Start.
                Ready::Protocol(Service::RabbitMq) => {
                    says(address, b"AMQP\x00\x00\x09\x01", &[1, 0, 0]).await
                }
                Ready::Http(_, path) => {
                    let question = format!(
                        "GET {path} HTTP/1.1\r\nHost: testbed\r\nConnection: close\r\n\r\n"
                    );
                    says(address, question.as_bytes(), b"HTTP/1.1 200").await
                }
            }
        };
        timeout(PATIENCE, asked).await.unwrap_or(false)
    }
}

async fn says(address: SocketAddr, question: &[u8], answer: &[u8]) -> bool {
    let Ok(mut stream) = TcpStream::connect(address).await else {
        return false;
    };
    let mut heard = vec![0; answer.len()];
    stream.write_all(question).await.is_ok()
        && stream.read_exact(&mut heard).await.is_ok()
        && heard == answer
}

async fn select_one(address: SocketAddr) -> Result<(), sqlx::Error> {
    let mut connection = postgres(address, "workshop").await?;
    sqlx::query("SELECT 1").execute(&mut connection).await?;
    connection.close().await
}

/// A single connection to a PostgreSQL server of ours.
pub(crate) async fn postgres(
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
