//! Jobs that became dead letters: how many there are, and a second chance for them.
//!
//! A person looks at them, mends what was wrong (a worker of an old version that could not read a new message, say) and puts them
//! back. Left out: throwing single ones away, and the same for events; `rabbitmqctl` and the management page do both.

use lapin::options::{BasicAckOptions, BasicGetOptions};

use super::connection::{RabbitError, failed, within};
use super::publisher::Letter;
use super::queue::RabbitQueue;
use super::topology::{DEAD_JOBS, DEFAULT_EXCHANGE, JOBS};

impl RabbitQueue {
    /// How many jobs nobody could read.
    pub async fn dead_letters(&self) -> Result<usize, RabbitError> {
        self.publisher.depth(DEAD_JOBS).await
    }

    /// Puts the dead letters that are there now back on the queue and returns how many they were. One that still cannot be read
    /// comes back here.
    pub async fn replay_dead_letters(&self) -> Result<usize, RabbitError> {
        let there = self.dead_letters().await?;
        let channel = within("open a channel", self.publisher.open()).await?;
        for replayed in 0..there {
            let letter = within("hand a dead letter out", async {
                let get = channel.basic_get(DEAD_JOBS.into(), BasicGetOptions::default());
                get.await.map_err(failed("hand a dead letter out"))
            });
            let Some(letter) = letter.await? else {
                return Ok(replayed);
            };
            let id = letter.delivery.properties.message_id().as_ref();
            let again = Letter {
                exchange: DEFAULT_EXCHANGE,
                routing_key: JOBS,
                mandatory: true,
                id: id.map_or("", |id| id.as_str()),
                body: &letter.delivery.data,
            };
            // First there, then gone from here: a death in between makes two of it.
            self.publisher.publish(&again).await?;
            within("take an answer", async {
                let ack = letter.delivery.acker.ack(BasicAckOptions::default());
                ack.await.map_err(failed("take an answer"))
            })
            .await?;
        }
        Ok(there)
    }
}
