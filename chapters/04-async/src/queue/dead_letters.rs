//! The dead letters of the job queue: messages that no worker can read.
//!
//! An operator looks at them and repairs the cause, for example a worker of an old version. Then
//! the operator puts the messages back. Left out: deleting single dead letters, and the same for
//! events; `rabbitmqctl` and RabbitMQ's management page do both.

use lapin::options::{BasicAckOptions, BasicGetOptions};

use super::rabbitmq::RabbitQueue;
use crate::rabbitmq::{
    DEAD_JOBS, DEFAULT_EXCHANGE, JOBS, OutgoingMessage, RabbitError, with_timeout,
};

impl RabbitQueue {
    /// How many dead letters there are.
    pub async fn dead_letters(&self) -> Result<usize, RabbitError> {
        self.publisher.message_count(DEAD_JOBS).await
    }

    /// Puts the present dead letters back on the queue, and returns how many. A message that
    /// workers still cannot read becomes a dead letter again.
    pub async fn replay_dead_letters(&self) -> Result<usize, RabbitError> {
        let present = self.dead_letters().await?;
        let channel = with_timeout("open a channel", self.publisher.open_channel()).await?;
        for replayed in 0..present {
            let get = channel.basic_get(DEAD_JOBS.into(), BasicGetOptions::default());
            let Some(dead_letter) = with_timeout("deliver a dead letter", get).await? else {
                return Ok(replayed);
            };
            let delivery = dead_letter.delivery;
            let id = delivery.properties.message_id().as_ref();
            let copy = OutgoingMessage {
                exchange: DEFAULT_EXCHANGE,
                routing_key: JOBS,
                mandatory: true,
                id: id.map_or("", |id| id.as_str()),
                body: &delivery.data,
            };
            // Publish first, then remove. A crash in between leaves two copies, and loses none.
            self.publisher.publish(&copy).await?;
            let ack = delivery.acker.ack(BasicAckOptions::default());
            with_timeout("take an acknowledgement", ack).await?;
        }
        Ok(present)
    }
}
