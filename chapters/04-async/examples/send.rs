//! The first lesson about brokers, as in RabbitMQ's own tutorial: one program sends, another receives, and neither knows the other.
//!
//! ```sh
//! cargo run -p ch04-async --example send -- "hello"
//! ```
//!
//! The broker is the one in `AMQP_URL`, or else the workshop's own, in a container. Send while no receiver runs, stop the broker
//! (`docker restart …`), and only then start `receive`: the message is there. Three things make that true, and each is one line
//! below: a durable queue, a persistent message, and a confirmation that we wait for.
//!
//! Left out: everything that `ch04_async::rabbit` adds for a store that runs for months: reconnecting, time limits, dead letters.

use anyhow::{Context, ensure};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Confirmation, Connection, ConnectionProperties};

const QUEUE: &str = "hello";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let text = std::env::args()
        .nth(1)
        .context("what to send? Say it after `--`")?;

    // A connection is a TCP connection with a login; a channel is a conversation inside it. Programs have one connection and a
    // channel for each thing that they do at a time.
    let connection = Connection::connect(&broker().await?, ConnectionProperties::default())
        .await
        .context("the broker does not answer; is AMQP_URL right?")?;
    let channel = connection.create_channel().await?;

    // Both programs declare the queue, since neither knows who comes first. Durable: it is still there after the broker was
    // restarted. Quorum: it writes its messages to disk, and on a cluster to several.
    let mut kind = FieldTable::default();
    kind.insert(
        "x-queue-type".into(),
        AMQPValue::LongString("quorum".into()),
    );
    channel
        .queue_declare(QUEUE.into(), QueueDeclareOptions::durable(), kind)
        .await?;

    // ANCHOR: confirm
    // Without this the next line would return when the message is in a buffer of this program.
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    let confirmation = channel
        .basic_publish(
            // The exchange without a name takes every message to the queue that the routing key names.
            "".into(),
            QUEUE.into(),
            // Mandatory: if there is no such queue, say so. The broker would throw the message away, and confirm *that*.
            BasicPublishOptions {
                mandatory: true,
                ..BasicPublishOptions::default()
            },
            text.as_bytes(),
            // 2 means persistent.
            BasicProperties::default().with_delivery_mode(2),
        )
        .await? // It has left this program ...
        .await?; // ... and this is the broker's word for it.
    ensure!(
        confirmation == Confirmation::Ack(None),
        "the broker did not take the message: {confirmation:?}"
    );
    // ANCHOR_END: confirm
    println!("sent and confirmed: {text}");
    Ok(())
}

/// The broker's address.
async fn broker() -> anyhow::Result<String> {
    match std::env::var("AMQP_URL") {
        Ok(url) => Ok(url),
        Err(_) => Ok(testbed::shared(testbed::Service::RabbitMq).await?.url()),
    }
}
