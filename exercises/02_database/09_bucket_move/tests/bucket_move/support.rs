//! Two shards and a directory in memory, and the customers who write to them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Died, FEW, Mover, OrderId, Outcome, Shard};

/// The commands that a test waits for, or that have their own checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
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
pub enum Write {
    Place(u64),
    Change(OrderId, u64),
    Remove(OrderId),
}

/// The rows of the bucket on one shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    pub orders: BTreeMap<OrderId, u64>,
    pub next: OrderId,
    pub is_active: bool,
}

/// Runs after each command, with the number of commands so far.
pub type Hook = Box<dyn FnMut(usize, Command, &mut State)>;

/// When the mover dies: at this command, which is executed or not.
#[derive(Clone, Copy, Debug)]
pub struct Death {
    pub at: usize,
    pub is_executed: bool,
}

/// Two shards and a directory.
#[derive(Clone)]
pub struct Cluster(pub Rc<RefCell<State>>);

pub struct State {
    pub old: Rows,
    pub new: Rows,
    pub map: Shard,
    pub is_given_away: bool,
    /// The order of each recorded change, by the number of the change.
    pub log: Option<BTreeMap<u64, OrderId>>,
    pub last_number: u64,
    /// A transaction that has taken its number and has not committed.
    pub running: Option<(u64, OrderId, u64)>,
    pub is_blocked: bool,
    pub waiting: Vec<Write>,
    /// What customers know: the orders that were confirmed.
    pub confirmed: BTreeMap<OrderId, u64>,
    pub commands: Vec<Command>,
    pub hook: Option<Hook>,
    pub death: Option<Death>,
    pub is_dead: bool,
}

impl Cluster {
    /// The old shard has orders 1 to 5, and nothing waits.
    pub fn new() -> Cluster {
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
    pub fn with_hook(hook: impl FnMut(usize, Command, &mut State) + 'static) -> Cluster {
        let cluster = Cluster::new();
        cluster.0.borrow_mut().hook = Some(Box::new(hook));
        cluster
    }

    pub fn run(&self) -> Result<Outcome, Died> {
        Mover::new(self.clone()).run()
    }

    /// Resumes in a new process.
    pub fn resume(&self, death: Option<Death>) -> Result<Outcome, Died> {
        {
            let mut state = self.0.borrow_mut();
            state.is_dead = false;
            state.death = death;
            state.commands.clear();
        }
        Mover::new(self.clone()).resume()
    }

    /// Compares the whole cluster with what the customers know.
    pub fn check(&self, owner: Shard, when: &str) {
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
    pub fn has(&self, command: Command) -> bool {
        self.commands.contains(&command)
    }

    /// A customer writes to the owner, waits, or is refused and told so.
    pub fn write(&mut self, write: Write) {
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
    pub fn begin(&mut self, id: OrderId, cents: u64) {
        self.last_number += 1;
        self.running = Some((self.last_number, id, cents));
    }

    pub fn commit(&mut self) {
        let Some((number, id, cents)) = self.running.take() else {
            return;
        };
        self.old.orders.insert(id, cents);
        self.confirmed.insert(id, cents);
        if let Some(log) = &mut self.log {
            log.insert(number, id);
        }
    }

    pub fn end_block(&mut self) {
        self.is_blocked = false;
        for write in std::mem::take(&mut self.waiting) {
            self.write(write);
        }
    }

    /// Whether customers find the new owner.
    pub fn is_published(&self) -> bool {
        self.new.is_active && self.map == Shard::New
    }

    /// What must be true before a command.
    pub fn check_before(&self, command: Command) {
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

    pub fn check_decision(&self) {
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
    pub fn command<T>(
        &self,
        command: Command,
        work: impl FnOnce(&mut State) -> T,
    ) -> Result<T, Died> {
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
