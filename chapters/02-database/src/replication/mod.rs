//! Replication: a primary takes the writes, its replicas answer the reads.
//!
//! | file | content |
//! |---|---|
//! | `consistency.rs` | what a caller demands: [`Consistency`] and its token |
//! | `read.rs` | what a caller gets: the value, the server and a token |
//! | `lsn.rs`, `position.rs`, `lag.rs` | how far a server is, and how far behind |
//! | `router.rs`, `settings.rs` | which server answers a read |
//! | `primary.rs` | which server is the primary, before and after a fail-over |
//! | `replica.rs`, `monitor.rs` | which replicas may, checked in the background |
//! | `pins/` | which position the reads of a user need, stored for all clones |
//! | `time_window.rs` | the way of Rails, for comparison |

mod consistency;
mod lag;
mod lsn;
mod monitor;
pub mod pins;
mod position;
mod primary;
mod read;
mod replica;
mod router;
mod settings;
mod time_window;

pub use consistency::{Consistency, ConsistencyToken, InvalidToken};
pub use lag::{Lag, LagLimits};
pub use lsn::{InvalidLsn, Lsn};
pub use read::{Node, Read, Written};
pub use replica::ReplicaStatus;
pub use settings::{ReplicaChoice, RouterSettings};
pub use time_window::TimeWindow;

pub(crate) use position::Position;
pub(crate) use primary::PrimaryChoice;
pub(crate) use router::ReadRouter;
