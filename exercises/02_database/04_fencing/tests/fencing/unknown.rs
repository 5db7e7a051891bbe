//! Rule 6: the storage does not answer.

use super::Outcome;
use super::support::{Disk, Fault};

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
