//! Rules 1 and 2: only the promoted node writes.

use super::Outcome;
use super::support::Disk;

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
