//! The other half of `send`: prints whatever is in the queue, and whatever comes, until Ctrl-C.
//!
//! ```sh
//! cargo run -p ch04-async --example receive
//! ```
//!
//! Start it twice, send a few messages, and see that the two take turns: a message goes to *one* receiver. Then stop one with Ctrl-C while
//! it holds a message (it takes a second for each): the other one prints it again. That is what the acknowledgement is for, and
//! why it comes after the work.
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
        .context("the broker does not answer; is AMQP_URL right?")?;
    let channel = connection.create_channel().await?;

    // The same words as in `send`. Other ones for the same queue would be an error.
    let mut kind = FieldTable::default();
    kind.insert(
        "x-queue-type".into(),
        AMQPValue::LongString("quorum".into()),
    );
    channel
        .queue_declare(QUEUE.into(), QueueDeclareOptions::durable(), kind)
        .await?;

    // The broker pushes, and would push everything it has to the first who asks. At most one message that we have not acknowledged:
    // then the next one goes to whoever is free.
    channel.basic_qos(1, BasicQosOptions::default()).await?;
    let mut messages = channel
        .basic_consume(
            QUEUE.into(),
            // A name for this consumer; the broker chooses one.
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await?;

    println!("waiting for messages in {QUEUE:?}; Ctrl-C ends it");
    while let Some(message) = messages.next().await {
        let message = message?;
        // The broker knows whether it has handed this message out before.
        let again = if message.redelivered { " (again)" } else { "" };
        println!(
            "received{again}: {}",
            String::from_utf8_lossy(&message.data)
        );
        // The work. If we die in here, the broker notices and gives the message to somebody else.
        tokio::time::sleep(Duration::from_secs(1)).await;
        // Done: now, and not before, the broker may forget it.
        message.acker.ack(BasicAckOptions::default()).await?;
    }
    Ok(())
}

/// The broker's address.
async fn broker() -> anyhow::Result<String> {
    match std::env::var("AMQP_URL") {
        Ok(url) => Ok(url),
        Err(_) => Ok(testbed::shared(testbed::Service::RabbitMq).await?.url()),
    }
}
