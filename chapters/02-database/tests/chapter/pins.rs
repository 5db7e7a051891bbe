//! Pins: what every store of them keeps, and that the contract catches the bugs of naive ones.

use std::any::Any;

use async_trait::async_trait;
use ch02_database::contract::check_pins;
use ch02_database::replication::pins::{MemoryPins, PinStore, RedisPins};
use ch02_database::{ConsistencyToken, StoreError};
use redis::aio::MultiplexedConnection;

#[tokio::test]
async fn pins_in_memory_keep_the_contract() {
    check_pins(&MemoryPins::new()).await;
}

#[tokio::test]
async fn pins_in_redis_keep_the_contract() {
    let redis = testbed::redis().await.unwrap();
    check_pins(&RedisPins::new(&redis.url()).unwrap()).await;
}

#[tokio::test]
async fn unknown_text_in_redis_is_no_pin() {
    let redis = testbed::redis().await.unwrap();
    let pins = RedisPins::new(&redis.url()).unwrap();
    let mut direct = connect(&redis.url()).await;
    let mut set = redis::cmd("SET");
    let set = set.arg("pin:ada").arg("zzz");
    set.query_async::<()>(&mut direct).await.unwrap();

    assert_eq!(pins.get("ada").await.unwrap(), None);
    let token: ConsistencyToken = "00000001000000000000000a".parse().unwrap();
    pins.pin("ada", token).await.unwrap();
    assert_eq!(
        pins.get("ada").await.unwrap(),
        Some(token),
        "a value that is no token keeps tokens away"
    );
    let left: i64 = redis::cmd("TTL")
        .arg("pin:ada")
        .query_async(&mut direct)
        .await
        .unwrap();
    assert!((1..=60).contains(&left), "a pin must expire: {left} s");
}

#[tokio::test]
async fn contract_catches_naive_pins() {
    for (bug, message) in [
        (Bug::LastWriterWins, "does `pin` keep the larger?"),
        (
            Bug::ReadThenSet,
            "is the comparison one step with the write?",
        ),
        (Bug::AnyReplica, "a replica is still behind it"),
        (Bug::ReadThenDelete, "came after its comparison"),
        (Bug::DeletesAnyToken, "has deleted a newer pin"),
    ] {
        let redis = testbed::redis().await.unwrap();
        let naive = NaivePins {
            pins: RedisPins::new(&redis.url()).unwrap(),
            direct: connect(&redis.url()).await,
            bug,
        };
        let checked = tokio::spawn(async move { check_pins(&naive).await }).await;
        let panic = checked.expect_err(&format!("the contract accepts {bug:?}"));
        let found = text_of(&*panic.into_panic());
        assert!(found.contains(message), "{bug:?} is rejected with {found}");
    }
}

/// Pins in Redis with one bug. Its separate commands let another request come in between.
struct NaivePins {
    pins: RedisPins,
    direct: MultiplexedConnection,
    bug: Bug,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bug {
    /// Stores each token, also an older one.
    LastWriterWins,
    /// Keeps the later token, but in two steps.
    ReadThenSet,
    /// GitLab's first bug: one replica that has caught up is enough.
    AnyReplica,
    /// GitLab's second bug: compares the pin, and deletes it in the next step.
    ReadThenDelete,
    /// Deletes the pin without a look at it.
    DeletesAnyToken,
}

impl NaivePins {
    async fn send(&self, command: &str, arguments: &[&str]) {
        let mut command = redis::cmd(command);
        command.arg(arguments);
        let mut redis = self.direct.clone();
        command
            .query_async::<redis::Value>(&mut redis)
            .await
            .unwrap();
    }
}

#[async_trait]
impl PinStore for NaivePins {
    async fn pin(&self, subject: &str, token: ConsistencyToken) -> Result<(), StoreError> {
        let token = match self.bug {
            Bug::LastWriterWins => token,
            Bug::ReadThenSet => self.get(subject).await?.unwrap_or(token).max(token),
            _ => return self.pins.pin(subject, token).await,
        };
        let key = format!("pin:{subject}");
        self.send("SET", &[&key, &token.to_string()]).await;
        Ok(())
    }

    async fn get(&self, subject: &str) -> Result<Option<ConsistencyToken>, StoreError> {
        self.pins.get(subject).await
    }

    async fn release(&self, subject: &str, token: ConsistencyToken) -> Result<bool, StoreError> {
        let found = self.get(subject).await?;
        let is_released = match self.bug {
            Bug::ReadThenDelete => found == Some(token),
            Bug::DeletesAnyToken => found.is_some(),
            _ => return self.pins.release(subject, token).await,
        };
        if is_released {
            self.send("DEL", &[&format!("pin:{subject}")]).await;
        }
        Ok(is_released)
    }

    async fn release_if_replayed(
        &self,
        subject: &str,
        token: ConsistencyToken,
        positions: &[ConsistencyToken],
    ) -> Result<bool, StoreError> {
        let has_it = |replayed: &ConsistencyToken| *replayed >= token;
        let is_replayed = match self.bug {
            Bug::AnyReplica => positions.iter().any(has_it),
            _ => positions.iter().all(has_it),
        };
        if is_replayed {
            self.release(subject, token).await
        } else {
            Ok(false)
        }
    }
}

async fn connect(url: &str) -> MultiplexedConnection {
    let client = redis::Client::open(url).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    match panic.downcast_ref::<String>() {
        Some(text) => text.clone(),
        None => panic.downcast_ref::<&str>().unwrap_or(&"").to_string(),
    }
}
