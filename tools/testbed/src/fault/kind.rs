//! The faults that the proxy can cause.

use std::time::Duration;

/// What goes wrong. A fault applies to every connection separately, and to both directions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// All data arrives late, in order, without a limit on the bandwidth.
    Latency {
        /// The minimum delay.
        delay: Duration,
        /// The maximum random addition per chunk. Chunks never overtake each other.
        jitter: Duration,
    },
    /// A limited bandwidth.
    Bandwidth {
        /// Bytes per second in each direction; 0 counts as 1.
        bytes_per_second: u64,
    },
    /// Open connections get a TCP reset (RST) at both ends. New ones are accepted and then reset.
    Reset,
    /// No data passes and no connection closes. New connections are accepted and hang. After the
    /// fault the held data arrives, as if TCP had retransmitted it.
    Blackhole,
    /// The end of a direction (FIN) arrives late: the peer seems to be alive but sends nothing.
    SlowClose {
        /// The delay.
        delay: Duration,
    },
    /// Each connection is reset after some bytes.
    CutAfter {
        /// How many bytes still pass, both directions together, counted from the injection or from
        /// the start of the connection.
        bytes: u64,
    },
    /// The server is down: open connections are closed and new ones are refused.
    Refuse,
}
