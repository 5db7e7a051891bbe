//! What the switch tells the connections: the fault of the moment, and who has to end.
//!
//! Orders go through a watch channel, which keeps the last value only, so a connection may never see a fault that was
//! healed at once. For most faults that is right. A reset must not be missed, however short it was; hence the era.

use tokio::net::TcpStream;

use super::Fault;

/// How a connection ends, at both sides.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum End {
    /// As when the process at the other side ends: with a FIN, or with a reset if there was still something to read.
    #[default]
    Close,
    /// With a reset.
    Reset,
}

impl End {
    /// How `fault` ends connections, if it is one that does so at once.
    pub(super) fn by(fault: Option<Fault>) -> Option<End> {
        match fault {
            Some(Fault::Reset) => Some(End::Reset),
            Some(Fault::Refuse) => Some(End::Close),
            _ => None,
        }
    }

    /// Ends this side of the connection.
    pub(super) fn put_to(self, stream: TcpStream) {
        if self == End::Reset {
            // To linger for no time at all means RST instead of FIN, see `socket(7)`. An error means that it is closed
            // already.
            let _ = stream.set_zero_linger();
        }
        drop(stream);
    }
}

/// The orders of the moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Orders {
    pub(super) fault: Option<Fault>,
    /// A connection of an earlier [era](super::door::Door::shut) is over...
    pub(super) era: u64,
    /// ...and ends like this.
    pub(super) end: End,
}

impl Orders {
    /// Whether a connection that came in `era` has to end now, and how.
    pub(super) fn end_of(&self, era: u64) -> Option<End> {
        if era < self.era {
            Some(self.end)
        } else {
            End::by(self.fault)
        }
    }
}
