// The tests of `draining`. The time is paused: it jumps to the next timer when no task can run, so
// no test waits.

use draining::{DrainOutcome, InFlightGuard, RequestTracker, ResponseBody};

mod closing;
mod support;
mod threads;
mod waiting;
