//! Rule 9: the mover dies, and another process resumes.

use super::support::{Cluster, Command, Death, Write};
use super::{Outcome, Shard};

/// Customers write during the copy, and one waits at the block.
fn busy_cluster() -> Cluster {
    Cluster::with_hook(|_, command, state| match command {
        Command::Orders => {
            state.write(Write::Place(700));
            state.write(Write::Remove(3));
        }
        Command::Block => state.write(Write::Change(2, 222)),
        _ => {}
    })
}

// Rule 9. The mover dies at each command, which is executed or not. Customers write, and another
// process resumes.
#[test]
fn move_that_died_is_finished() {
    for is_executed in [false, true] {
        for at in 1.. {
            let cluster = busy_cluster();
            cluster.0.borrow_mut().death = Some(Death { at, is_executed });
            if cluster.run().is_ok() {
                break;
            }
            let last = cluster.0.borrow().commands.last().copied();
            let when = format!("the mover died at {last:?} (executed: {is_executed})");
            check_resumed(&cluster, &when);
        }
    }
}

// Rule 9. The process that resumes dies at each of its commands as well.
#[test]
fn resumed_move_may_die_too() {
    for is_executed in [false, true] {
        'moments: for at in 1.. {
            for again in 1.. {
                let cluster = busy_cluster();
                cluster.0.borrow_mut().death = Some(Death { at, is_executed });
                if cluster.run().is_ok() {
                    break 'moments;
                }
                let first = cluster.0.borrow().commands.last().copied();
                let death = Death {
                    at: again,
                    is_executed,
                };
                if cluster.resume(Some(death)).is_ok() {
                    break;
                }
                let second = cluster.0.borrow().commands.last().copied();
                let when = format!("the mover died at {first:?}, and the next one at {second:?}");
                check_resumed(&cluster, &when);
            }
        }
    }
}

/// Writes, resumes, writes again, and checks that the decision was respected.
fn check_resumed(cluster: &Cluster, when: &str) {
    cluster.0.borrow_mut().hook = None;
    cluster.0.borrow_mut().write(Write::Change(1, 111));
    cluster.0.borrow_mut().write(Write::Place(800));
    let is_given_away = cluster.0.borrow().is_given_away;
    let (outcome, owner) = if is_given_away {
        (Outcome::Moved, Shard::New)
    } else {
        (Outcome::Kept, Shard::Old)
    };

    assert_eq!(
        cluster.resume(None),
        Ok(outcome),
        "{when}. The bucket was given away: {is_given_away}. What does that say about going \
         forward or back?"
    );
    cluster.check(owner, when);
    cluster.0.borrow_mut().write(Write::Place(900));
    cluster.check(owner, when);
    if owner == Shard::Old {
        assert_eq!(cluster.run(), Ok(Outcome::Moved), "{when}: begin again");
        cluster.check(Shard::New, when);
    }
}
