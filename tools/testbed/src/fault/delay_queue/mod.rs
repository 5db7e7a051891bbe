//! The data on its way in one direction, and when each packet is due. This is where the faults
//! delay it.
//!
//! A delay must not limit the bandwidth, as it would if the packets slept one after the other. So
//! every packet gets its own time when it enters. The queue uses no sockets and no clock.
//!
//! The faults that end connections are in [`connection`](super::connection). `Bandwidth` has one
//! inaccuracy: up to 64 KiB that waited for a slow receiver pass without a limit.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::time::Instant;

use crate::fault::kind::Fault;

#[cfg(test)]
mod tests;

/// How many bytes may be on their way. It is small, so that a receiver that does not read soon
/// stops the sender, as without a proxy.
const CAPACITY: usize = 64 * 1024;

/// The capacity with `Latency`. With a delay of 0.1 s it allows 640 MB/s.
const LATENCY_CAPACITY: usize = 64 * 1024 * 1024;

/// `Bandwidth` sends this many pieces per second, so that the data flows evenly.
const PIECES_PER_SECOND: u64 = 50;

/// The maximum delay. An `Instant` plus `Duration::MAX` would overflow.
const MAX_DELAY: Duration = Duration::from_hours(365 * 24);

/// What travels. The end of a direction travels behind its bytes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Packet {
    Bytes(Bytes),
    /// The sender has closed its side.
    Fin,
    /// The sender is gone.
    Reset,
}

struct QueuedPacket {
    packet: Packet,
    due: Instant,
}

pub(super) struct DelayQueue {
    fault: Option<Fault>,
    packets: VecDeque<QueuedPacket>,
    /// The size of all packets.
    bytes: usize,
    /// When the last packet is due. The next one is not due before it.
    last_due: Instant,
    /// When the bytes sent so far have used up the bandwidth.
    bandwidth_free_at: Instant,
}

impl DelayQueue {
    pub(super) fn new(now: Instant) -> DelayQueue {
        DelayQueue {
            fault: None,
            packets: VecDeque::new(),
            bytes: 0,
            last_due: now,
            bandwidth_free_at: now,
        }
    }

    /// Replaces the fault. All waiting packets are treated as if they had just arrived.
    pub(super) fn set_fault(&mut self, fault: Option<Fault>, now: Instant) {
        let packets = std::mem::take(&mut self.packets);
        *self = DelayQueue {
            fault,
            ..DelayQueue::new(now)
        };
        for queued in packets {
            self.push(queued.packet, now);
        }
    }

    /// Adds a packet that arrived at `now`.
    pub(super) fn push(&mut self, packet: Packet, now: Instant) {
        let delay = match (self.fault, &packet) {
            (Some(Fault::Latency { delay, jitter }), _) => {
                delay.saturating_add(jitter.min(MAX_DELAY).mul_f64(rand::random()))
            }
            (Some(Fault::SlowClose { delay }), Packet::Fin) => delay,
            _ => Duration::ZERO,
        };
        if let Packet::Bytes(bytes) = &packet {
            self.bytes += bytes.len();
        }
        self.last_due = self.last_due.max(now + delay.min(MAX_DELAY));
        self.packets.push_back(QueuedPacket {
            packet,
            due: self.last_due,
        });
    }

    /// Whether the relay may read more.
    pub(super) fn has_room(&self) -> bool {
        match self.fault {
            // Unread data stays in the sender's kernel until its buffer is full. Then the sender
            // has to wait, as on a dead network.
            Some(Fault::Blackhole) => false,
            Some(Fault::Latency { .. }) => self.bytes < LATENCY_CAPACITY,
            _ => self.bytes < CAPACITY,
        }
    }

    /// When the first packet, or its first piece, may be sent; `None` if there is none or if it is
    /// held.
    pub(super) fn due(&self) -> Option<Instant> {
        let first = self.packets.front()?;
        match self.fault {
            Some(Fault::Blackhole) => None,
            Some(Fault::Bandwidth { bytes_per_second }) => {
                let start = first.due.max(self.bandwidth_free_at);
                Some(start + time_for(self.piece_size(), bytes_per_second))
            }
            _ => Some(first.due),
        }
    }

    /// The next packet, limited to the piece that may be sent at once.
    pub(super) fn next(&self) -> Option<Packet> {
        let first = self.packets.front()?;
        Some(match &first.packet {
            Packet::Bytes(bytes) => Packet::Bytes(bytes.slice(..self.piece_size())),
            end => end.clone(),
        })
    }

    /// Removes this many bytes of the first packet; `Fin` and `Reset` are removed whole.
    pub(super) fn sent(&mut self, size: usize) {
        let Some(first) = self.packets.front_mut() else {
            return;
        };
        if let Some(Fault::Bandwidth { bytes_per_second }) = self.fault {
            // Counted from the planned time, not from now: a late timer must not reduce the
            // bandwidth.
            self.bandwidth_free_at =
                first.due.max(self.bandwidth_free_at) + time_for(size, bytes_per_second);
        }
        if let Packet::Bytes(bytes) = &mut first.packet {
            bytes.advance(size);
            self.bytes -= size;
            if !bytes.is_empty() {
                return;
            }
        }
        self.packets.pop_front();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Discards all packets, because the receiver is gone.
    pub(super) fn clear(&mut self) {
        self.packets.clear();
        self.bytes = 0;
    }

    /// How many bytes of the first packet may be sent at once.
    fn piece_size(&self) -> usize {
        let size = match self.packets.front() {
            Some(QueuedPacket {
                packet: Packet::Bytes(bytes),
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
