//! Rules 5 to 8: the comparison, the decision and the clean-up.

use super::support::{Cluster, Command, Rows, Write};
use super::{Outcome, Shard};

/// A way to damage the copy on the new shard.
type Damage = fn(&mut Rows);

// Rules 5, 7 and 8. The copy is damaged before or during the block, and a writer waits.
#[test]
fn copy_that_differs_ends_the_move() {
    let damages: [(&str, Damage); 4] = [
        ("an order is missing", |rows| {
            rows.orders.remove(&1);
        }),
        ("an order has another price", |rows| {
            rows.orders.insert(1, 1);
        }),
        ("there is one order too many", |rows| {
            rows.orders.insert(77, 1);
        }),
        ("two orders have lost their prices", |rows| {
            rows.orders.insert(1, 0);
            rows.orders.insert(2, 0);
        }),
    ];
    for (what, damage) in damages {
        for moment in [Command::Changes, Command::Block] {
            let cluster = Cluster::with_hook(move |_, command, state| {
                if command == moment {
                    damage(&mut state.new);
                }
                if command == Command::Block {
                    state.write(Write::Place(700));
                }
            });

            assert_eq!(
                cluster.run(),
                Ok(Outcome::Kept),
                "{what} on the new shard after {moment:?}: do you compare after the last change?"
            );
            cluster.check(Shard::Old, what);
            cluster.0.borrow_mut().hook = None;
            assert_eq!(
                cluster.run(),
                Ok(Outcome::Moved),
                "the move gave up, and it must be possible to begin again"
            );
            cluster.check(Shard::New, "after a second move");
        }
    }
}

// Rule 5. Orders were placed and removed again, so only the next number differs from the copy's.
#[test]
fn next_number_moves_too() {
    for moment in [Command::StartLog, Command::Orders, Command::Changes] {
        let cluster = Cluster::with_hook(move |_, command, state| {
            if command == moment && !state.has(Command::Block) {
                state.write(Write::Place(700));
                let placed = state.old.next - 1;
                state.write(Write::Remove(placed));
            }
        });

        assert_eq!(
            cluster.run(),
            Ok(Outcome::Moved),
            "an order was placed and removed after {moment:?}, and the next numbers differ: when do \
             you copy the next number?"
        );
        let next = cluster.0.borrow().new.next;
        assert!(
            next >= 7,
            "the next order would get the number {next}, which was used before"
        );
    }
}

// Rules 6 and 7. A writer waits at the block.
#[test]
fn move_has_one_decision() {
    let cluster = Cluster::with_hook(|_, command, state| {
        if command == Command::Block {
            state.write(Write::Place(700));
        }
    });

    assert_eq!(
        cluster.run(),
        Ok(Outcome::Moved),
        "nothing is wrong, so the bucket must move"
    );
    assert!(
        cluster.0.borrow().is_given_away,
        "the old shard must give the bucket away"
    );
    assert!(
        cluster.0.borrow().confirmed.contains_key(&6),
        "the writer that waited for the move must have its order"
    );
    cluster.check(Shard::New, "after a move with a waiting writer");
}
