//! Rules 1 to 4: changes during the copy, and rounds until few are left.

use super::support::{Cluster, Command, Write};
use super::{Outcome, Shard};

// Rule 1. Orders are written exactly after the orders were read, and one is changed.
#[test]
fn writes_during_the_copy_are_moved() {
    let cluster = Cluster::with_hook(|_, command, state| {
        if command == Command::Orders {
            state.write(Write::Place(700));
            state.write(Write::Change(2, 999));
        }
    });

    assert_eq!(
        cluster.run(),
        Ok(Outcome::Moved),
        "customers wrote while the copy ran, and the move gave up or missed it: when does your log \
         begin?"
    );
    cluster.check(Shard::New, "after writes during the copy");
}

// Rules 1, 6 and 8. A customer places, changes or removes an order after any one command.
#[test]
fn write_at_any_moment_is_kept() {
    for write in [Write::Place(700), Write::Change(2, 999), Write::Remove(3)] {
        for moment in 1.. {
            let cluster = Cluster::with_hook(move |number, _, state| {
                if number == moment {
                    state.write(write);
                }
            });
            assert_eq!(
                cluster.run(),
                Ok(Outcome::Moved),
                "{write:?} after command {moment} made the move give up: {:?}",
                cluster.0.borrow().commands
            );
            cluster.check(Shard::New, &format!("{write:?} after command {moment}"));
            if cluster.0.borrow().commands.len() < moment {
                break;
            }
        }
    }
}

// Rule 2. A transaction takes its number first and commits when later changes were applied: after
// the first round, or only when the block waits for it.
#[test]
fn late_commit_is_applied() {
    for commits_at in [Command::RemoveChanges, Command::Block] {
        let cluster = Cluster::with_hook(move |_, command, state| {
            if command == Command::Orders {
                state.begin(1, 111);
                for cents in 1..=10 {
                    state.write(Write::Place(cents));
                }
            } else if command == commits_at {
                state.commit();
            }
        });

        assert_eq!(
            cluster.run(),
            Ok(Outcome::Moved),
            "a change with number 1 appeared after changes with greater numbers were applied. How \
             do you find the changes that are new?"
        );
        cluster.check(Shard::New, "after a late commit");
    }
}

// Rule 2. A change that appears while a round runs is not removed by this round.
#[test]
fn change_during_a_round_stays_in_the_log() {
    let mut is_done = false;
    let cluster = Cluster::with_hook(move |_, command, state| {
        if command == Command::Orders {
            state.begin(1, 111);
            for cents in 1..=10 {
                state.write(Write::Place(cents));
            }
        } else if command == Command::Order && !is_done {
            is_done = true;
            state.commit();
            state.write(Write::Change(2, 222));
        }
    });

    assert_eq!(
        cluster.run(),
        Ok(Outcome::Moved),
        "two changes appeared while a round was applied, one with a smaller number and one with a \
         greater one. Which changes do you remove from the log?"
    );
    cluster.check(Shard::New, "after changes during a round");
}

// Rule 3.
#[test]
fn newest_version_is_applied() {
    let cluster = Cluster::with_hook(|_, command, state| {
        if command == Command::Orders {
            state.write(Write::Change(1, 111));
            state.write(Write::Change(1, 112));
            state.write(Write::Remove(2));
            state.write(Write::Place(700));
            state.write(Write::Remove(6));
        }
    });

    assert_eq!(
        cluster.run(),
        Ok(Outcome::Moved),
        "order 1 was changed twice, and orders 2 and 6 were removed, and the digests differ. Which \
         version of an order do you apply, and what if it is gone?"
    );
    cluster.check(Shard::New, "after changes and removals");
}

// Rule 4. The log has 9 changes, then 7, 5, 4 and 2.
#[test]
fn block_begins_with_few_changes() {
    let mut arriving = vec![7, 5, 4, 2].into_iter();
    let cluster = Cluster::with_hook(move |_, command, state| {
        let writes = match command {
            Command::Orders => 9,
            Command::Changes => arriving.next().unwrap_or(0),
            _ => 0,
        };
        for cents in 0..writes {
            state.write(Write::Place(cents));
        }
    });

    assert_eq!(
        cluster.run(),
        Ok(Outcome::Moved),
        "each round left fewer changes than the round before, so the move must go on: when do you \
         give up?"
    );
    cluster.check(Shard::New, "after five rounds");
}

// Rule 4. As many changes arrive in each round as it applies.
#[test]
fn log_that_does_not_shrink_ends_the_move() {
    let cluster = Cluster::with_hook(|_, command, state| {
        if matches!(command, Command::Orders | Command::Changes) {
            for cents in 0..10 {
                state.write(Write::Place(cents));
            }
        }
    });

    assert_eq!(
        cluster.run(),
        Ok(Outcome::Kept),
        "the log does not get shorter, so the move must give up"
    );
    assert!(
        !cluster.0.borrow().has(Command::Block),
        "the log did not get shorter, and the writers had to wait for nothing"
    );
    cluster.check(Shard::Old, "after a move that could not follow");
}
