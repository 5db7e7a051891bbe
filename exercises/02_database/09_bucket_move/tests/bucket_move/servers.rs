//! What each command of the mover does to the cluster.

use super::support::{Cluster, Command, State};
use super::{Change, Died, Digest, Order, OrderId, Servers, Shard};

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
