//! One connection to the broker: made when it is first needed, and made again by whoever needs it after it was lost.
//!
//! lapin can recover a connection by itself (`enable_auto_recover`). We do not use that, for three reasons. It gives up after a number
//! of attempts and the connection is then lost for good; while it tries, calls wait for it without a limit; and it declares
//! again what *it* remembers, so a queue that somebody has deleted stays away. Here a lost connection is an ordinary error: the
//! caller reports it, and its next call connects, declares everything and goes on. That needs less code than watching the
//! automatic way.
//!
//! A broker can be away in two ways. One that is down refuses connections, and everybody hears it at once. One that hangs, or that the
//! network has cut off, says nothing at all. Two limits put an end to that: no call waits longer than [`ANSWER_WITHIN`], and a
//! connection without a sign of life for two heartbeats is given up, by both sides.
//!
//! Left out: an attempt that hangs in the middle of the handshake leaves lapin's thread behind until the operating system gives the
//! connection up, about 15 minutes later.

use std::future::Future;
use std::time::Duration;

use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::queue::QueueError;

/// How long any one call to the broker may take, connecting included. After that the broker counts as away.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How long an open connection may take to open a channel: one round trip. A part of [`ANSWER_WITHIN`], so that there is time
/// left for a new connection if this one is dead and nobody has noticed.
const CHANNEL_WITHIN: Duration = Duration::from_secs(2);

/// After two of these in silence each side gives the connection up: a worker that hangs is found out, and its job given to another,
/// after 10 seconds. The price: a handler that keeps its thread busy for so long without an `await` looks like one that hangs. Work
/// for the processor belongs on `spawn_blocking`.
const HEARTBEAT_SECONDS: u16 = 5;

/// Why the broker did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum RabbitError {
    /// The text is not an address.
    #[error(
        "{0:?} is not the address of a RabbitMQ server; write amqp://USER:PASSWORD@HOST:PORT/VHOST"
    )]
    Address(String),
    /// It did not answer in time: it hangs, or the network has cut it off.
    #[error("the broker did not {what} within {} seconds", ANSWER_WITHIN.as_secs())]
    Silent {
        /// What it was asked to do.
        what: &'static str,
    },
    /// It refused, or the connection broke.
    #[error("the broker could not {what}")]
    Failed {
        /// What it was asked to do.
        what: &'static str,
        /// lapin's error.
        #[source]
        cause: lapin::Error,
    },
    /// No queue took the message, and so it was thrown away: the queue or its binding has been deleted.
    #[error("the broker has no queue for {0:?}; it is declared again with the next message")]
    Unroutable(String),
    /// A queue would not take the message: it is full, or not ready, as in its first moments or after a restart.
    #[error("the queue {0:?} refused the message")]
    Refused(String),
    /// The channel that brought a message is closed, so the message can be acknowledged no more. It will come again.
    #[error("the connection that brought this message is gone; the message will come again")]
    Gone,
}

impl From<RabbitError> for QueueError {
    fn from(error: RabbitError) -> Self {
        QueueError::Unavailable(error.into())
    }
}

/// Puts an end to waiting.
pub(super) async fn within<T>(
    what: &'static str,
    answer: impl Future<Output = Result<T, RabbitError>>,
) -> Result<T, RabbitError> {
    timeout(ANSWER_WITHIN, answer)
        .await
        .unwrap_or(Err(RabbitError::Silent { what }))
}

/// Says what was being done when lapin failed.
pub(super) fn failed(what: &'static str) -> impl FnOnce(lapin::Error) -> RabbitError {
    move |cause| RabbitError::Failed { what, cause }
}

/// One connection, there or not.
pub(super) struct Link {
    uri: AMQPUri,
    /// Shown in the broker's list of connections.
    name: &'static str,
    /// Held while connecting, so that of many who find it lost only one connects.
    current: Mutex<Option<Connection>>,
}

impl Link {
    /// A connection to this address. Nothing is sent yet.
    pub(super) fn to(url: &str, name: &'static str) -> Result<Self, RabbitError> {
        let mut uri: AMQPUri = url
            .parse()
            .map_err(|_| RabbitError::Address(url.to_owned()))?;
        uri.query.heartbeat = Some(HEARTBEAT_SECONDS);
        Ok(Link {
            uri,
            name,
            current: Mutex::new(None),
        })
    }

    /// A new channel, on the connection that is there or else on a new one. To be called inside of [`within`].
    ///
    /// The connection is closed when this value and all of its channels are gone, so those who still hold channels of a
    /// connection that is given up here are not cut off: if it is dead, its heartbeat tells them.
    pub(super) async fn channel(&self) -> Result<Channel, RabbitError> {
        let mut current = self.current.lock().await;
        if let Some(connection) = current.as_ref()
            && let Ok(Ok(channel)) = timeout(CHANNEL_WITHIN, connection.create_channel()).await
        {
            return Ok(channel);
        }
        *current = None;
        let properties = ConnectionProperties::default().with_connection_name(self.name.into());
        // A limit of its own, for the sake of callers that are not dropped with their caller: the lock must come free.
        let connecting = timeout(
            ANSWER_WITHIN,
            Connection::connect_uri(self.uri.clone(), properties),
        );
        let what = "accept a connection";
        let connection = connecting.await.map_err(|_| RabbitError::Silent { what })?;
        let connection = connection.map_err(failed(what))?;
        let channel = connection
            .create_channel()
            .await
            .map_err(failed("open a channel"))?;
        *current = Some(connection);
        Ok(channel)
    }
}
