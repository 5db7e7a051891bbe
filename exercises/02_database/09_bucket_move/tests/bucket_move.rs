// The tests of `bucket_move`. Their servers are in memory. Between any two commands of the mover,
// a test can let customers write, commit late, damage the copy, or kill the mover.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use bucket_move::{Change, Died, Digest, FEW, Mover, Order, OrderId, Outcome, Servers, Shard};

/// The commands that a test waits for, or that have their own checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    StartLog,
    StopLog,
    Orders,
    Order,
    Changes,
    RemoveChanges,
    NextNumber,
    Block,
    Release,
    GiveAway,
    IsGivenAway,
    Store,
    SetNextNumber,
    Activate,
    ChangeMap,
    Digest(Shard),
    Delete(Shard),
}

/// What a customer does.
#[derive(Clone, Copy, Debug)]
enum Write {
    Place(u64),
    Change(OrderId, u64),
    Remove(OrderId),
}

/// The rows of the bucket on one shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rows {
    orders: BTreeMap<OrderId, u64>,
    next: OrderId,
    is_active: bool,
}

/// Runs after each command, with the number of commands so far.
type Hook = Box<dyn FnMut(usize, Command, &mut State)>;

/// When the mover dies: at this command, which is executed or not.
#[derive(Clone, Copy, Debug)]
struct Death {
    at: usize,
    is_executed: bool,
}

/// Two shards and a directory.
#[derive(Clone)]
struct Cluster(Rc<RefCell<State>>);

struct State {
    old: Rows,
    new: Rows,
    map: Shard,
    is_given_away: bool,
    /// The order of each recorded change, by the number of the change.
    log: Option<BTreeMap<u64, OrderId>>,
    last_number: u64,
    /// A transaction that has taken its number and has not committed.
    running: Option<(u64, OrderId, u64)>,
    is_blocked: bool,
    waiting: Vec<Write>,
    /// What customers know: the orders that were confirmed.
    confirmed: BTreeMap<OrderId, u64>,
    commands: Vec<Command>,
    hook: Option<Hook>,
    death: Option<Death>,
    is_dead: bool,
}

impl Cluster {
    /// The old shard has orders 1 to 5, and nothing waits.
    fn new() -> Cluster {
        let orders: BTreeMap<OrderId, u64> = (1..=5).map(|id| (id, id * 100)).collect();
        Cluster(Rc::new(RefCell::new(State {
            old: Rows {
                orders: orders.clone(),
                next: 6,
                is_active: true,
            },
            new: Rows::default(),
            map: Shard::Old,
            is_given_away: false,
            log: None,
            last_number: 0,
            running: None,
            is_blocked: false,
            waiting: Vec::new(),
            confirmed: orders,
            commands: Vec::new(),
            hook: None,
            death: None,
            is_dead: false,
        })))
    }

    /// A cluster with something that happens between commands.
    fn with_hook(hook: impl FnMut(usize, Command, &mut State) + 'static) -> Cluster {
        let cluster = Cluster::new();
        cluster.0.borrow_mut().hook = Some(Box::new(hook));
        cluster
    }

    fn run(&self) -> Result<Outcome, Died> {
        Mover::new(self.clone()).run()
    }

    /// Resumes in a new process.
    fn resume(&self, death: Option<Death>) -> Result<Outcome, Died> {
        {
            let mut state = self.0.borrow_mut();
            state.is_dead = false;
            state.death = death;
            state.commands.clear();
        }
        Mover::new(self.clone()).resume()
    }

    /// Compares the whole cluster with what the customers know.
    fn check(&self, owner: Shard, when: &str) {
        let state = self.0.borrow();
        let (rows, other) = match owner {
            Shard::Old => (&state.old, &state.new),
            Shard::New => (&state.new, &state.old),
        };
        assert!(
            rows.is_active && !other.is_active && state.map == owner,
            "{when}: the {owner:?} shard must own the bucket alone, and the map must name it. \
             Active: old {}, new {}. The map names {:?}",
            state.old.is_active,
            state.new.is_active,
            state.map
        );
        assert_eq!(
            rows.orders, state.confirmed,
            "{when}: the owner's orders (left) must be those that were confirmed to customers \
             (right): do you lose or revive an order?"
        );
        assert!(
            other.orders.is_empty(),
            "{when}: the shard that does not own the bucket still has its orders: do you clean up?"
        );
        assert!(
            state.log.is_none(),
            "{when}: the log is still on, and grows for ever: do you stop it?"
        );
        assert!(
            !state.is_blocked && state.waiting.is_empty(),
            "{when}: writers still wait: do you release them, however the move ends?"
        );
    }
}

