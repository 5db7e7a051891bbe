//! The naive versions of this chapter's techniques, each with a name.

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
    MapEpoch,
}
