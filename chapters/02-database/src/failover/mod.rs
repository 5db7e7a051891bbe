//! Fail-over: another server becomes the primary, and no confirmed write is lost.
//!
//! The [`Coordinator`] finds that the primary has failed, promotes the most advanced replica, and
//! raises the cluster's *epoch*, a number in the table `cluster_epoch`. It also *fences* the former
//! primary: as soon as that server can be reached, it takes no writes. Each clone has a
//! [`PrimaryDirectory`], which finds the primary of the highest epoch, and a [`Writer`], which
//! commits only if the primary still has the epoch that the clone expects.
//!
//! Two things protect a confirmed write. With a synchronous [`CommitMode`] the primary confirms
//! nothing that no standby has. The coordinator cuts all standbys off from the old primary
//! before it compares them, so the old primary confirms nothing after that.
//!
//! Left out, and what Patroni (with etcd), `pg_auto_failover` or a managed service adds:
//! * Several coordinators that agree on one leader. This one is a single point of failure.
//! * A lease. An *asynchronous* primary that only the coordinator cannot reach still takes the
//!   writes of clones that cannot reach the coordinator's choice either. Patroni's primary stops
//!   itself when it cannot renew its lease in etcd, and a watchdog stops it if Patroni hangs.
//! * Rejoining with `pg_rewind`. Here a former primary comes back as a new base backup.

mod commit_mode;
mod coordinator;
mod directory;
mod node;
mod outcome;
mod writer;

/// The number of the cluster's primary: 1 at first, one more after each fail-over.
pub type Epoch = i64;

pub use commit_mode::CommitMode;
pub use coordinator::{Coordinator, FailoverError, Promotion, Server};
pub use directory::{Primary, PrimaryDirectory};
pub use node::NodeState;
pub use outcome::WriteOutcome;
pub use writer::Writer;