impl State {
    fn has(&self, command: Command) -> bool {
        self.commands.contains(&command)
    }

    /// A customer writes to the owner, waits, or is refused and told so.
    fn write(&mut self, write: Write) {
        if self.is_blocked {
            self.waiting.push(write);
            return;
        }
        let rows = if self.old.is_active {
            &mut self.old
        } else if self.map == Shard::New && self.new.is_active {
            &mut self.new
        } else {
            return;
        };
        let (id, cents) = match write {
            Write::Place(cents) => {
                rows.next += 1;
                (rows.next - 1, Some(cents))
            }
            Write::Change(id, cents) => (id, Some(cents)),
            Write::Remove(id) => (id, None),
        };
        for orders in [&mut rows.orders, &mut self.confirmed] {
            match cents {
                Some(cents) => orders.insert(id, cents),
                None => orders.remove(&id),
            };
        }
        if self.old.is_active {
            self.last_number += 1;
            if let Some(log) = &mut self.log {
                log.insert(self.last_number, id);
            }
        }
    }

    /// Changes an order in a transaction that commits later.
    fn begin(&mut self, id: OrderId, cents: u64) {
        self.last_number += 1;
        self.running = Some((self.last_number, id, cents));
    }

    fn commit(&mut self) {
        let Some((number, id, cents)) = self.running.take() else {
            return;
        };
        self.old.orders.insert(id, cents);
        self.confirmed.insert(id, cents);
        if let Some(log) = &mut self.log {
            log.insert(number, id);
        }
    }

    fn end_block(&mut self) {
        self.is_blocked = false;
        for write in std::mem::take(&mut self.waiting) {
            self.write(write);
        }
    }

    /// Whether customers find the new owner.
    fn is_published(&self) -> bool {
        self.new.is_active && self.map == Shard::New
    }

    /// What must be true before a command.
    fn check_before(&self, command: Command) {
        assert!(
            self.commands.len() < 2_000,
            "the mover has sent 2000 commands, and there is no end: does the log get shorter?"
        );
        match command {
            Command::Orders => {
                assert!(
                    !self.is_given_away,
                    "the old shard has given the bucket away, and its rows are copied again. They \
                     are older than what the new owner has: what can still be undone?"
                );
                assert!(
                    !self.is_blocked,
                    "all orders are copied while the writers wait. When does your block begin?"
                );
            }
            Command::Block => {
                let length = self.log.as_ref().map_or(0, BTreeMap::len);
                assert!(
                    length <= FEW,
                    "the block begins with {length} changes in the log, and {FEW} are allowed: do \
                     you catch up first?"
                );
            }
            Command::GiveAway => self.check_decision(),
            Command::Activate => assert!(
                self.is_given_away,
                "both shards would own the bucket: which one decides first?"
            ),
            Command::ChangeMap => assert!(
                self.new.is_active,
                "the map would name a shard that refuses the bucket: what comes before the map?"
            ),
            Command::Release if self.is_blocked => assert!(
                self.old.is_active || self.is_published(),
                "the waiting writers are released, but no shard takes their orders yet: what do \
                 they wait for?"
            ),
            Command::Delete(Shard::Old) => {
                assert!(
                    self.is_published(),
                    "the rows on the old shard are deleted before the new owner is active and in \
                     the map: is it too early?"
                );
                assert!(
                    !self.is_blocked,
                    "writers wait while you clean up, and they have an owner already: when do you \
                     release them?"
                );
            }
            Command::Delete(Shard::New) => assert!(
                !self.is_given_away,
                "the bucket was given to the new shard, and its orders there are deleted: what can \
                 still be undone after the decision?"
            ),
            _ => {}
        }
    }

    fn check_decision(&self) {
        assert!(
            self.is_given_away || self.is_blocked,
            "the bucket is given away while customers write to the old shard: do you block first?"
        );
        assert!(
            self.is_given_away || self.old.orders == self.new.orders,
            "the bucket is given away, but the new shard has other orders than the old one: do you \
             record all changes, and compare after the last one? Old: {:?}, new: {:?}",
            self.old.orders,
            self.new.orders
        );
        assert!(
            self.is_given_away || self.old.next == self.new.next,
            "the bucket is given away, but the new shard would use {} as the next number, and the \
             old one {}: do you copy and compare the next number?",
            self.new.next,
            self.old.next
        );
    }
}

