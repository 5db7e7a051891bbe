//! When a role in a process of its own has to stop.

use std::time::Duration;

pub(super) use ch01_clones::web::shutdown::requested;

/// How long a worker may go on with the job in hand.
pub(super) const PATIENCE: Duration = Duration::from_secs(4);
