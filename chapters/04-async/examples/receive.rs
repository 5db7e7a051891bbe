//! The receiver for `send`: prints each message of the queue, until Ctrl-C.
//!
//! ```sh
//! cargo run -p ch04-async --example receive
//! ```
//!
//! Start two receivers and send a few messages: each message goes to *one* receiver. Then stop one
//! with Ctrl-C while it holds a message (it works one second on each). The other one prints the
//! message again, because the first one had not acknowledged it yet.
//!
//! Left out: see `send`.

use std::time::Duration;

use anyhow::Context;
use futures_util::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Connection, ConnectionProperties};

const QUEUE: &str = "hello";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let connection = Connection::connect(&broker().await?, ConnectionProperties::default())
        .await
        .context("cannot connect to the broker; is AMQP_URL right?")?;
    let channel = connection.create_channel().await?;

    // The same arguments as in `send`. Different arguments for the same queue are an error.
    let mut arguments = FieldTable::default();
    arguments.insert(
        "x-queue-type".into(),
        AMQPValue::LongString("quorum".into()),
    );
    channel
        .queue_declare(QUEUE.into(), QueueDeclareOptions::durable(), arguments)
        .await?;

    // The broker pushes, and without a limit it pushes all messages to the first receiver. With a
    // prefetch of 1 it sends the next message to a receiver without an unacknowledged one.
    channel.basic_qos(1, BasicQosOptions::default()).await?;
    let mut messages = channel
        .basic_consume(
            QUEUE.into(),
            // With an empty consumer tag, the broker chooses one.
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await?;

    println!("waiting for messages in {QUEUE:?}; Ctrl-C stops the receiver");
    while let Some(message) = messages.next().await {
        let message = message?;
        // The broker marks a message that it has delivered before.
        let again = if message.redelivered { " again" } else { "" };
        println!(
            "received{again}: {}",
            String::from_utf8_lossy(&message.data)
        );
        // The work. If this program dies here, the broker delivers the message to another receiver.
        tokio::time::sleep(Duration::from_secs(1)).await;
        // Only after the work may the broker forget the message.
        message.acker.ack(BasicAckOptions::default()).await?;
    }
    Ok(())
}

/// The broker's URL.
async fn broker() -> anyhow::Result<String> {
    match std::env::var("AMQP_URL") {
        Ok(url) => Ok(url),
        Err(_) => Ok(testbed::shared(testbed::Service::RabbitMq).await?.url()),
    }
}
