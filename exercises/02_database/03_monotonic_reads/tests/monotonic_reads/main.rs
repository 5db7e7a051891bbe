// The tests of `monotonic_reads`. Their clock moves only when the reader waits, and their servers
// replay, die and catch up exactly between two of the reader's questions.

use monotonic_reads::{Lsn, MAX_WAIT, Reader, Server, Servers, Session, Unavailable};

mod session;
mod support;
mod token;
mod waiting;
