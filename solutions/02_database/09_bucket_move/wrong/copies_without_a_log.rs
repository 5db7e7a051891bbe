// Wrong: the mover copies, blocks and switches, and records nothing.
// Says: do you record all changes
// Breaks: rule 1
#![allow(missing_docs, reason = "documented in the exercise")]

pub const FEW: usize = 3;

pub type OrderId = u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    pub id: OrderId,
    pub cents: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub number: u64,
    pub order: OrderId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shard {
    Old,
    New,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    pub count: usize,
    pub checksum: u64,
    pub next: OrderId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the mover has died; the last command may be executed or not")]
pub struct Died;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    Moved,
    Kept,
}

pub trait Servers {
    fn start_log(&self) -> Result<(), Died>;

    fn stop_log(&self) -> Result<(), Died>;

    fn orders(&self) -> Result<Vec<Order>, Died>;

    fn order(&self, id: OrderId) -> Result<Option<Order>, Died>;

    fn changes(&self) -> Result<Vec<Change>, Died>;

    fn remove_changes(&self, numbers: &[u64]) -> Result<(), Died>;

    fn next_number(&self) -> Result<OrderId, Died>;

    fn block(&self) -> Result<(), Died>;

    fn release(&self) -> Result<(), Died>;

    fn give_away(&self) -> Result<(), Died>;

    fn is_given_away(&self) -> Result<bool, Died>;

    fn store(&self, id: OrderId, order: Option<Order>) -> Result<(), Died>;

    fn set_next_number(&self, next: OrderId) -> Result<(), Died>;

    fn activate(&self) -> Result<(), Died>;

    fn change_map(&self) -> Result<(), Died>;

    fn digest(&self, shard: Shard) -> Result<Digest, Died>;

    fn delete(&self, shard: Shard) -> Result<(), Died>;
}

pub struct Mover<S> {
    servers: S,
}

impl<S: Servers> Mover<S> {
    pub fn new(servers: S) -> Self {
        Mover { servers }
    }

    pub fn run(&self) -> Result<Outcome, Died> {
        let servers = &self.servers;
        for order in servers.orders()? {
            servers.store(order.id, Some(order))?;
        }
        servers.block()?;
        servers.set_next_number(servers.next_number()?)?;
        servers.give_away()?;
        self.complete()
    }

    pub fn resume(&self) -> Result<Outcome, Died> {
        if self.servers.is_given_away()? {
            self.complete()
        } else {
            self.roll_back()
        }
    }

    fn apply(&self, changes: &[Change]) -> Result<(), Died> {
        for change in changes {
            let newest = self.servers.order(change.order)?;
            self.servers.store(change.order, newest)?;
        }
        let numbers: Vec<u64> = changes.iter().map(|it| it.number).collect();
        self.servers.remove_changes(&numbers)
    }

    fn complete(&self) -> Result<Outcome, Died> {
        self.servers.activate()?;
        self.servers.change_map()?;
        self.servers.release()?;
        self.servers.delete(Shard::Old)?;
        self.servers.stop_log()?;
        Ok(Outcome::Moved)
    }

    fn roll_back(&self) -> Result<Outcome, Died> {
        self.servers.release()?;
        self.servers.stop_log()?;
        self.servers.delete(Shard::New)?;
        Ok(Outcome::Kept)
    }
}
