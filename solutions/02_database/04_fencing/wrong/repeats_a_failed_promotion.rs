// Wrong: a promotion that did not reach the storage is tried again.
// Says: do you send it again?
// Breaks: rule 6
#![allow(missing_docs, reason = "documented in the exercise")]

pub type Epoch = u64;

pub type OrderId = u64;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Data {
    pub epoch: Epoch,
    pub orders: Vec<OrderId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    #[error("the transaction was rolled back")]
    Refused,
    #[error("the storage cannot be reached")]
    NotReached,
    #[error("the storage did not answer; the transaction may be committed or not")]
    NoAnswer,
}

pub trait Storage {
    fn transaction<T>(
        &self,
        work: impl FnOnce(&mut Data) -> Result<T, Refused>,
    ) -> Result<T, StorageError>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    Ok,
    Failed,
    Unknown,
}

pub struct Node<S> {
    storage: S,
    epoch: Option<Epoch>,
}

impl<S: Storage> Node<S> {
    pub fn new(storage: S) -> Self {
        Node {
            storage,
            epoch: None,
        }
    }

    pub fn promote(&mut self, observed: Epoch) -> Outcome {
        let raised = observed + 1;
        let result = self.storage.transaction(|data| {
            if data.epoch != observed {
                return Err(Refused);
            }
            data.epoch = raised;
            Ok(())
        });
        if result == Err(StorageError::NotReached) {
            return self.promote(observed);
        }
        if result.is_ok() {
            self.epoch = Some(raised);
        }
        outcome(result)
    }

    pub fn write(&mut self, order: OrderId) -> Outcome {
        let Some(epoch) = self.epoch else {
            return Outcome::Failed;
        };
        let result = self.storage.transaction(|data| {
            if data.epoch != epoch {
                return Err(Refused);
            }
            data.orders.push(order);
            Ok(())
        });
        outcome(result)
    }
}

fn outcome(result: Result<(), StorageError>) -> Outcome {
    match result {
        Ok(()) => Outcome::Ok,
        Err(StorageError::Refused | StorageError::NotReached) => Outcome::Failed,
        Err(StorageError::NoAnswer) => Outcome::Unknown,
    }
}
