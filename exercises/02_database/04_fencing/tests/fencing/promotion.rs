//! Rules 3, 4 and 5: promotions, and what fences a node.

use super::Outcome;
use super::support::{Disk, Fault};

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
