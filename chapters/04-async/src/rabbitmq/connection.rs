//! A connection to the broker that is made at its first use, and made again after a loss.
//!
//! lapin can recover a connection by itself (`enable_auto_recover`). This module does not use
//! that, for three reasons. lapin gives up after a number of attempts. While it tries, calls wait
//! without a limit. And it declares only what it remembers, so a queue that an operator deleted
//! stays missing. Here a lost connection is an ordinary error, and the next call connects and
//! declares everything.
//!
//! A broker that is down refuses connections, which is visible at once. A broker that hangs sends
//! nothing. Two limits apply then: the time-out of each call
//! ([`OPERATION_TIMEOUT`](super::OPERATION_TIMEOUT)), and the heartbeat: both sides close a
//! connection without a sign of life for two heartbeats.
//!
//! Left out: if an attempt hangs in the middle of the handshake, lapin's thread stays until the
//! operating system closes the connection, after about 15 minutes.

use std::time::Duration;

use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::error::{RabbitError, with_timeout};

/// The time-out to open a channel on an open connection, which takes one round trip. It is shorter
/// than [`OPERATION_TIMEOUT`](super::OPERATION_TIMEOUT), so that time is left for a new connection.
const CHANNEL_TIMEOUT: Duration = Duration::from_secs(2);

/// Both sides close a connection after two silent heartbeats. So the job of a hanging worker goes
/// to another worker after 10 seconds.
///
/// A handler that keeps its thread busy for that long without an `await` looks like a hanging
/// worker. CPU-bound work belongs on `spawn_blocking`.
const HEARTBEAT_SECONDS: u16 = 5;

/// One connection to the broker. It may not exist yet, or be lost.
pub(crate) struct BrokerConnection {
    uri: AMQPUri,
    /// Shown in the broker's list of connections.
    name: &'static str,
    /// Locked while connecting, so that of many callers only one connects.
    current: Mutex<Option<Connection>>,
}

impl BrokerConnection {
    /// A connection to the broker at `url`. Does not connect yet.
    pub(crate) fn new(url: &str, name: &'static str) -> Result<Self, RabbitError> {
        let mut uri: AMQPUri = url.parse().map_err(|_| RabbitError::InvalidAddress)?;
        uri.query.heartbeat = Some(HEARTBEAT_SECONDS);
        Ok(BrokerConnection {
            uri,
            name,
            current: Mutex::new(None),
        })
    }

    /// Opens a channel, on the existing connection or on a new one. Call it inside
    /// [`with_timeout`].
    ///
    /// A replaced connection closes when its last channel is dropped. Callers with such a channel
    /// are not cut off. If the connection is dead, they notice it by the heartbeat.
    pub(super) async fn open_channel(&self) -> Result<Channel, RabbitError> {
        let mut current = self.current.lock().await;
        if let Some(connection) = current.as_ref()
            && let Ok(Ok(channel)) = timeout(CHANNEL_TIMEOUT, connection.create_channel()).await
        {
            return Ok(channel);
        }
        *current = None;
        let properties = ConnectionProperties::default().with_connection_name(self.name.into());
        // A time-out here too, because some callers run as a task and are not dropped when their
        // own caller times out. Without it this lock might never be released.
        let connecting = Connection::connect_uri(self.uri.clone(), properties);
        let connection = with_timeout("accept a connection", connecting).await?;
        let channel = connection.create_channel().await?;
        *current = Some(connection);
        Ok(channel)
    }
}
