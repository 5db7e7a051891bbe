//! What is on its way in one direction, and when it is due: here stands what each fault does to it.
//!
//! A delay must not become a limit of speed, as it would if each chunk waited for its own turn to sleep. So what comes
//! in gets the time at which it is due to go out, and waits beside the others. The queue knows no sockets and looks at
//! no clock.
//!
//! Left out: the faults that end connections, which have nothing to wait for; [`connection`](super::connection) has
//! those. And a thin cable is not thin for a receiver that pauses: what waited for it, at most 64 KiB, comes at once.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::time::Instant;

use super::Fault;

#[cfg(test)]
mod tests;

/// How much may be on its way. A healthy line holds little, so that a receiver who does not read soon holds up the
/// sender, as without a proxy.
const ROOM: usize = 64 * 1024;

/// How much a long cable holds: with a delay of a tenth of a second, this is 640 MB/s.
const ROOM_OF_A_LONG_CABLE: usize = 64 * 1024 * 1024;

/// A thin cable takes this many pieces a second, so that one byte does not wait until thousands can go with it.
const PIECES_PER_SECOND: u64 = 50;

/// Longer delays are cut to this: a clock cannot say when `Duration::MAX` from now is.
const LONGEST: Duration = Duration::from_hours(365 * 24);

/// What travels: the closing of a connection does as its bytes do, and behind them.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cargo {
    Bytes(Bytes),
    /// The sender has nothing more to say.
    Close,
    /// The sender is gone.
    Reset,
}

struct Parcel {
    cargo: Cargo,
    due: Instant,
}

pub(super) struct Queue {
    fault: Option<Fault>,
    parcels: VecDeque<Parcel>,
    /// The size of all parcels.
    bytes: usize,
    /// When the last parcel is due: the next one is not due before it.
    last_due: Instant,
    /// When a thin cable has sent all that it was given to send.
    cable_free: Instant,
}

impl Queue {
    pub(super) fn new(now: Instant) -> Queue {
        Queue {
            fault: None,
            parcels: VecDeque::new(),
            bytes: 0,
            last_due: now,
            cable_free: now,
        }
    }

    /// Puts a new fault, or none, in the place of the one before. All that waits starts afresh.
    pub(super) fn set_fault(&mut self, fault: Option<Fault>, now: Instant) {
        let parcels = std::mem::take(&mut self.parcels);
        *self = Queue {
            fault,
            ..Queue::new(now)
        };
        for parcel in parcels {
            self.push(parcel.cargo, now);
        }
    }

    /// Sends something on its way.
    pub(super) fn push(&mut self, cargo: Cargo, now: Instant) {
        let delay = match (self.fault, &cargo) {
            (Some(Fault::Latency { delay, jitter }), _) => {
                delay.saturating_add(jitter.min(LONGEST).mul_f64(rand::random()))
            }
            (Some(Fault::SlowClose { delay }), Cargo::Close) => delay,
            _ => Duration::ZERO,
        };
        if let Cargo::Bytes(bytes) = &cargo {
            self.bytes += bytes.len();
        }
        self.last_due = self.last_due.max(now + delay.min(LONGEST));
        self.parcels.push_back(Parcel {
            cargo,
            due: self.last_due,
        });
    }

    /// Whether more may come in.
    pub(super) fn has_room(&self) -> bool {
        match self.fault {
            // What is not taken in stays with the sender's kernel, and in the end the sender has to wait, as on a dead
            // network.
            Some(Fault::Blackhole) => false,
            Some(Fault::Latency { .. }) => self.bytes < ROOM_OF_A_LONG_CABLE,
            _ => self.bytes < ROOM,
        }
    }

    /// When the first parcel may go out, or its first piece; `None` if there is none, or if it never may.
    pub(super) fn due(&self) -> Option<Instant> {
        let first = self.parcels.front()?;
        match self.fault {
            Some(Fault::Blackhole) => None,
            Some(Fault::Bandwidth { bytes_per_second }) => {
                let start = first.due.max(self.cable_free);
                Some(start + time_for(self.piece(), bytes_per_second))
            }
            _ => Some(first.due),
        }
    }

    /// What goes out next. Of bytes as many as may go at once, which is not always the whole parcel.
    pub(super) fn next(&self) -> Option<Cargo> {
        let first = self.parcels.front()?;
        Some(match &first.cargo {
            Cargo::Bytes(bytes) => Cargo::Bytes(bytes.slice(..self.piece())),
            end => end.clone(),
        })
    }

    /// So many bytes of the first parcel have gone out; `Close` and `Reset` go out whole.
    pub(super) fn sent(&mut self, size: usize) {
        let Some(first) = self.parcels.front_mut() else {
            return;
        };
        if let Some(Fault::Bandwidth { bytes_per_second }) = self.fault {
            // Counted from when the cable was free, not from now: a timer that rings late does not make it slower.
            self.cable_free = first.due.max(self.cable_free) + time_for(size, bytes_per_second);
        }
        if let Cargo::Bytes(bytes) = &mut first.cargo {
            bytes.advance(size);
            self.bytes -= size;
            if !bytes.is_empty() {
                return;
            }
        }
        self.parcels.pop_front();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parcels.is_empty()
    }

    /// Throws away what is on its way: there is nobody to receive it.
    pub(super) fn clear(&mut self) {
        self.parcels.clear();
        self.bytes = 0;
    }

    /// How many bytes of the first parcel may go out at once.
    fn piece(&self) -> usize {
        let size = match self.parcels.front() {
            Some(Parcel {
                cargo: Cargo::Bytes(bytes),
                ..
            }) => bytes.len(),
            _ => 0,
        };
        match self.fault {
            Some(Fault::Bandwidth { bytes_per_second }) => {
                size.min((bytes_per_second / PIECES_PER_SECOND).max(1) as usize)
            }
            _ => size,
        }
    }
}

fn time_for(bytes: usize, bytes_per_second: u64) -> Duration {
    Duration::from_secs_f64(bytes as f64 / bytes_per_second.max(1) as f64)
}
