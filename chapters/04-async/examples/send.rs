//! The sender of RabbitMQ's first tutorial. The receiver is `receive`; neither program knows the
//! other.
//!
//! ```sh
//! cargo run -p ch04-async --example send -- "hello"
//! ```
//!
//! The broker is the one in `AMQP_URL`, or else the workshop's broker in a container. Send a
//! message while no receiver runs, restart the broker (`docker restart …`), and then start
//! `receive`: the message is there. This needs three things, one line each: a durable queue, a
//! persistent message, and a confirmation that the sender waits for.
//!
//! Left out: what `ch04_async::rabbitmq` adds for a store that runs for months, such as
//! reconnecting, time-outs and dead letters.

use anyhow::{Context, ensure};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Confirmation, Connection, ConnectionProperties};

const QUEUE: &str = "hello";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let text = std::env::args()
        .nth(1)
        .context("the message is missing; write it after `--`")?;

    // A connection is a TCP connection with a login. A channel is a session inside it. A program
    // has one connection, and a channel for each concurrent task.
    let connection = Connection::connect(&broker().await?, ConnectionProperties::default())
        .await
        .context("cannot connect to the broker; is AMQP_URL right?")?;
    let channel = connection.create_channel().await?;

    // Both programs declare the queue, because either may run first. Durable: the queue survives a
    // restart of the broker. Quorum: the queue writes its messages to disk, in a cluster to
    // several.
    let mut arguments = FieldTable::default();
    arguments.insert(
        "x-queue-type".into(),
        AMQPValue::LongString("quorum".into()),
    );
    channel
        .queue_declare(QUEUE.into(), QueueDeclareOptions::durable(), arguments)
        .await?;

    // ANCHOR: confirm
    // Without confirms, publishing returns when the message is in a buffer of this program.
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    let confirmation = channel
        .basic_publish(
            // The default exchange routes a message to the queue named by the routing key.
            "".into(),
            QUEUE.into(),
            // Without `mandatory` the broker discards a message without a queue, and confirms it.
            BasicPublishOptions {
                mandatory: true,
                ..BasicPublishOptions::default()
            },
            text.as_bytes(),
            // 2 means persistent.
            BasicProperties::default().with_delivery_mode(2),
        )
        .await? // The message has left this program.
        .await?; // The broker has confirmed it.
    ensure!(
        confirmation == Confirmation::Ack(None),
        "the broker should confirm the message, but replied {confirmation:?}"
    );
    // ANCHOR_END: confirm
    println!("sent and confirmed: {text}");
    Ok(())
}

/// The broker's URL.
async fn broker() -> anyhow::Result<String> {
    match std::env::var("AMQP_URL") {
        Ok(url) => Ok(url),
        Err(_) => Ok(testbed::shared(testbed::Service::RabbitMq).await?.url()),
    }
}
