// The tests of `fencing`. Their storage can promote another node between any two transactions, so a
// paused node wakes up at the worst moment in every run.

use std::cell::RefCell;
use std::rc::Rc;

use fencing::{Data, Epoch, Node, Outcome, Refused, Storage, StorageError};

/// A storage that several nodes share.
#[derive(Clone, Default)]
struct Disk(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    data: Data,
    transactions: usize,
    /// Before which transaction another node is promoted, which takes the order 900.
    other_promotion: Option<usize>,
    /// What happens to the next transaction.
    next: Option<Fault>,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    NotReached,
    LostAnswer { is_stored: bool },
}

impl Disk {
    fn with_epoch(epoch: Epoch) -> Disk {
        let disk = Disk::default();
        disk.0.borrow_mut().data.epoch = epoch;
        disk
    }

    fn node(&self) -> Node<Disk> {
        Node::new(self.clone())
    }

    /// A node that was promoted from the current epoch.
    fn primary(&self) -> Node<Disk> {
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

    fn epoch(&self) -> Epoch {
        self.0.borrow().data.epoch
    }

    fn orders(&self) -> Vec<u64> {
        self.0.borrow().data.orders.clone()
    }

    /// The process is paused before the next transaction number `number`, and another node is
    /// promoted meanwhile.
    fn promote_before_transaction(&self, number: usize) {
        let mut state = self.0.borrow_mut();
        state.transactions = 0;
        state.other_promotion = Some(number);
    }

    /// Whether the other node was promoted.
    fn was_other_promoted(&self) -> bool {
        self.0.borrow_mut().other_promotion.take().is_none()
    }

    fn fail_next(&self, fault: Fault) {
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

// Rule 1.
#[test]
fn primary_stores_orders() {
    let disk = Disk::with_epoch(4);
    let mut node = disk.primary();

    let outcomes = [node.write(1), node.write(2)];

    assert_eq!(
        outcomes,
        [Outcome::Ok, Outcome::Ok],
        "the node was promoted, and its epoch is the one of the data: what does your comparison \
         say if both are equal?"
    );
    assert_eq!(disk.orders(), [1, 2], "both writes were confirmed");
}

// Rule 1.
#[test]
fn replaced_primary_is_refused() {
    let disk = Disk::with_epoch(4);
    let mut old = disk.primary();
    assert_eq!(old.write(1), Outcome::Ok, "the node is the primary");
    let mut new = disk.primary();

    let outcome = old.write(2);

    assert_eq!(
        disk.orders(),
        [1],
        "another node was promoted, and then the old primary stored order 2: who compares the \
         epochs?"
    );
    assert_eq!(
        outcome,
        Outcome::Failed,
        "the old primary's order is not stored"
    );
    assert_eq!(new.write(3), Outcome::Ok, "the new primary is not fenced");
}

// Rule 1.
#[test]
fn paused_primary_is_refused() {
    for number in 1..=3 {
        let disk = Disk::with_epoch(4);
        let mut old = disk.primary();
        disk.promote_before_transaction(number);

        let outcome = old.write(1);

        if disk.was_other_promoted() {
            assert!(
                !disk.orders().contains(&1),
                "the primary was paused just before transaction {number} of its write. Another \
                 node was promoted and took order 900. Then the old primary woke up and stored \
                 order 1. Can a promotion come between the check and the order?"
            );
            assert_eq!(outcome, Outcome::Failed, "the order is not stored");
        } else {
            assert_eq!(
                (outcome, disk.orders()),
                (Outcome::Ok, vec![1]),
                "the write ended before the other node was promoted. If it was refused: can a \
                 promotion come between the check and the order?"
            );
        }
    }
}

// Rule 1.
#[test]
fn older_data_is_not_written() {
    let disk = Disk::with_epoch(4);
    let mut node = disk.primary();
    // An operator restores a backup.
    disk.0.borrow_mut().data.epoch = 3;

    let outcome = node.write(1);

    assert_eq!(
        (outcome, disk.orders()),
        (Outcome::Failed, vec![]),
        "the node has epoch 5, and the data, which an operator has restored from a backup, has \
         epoch 3. It is not the data that this node was promoted for: does a node write to older \
         data?"
    );
}

// Rule 2.
#[test]
fn node_without_promotion_takes_no_writes() {
    let disk = Disk::default();

    let outcome = disk.node().write(1);

    assert_eq!(
        (outcome, disk.orders()),
        (Outcome::Failed, vec![]),
        "the storage is new, and no node was ever promoted, but a node has stored an order. Does a \
         node without an epoch use 0?"
    );
}

// Rule 2.
#[test]
fn restarted_node_takes_no_writes() {
    let disk = Disk::with_epoch(4);
    drop(disk.primary());
    let _new = disk.primary();

    let outcome = disk.node().write(1);

    assert_eq!(
        (outcome, disk.orders()),
        (Outcome::Failed, vec![]),
        "the old primary was started again, while another node is the primary, and it stored an \
         order. Who gave it an epoch?"
    );
}

// Rule 3.
#[test]
fn promotion_raises_the_epoch() {
    let disk = Disk::with_epoch(4);
    let mut old = disk.primary();

    let mut new = disk.primary();

    assert_eq!(
        [old.write(1), new.write(2)],
        [Outcome::Failed, Outcome::Ok],
        "a second node was promoted, so only this one may write: does the old primary have the \
         same epoch?"
    );
    assert_eq!(
        disk.epoch(),
        6,
        "the data had epoch 4, and two nodes were promoted: each promotion raises it by one, and \
         the new epoch must be in the data, where the storage can compare it"
    );
}

// Rule 3.
#[test]
fn one_epoch_has_one_node() {
    let disk = Disk::with_epoch(4);
    let (mut first, mut second) = (disk.node(), disk.node());

    let outcomes = [first.promote(4), second.promote(4)];
    let writes = [first.write(1), second.write(2)];

    assert_ne!(
        writes,
        [Outcome::Ok, Outcome::Ok],
        "two coordinators have observed epoch 4, and each has promoted a node. Both nodes write, so \
         there are two primaries: may two nodes have the same epoch?"
    );
    assert_eq!(
        (outcomes, writes),
        (
            [Outcome::Ok, Outcome::Failed],
            [Outcome::Ok, Outcome::Failed]
        ),
        "two coordinators have observed epoch 4. The first one promoted a node, so the second one \
         comes too late: is it still the epoch that the coordinator has observed?"
    );
}

// Rule 3.
#[test]
fn promotions_at_the_same_time_exclude_each_other() {
    for number in 1..=3 {
        let disk = Disk::with_epoch(4);
        let mut node = disk.node();
        disk.promote_before_transaction(number);

        let outcome = node.promote(4);

        if disk.was_other_promoted() {
            // The other node has epoch 5.
            assert_eq!(
                (outcome, disk.epoch()),
                (Outcome::Failed, 5),
                "another node was promoted from epoch 4 to 5, just before transaction {number} of \
                 this promotion from epoch 4. It must fail: may two nodes have the same epoch?"
            );
        }
    }
}

// Rule 3.
#[test]
fn promotion_needs_the_observed_epoch() {
    for observed in [3, 5, 9] {
        let disk = Disk::with_epoch(4);

        let outcome = disk.node().promote(observed);

        assert_eq!(
            (outcome, disk.epoch()),
            (Outcome::Failed, 4),
            "the data has epoch 4, and the coordinator says {observed}, so its knowledge is not \
             about this data. Is it still the epoch that the coordinator has observed? Otherwise, \
             may two nodes have the same epoch?"
        );
    }
}

// Rule 4.
#[test]
fn epoch_counts_when_it_is_stored() {
    for fault in [Fault::NotReached, Fault::LostAnswer { is_stored: false }] {
        let disk = Disk::with_epoch(4);
        let mut node = disk.node();
        disk.fail_next(fault);
        let outcome = node.promote(4);
        assert_ne!(
            outcome,
            Outcome::Ok,
            "{fault:?}: the raise is not confirmed"
        );
        let _other = disk.primary();

        let write = node.write(1);

        assert_eq!(
            (write, disk.orders()),
            (Outcome::Failed, vec![]),
            "{fault:?}: a promotion from 4 to 5 was not confirmed and not stored. Then another node \
             was promoted from 4 to 5, and the first node wrote with the same epoch. When does a \
             node have its new epoch?"
        );
    }
}

// Rule 4.
#[test]
fn refused_promotion_gives_no_epoch() {
    let disk = Disk::with_epoch(4);
    let _other = disk.primary();
    let mut node = disk.node();
    let outcome = node.promote(4);
    assert_eq!(
        outcome,
        Outcome::Failed,
        "the data has epoch 5 already: may two nodes have the same epoch?"
    );

    let write = node.write(1);

    assert_eq!(
        (write, disk.orders()),
        (Outcome::Failed, vec![]),
        "the promotion was refused, because another node has epoch 5, and then the node wrote. When \
         does a node have its new epoch?"
    );
}

// Rule 4.
#[test]
fn promotion_is_stored_before_the_first_write() {
    let disk = Disk::with_epoch(4);
    let mut node = disk.node();

    let outcome = node.promote(4);

    assert_eq!(
        (outcome, disk.epoch()),
        (Outcome::Ok, 5),
        "the promotion from 4 succeeded, so the new epoch, 5, must be in the data before the node \
         writes"
    );
}

// Rule 5.
#[test]
fn refused_node_stays_fenced() {
    let disk = Disk::with_epoch(4);
    let mut old = disk.primary();
    let mut new = disk.primary();

    let outcomes = [old.write(1), old.write(2), old.write(3)];

    assert_eq!(
        disk.epoch(),
        6,
        "no coordinator has promoted the old primary, but after its write the data has another \
         epoch. Does a refused node promote itself?"
    );
    assert_eq!(
        (outcomes, disk.orders()),
        ([Outcome::Failed; 3], vec![]),
        "the old primary was refused, and a later write of it was stored, although another node is \
         the primary. Does a refused node take over the new epoch?"
    );
    assert_eq!(new.write(4), Outcome::Ok, "the new primary is not fenced");
}

// Rule 5.
#[test]
fn promotion_ends_the_fence() {
    let disk = Disk::with_epoch(4);
    let mut node = disk.primary();
    drop(disk.primary());
    assert_eq!(node.write(1), Outcome::Failed, "the node was replaced");

    let promotion = node.promote(6);

    assert_eq!(
        (promotion, node.write(2)),
        (Outcome::Ok, Outcome::Ok),
        "a coordinator has promoted the node again, so it may write again"
    );
}

// Rule 6.
#[test]
fn lost_answer_of_a_write_is_unknown() {
    for is_stored in [true, false] {
        let disk = Disk::with_epoch(4);
        let mut node = disk.primary();
        disk.fail_next(Fault::LostAnswer { is_stored });

        let outcome = node.write(1);

        let orders = disk.orders();
        assert_eq!(
            orders.len(),
            usize::from(is_stored),
            "the connection broke during the commit of one order, and now the orders are \
             {orders:?}: do you send it again?"
        );
        assert_ne!(
            outcome,
            Outcome::Ok,
            "the connection broke during the commit. Is a lost answer a success?"
        );
        assert_eq!(
            outcome,
            Outcome::Unknown,
            "the connection broke during the commit, and the order may be stored: is a lost answer \
             a failure?"
        );
    }
}

// Rule 6.
#[test]
fn lost_answer_of_a_promotion_is_unknown() {
    for is_stored in [true, false] {
        let disk = Disk::with_epoch(4);
        let mut node = disk.node();
        disk.fail_next(Fault::LostAnswer { is_stored });

        let outcome = node.promote(4);

        assert_eq!(
            outcome,
            Outcome::Unknown,
            "the connection broke during the commit of a promotion, and the epoch may be raised or \
             not: is a lost answer a failure? Is a lost answer a success?"
        );
    }
}

// Rule 6.
#[test]
fn unreached_storage_is_a_failure() {
    let disk = Disk::with_epoch(4);
    disk.fail_next(Fault::NotReached);
    let promotion = disk.node().promote(4);
    assert_eq!(
        (promotion, disk.epoch()),
        (Outcome::Failed, 4),
        "the transaction of a promotion was not begun, so nothing is stored. Is nothing known? And \
         do you send it again?"
    );
    let mut node = disk.primary();
    disk.fail_next(Fault::NotReached);

    let outcome = node.write(1);

    assert_eq!(
        (outcome, disk.orders()),
        (Outcome::Failed, vec![]),
        "the transaction was not begun, so nothing is stored. Is nothing known? And do you send it \
         again?"
    );
}
