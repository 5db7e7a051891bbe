//! A disk in memory, which several nodes share.

use std::cell::RefCell;
use std::rc::Rc;

use super::{Data, Epoch, Node, Outcome, Refused, Storage, StorageError};

/// A storage that several nodes share.
#[derive(Clone, Default)]
pub struct Disk(pub Rc<RefCell<State>>);

#[derive(Default)]
pub struct State {
    pub data: Data,
    pub transactions: usize,
    /// Before which transaction another node is promoted, which takes the order 900.
    pub other_promotion: Option<usize>,
    /// What happens to the next transaction.
    pub next: Option<Fault>,
}

#[derive(Clone, Copy, Debug)]
pub enum Fault {
    NotReached,
    LostAnswer { is_stored: bool },
}

impl Disk {
    pub fn with_epoch(epoch: Epoch) -> Disk {
        let disk = Disk::default();
        disk.0.borrow_mut().data.epoch = epoch;
        disk
    }

    pub fn node(&self) -> Node<Disk> {
        Node::new(self.clone())
    }

    /// A node that was promoted from the current epoch.
    pub fn primary(&self) -> Node<Disk> {
        let mut node = self.node();
        let observed = self.epoch();
        assert_eq!(
            node.promote(observed),
            Outcome::Ok,
            "the data has epoch {observed}, which the coordinator has observed, so the promotion \
             succeeds"
        );
        node
    }

    pub fn epoch(&self) -> Epoch {
        self.0.borrow().data.epoch
    }

    pub fn orders(&self) -> Vec<u64> {
        self.0.borrow().data.orders.clone()
    }

    /// The process is paused before the next transaction number `number`, and another node is
    /// promoted meanwhile.
    pub fn promote_before_transaction(&self, number: usize) {
        let mut state = self.0.borrow_mut();
        state.transactions = 0;
        state.other_promotion = Some(number);
    }

    /// Whether the other node was promoted.
    pub fn was_other_promoted(&self) -> bool {
        self.0.borrow_mut().other_promotion.take().is_none()
    }

    pub fn fail_next(&self, fault: Fault) {
        self.0.borrow_mut().next = Some(fault);
    }
}

impl Storage for Disk {
    fn transaction<T>(
        &self,
        work: impl FnOnce(&mut Data) -> Result<T, Refused>,
    ) -> Result<T, StorageError> {
        let (mut data, fault) = {
            let mut state = self.0.borrow_mut();
            state.transactions += 1;
            assert!(
                state.transactions < 50,
                "there were 50 transactions, and there is no end: what do you try again?"
            );
            let transactions = state.transactions;
            if state
                .other_promotion
                .take_if(|it| *it == transactions)
                .is_some()
            {
                state.data.epoch += 1;
                state.data.orders.push(900);
            }
            (state.data.clone(), state.next.take())
        };
        if matches!(fault, Some(Fault::NotReached)) {
            return Err(StorageError::NotReached);
        }
        let value = work(&mut data).map_err(|Refused| StorageError::Refused)?;
        if let Some(Fault::LostAnswer { is_stored }) = fault {
            if is_stored {
                self.0.borrow_mut().data = data;
            }
            return Err(StorageError::NoAnswer);
        }
        self.0.borrow_mut().data = data;
        Ok(value)
    }
}
