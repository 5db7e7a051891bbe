//! The naive versions of this chapter's techniques, each with a name.
//!
//! The demonstration takes the names with `--naive`, and chapter 5's `serve` those that its store
//! uses. [`RouterSettings::naive`](crate::replication::RouterSettings::naive),
//! [`Writer::naive`](crate::failover::Writer::naive) and
//! [`PgOrders::open_naive`](crate::PgOrders::open_naive) switch a technique by its name.

/// A technique that can be switched to its naive version, with `--naive NAME,NAME`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Naive {
    /// Reads ignore the consistency token. A user may not see her own write.
    Token,
    /// Writers do not check the epoch of the cluster. An old primary accepts writes after a
    /// fail-over, and they are lost.
    Fencing,
    /// The shard of a bucket is `bucket % shards` instead of an entry of a table. After one more
    /// shard, four of five customers do not find their orders.
    ModuloSharding,
    /// Requests do not name the epoch of the shard map. After a move, a clone with a stale map
    /// reads old data and writes orders to the wrong shard.
    #[value(name = "epoch")]
    MapEpoch,
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_technique_has_its_name() {
        for (name, naive) in [
            ("token", Some(Naive::Token)),
            ("fencing", Some(Naive::Fencing)),
            ("modulo-sharding", Some(Naive::ModuloSharding)),
            ("epoch", Some(Naive::MapEpoch)),
            ("tokens", None),
        ] {
            assert_eq!(Naive::from_str(name, false).ok(), naive, "{name}");
        }
        assert_eq!(Naive::value_variants().len(), 4);
    }
}