impl Cluster {
    /// Executes a command, unless the mover dies before it.
    fn command<T>(&self, command: Command, work: impl FnOnce(&mut State) -> T) -> Result<T, Died> {
        let mut state = self.0.borrow_mut();
        if state.is_dead {
            return Err(Died);
        }
        state.check_before(command);
        state.commands.push(command);
        let number = state.commands.len();
        let death = state.death.filter(|it| it.at == number);
        state.is_dead = death.is_some();
        let result = match death {
            Some(death) if !death.is_executed => None,
            _ => Some(work(&mut state)),
        };
        if state.is_dead {
            // The block belongs to the connection of the mover.
            state.end_block();
            return Err(Died);
        }
        if let Some(mut hook) = state.hook.take() {
            hook(number, command, &mut state);
            state.hook = Some(hook);
        }
        result.ok_or(Died)
    }
}

impl Servers for Cluster {
    fn start_log(&self) -> Result<(), Died> {
        self.command(Command::StartLog, |it| {
            it.log.get_or_insert_default();
        })
    }

    fn stop_log(&self) -> Result<(), Died> {
        self.command(Command::StopLog, |it| it.log = None)
    }

    fn orders(&self) -> Result<Vec<Order>, Died> {
        self.command(Command::Orders, |it| {
            let orders = it.old.orders.iter();
            orders.map(|(&id, &cents)| Order { id, cents }).collect()
        })
    }

    fn order(&self, id: OrderId) -> Result<Option<Order>, Died> {
        self.command(Command::Order, |it| {
            let cents = it.old.orders.get(&id);
            cents.map(|&cents| Order { id, cents })
        })
    }

    fn changes(&self) -> Result<Vec<Change>, Died> {
        self.command(Command::Changes, |it| {
            let log = it.log.iter().flatten();
            log.map(|(&number, &order)| Change { number, order })
                .collect()
        })
    }

    fn remove_changes(&self, numbers: &[u64]) -> Result<(), Died> {
        self.command(Command::RemoveChanges, |it| {
            if let Some(log) = &mut it.log {
                log.retain(|number, _| !numbers.contains(number));
            }
        })
    }

    fn next_number(&self) -> Result<OrderId, Died> {
        self.command(Command::NextNumber, |it| it.old.next)
    }

    fn block(&self) -> Result<(), Died> {
        self.command(Command::Block, |it| {
            it.commit();
            it.is_blocked = true;
        })
    }

    fn release(&self) -> Result<(), Died> {
        self.command(Command::Release, State::end_block)
    }

    fn give_away(&self) -> Result<(), Died> {
        self.command(Command::GiveAway, |it| {
            it.old.is_active = false;
            it.is_given_away = true;
        })
    }

    fn is_given_away(&self) -> Result<bool, Died> {
        self.command(Command::IsGivenAway, |it| it.is_given_away)
    }

    fn store(&self, id: OrderId, order: Option<Order>) -> Result<(), Died> {
        self.command(Command::Store, |it| {
            match order {
                Some(order) => it.new.orders.insert(id, order.cents),
                None => it.new.orders.remove(&id),
            };
        })
    }

    fn set_next_number(&self, next: OrderId) -> Result<(), Died> {
        self.command(Command::SetNextNumber, |it| it.new.next = next)
    }

    fn activate(&self) -> Result<(), Died> {
        self.command(Command::Activate, |it| it.new.is_active = true)
    }

    fn change_map(&self) -> Result<(), Died> {
        self.command(Command::ChangeMap, |it| it.map = Shard::New)
    }

    fn digest(&self, shard: Shard) -> Result<Digest, Died> {
        self.command(Command::Digest(shard), |it| {
            let rows = match shard {
                Shard::Old => &it.old,
                Shard::New => &it.new,
            };
            let sums = rows.orders.iter().map(|(id, cents)| id * 1_000_003 + cents);
            Digest {
                count: rows.orders.len(),
                checksum: sums.sum(),
                next: rows.next,
            }
        })
    }

    fn delete(&self, shard: Shard) -> Result<(), Died> {
        self.command(Command::Delete(shard), |it| match shard {
            Shard::Old => it.old.orders.clear(),
            Shard::New => it.new.orders.clear(),
        })
    }
}

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
