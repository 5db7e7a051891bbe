//! What the proxy tells its connections: the current fault, and which connections must end.
//!
//! The state goes through a watch channel, which keeps only the last value. So a connection may
//! miss a fault that is removed at once. For most faults this is fine, but no connection may miss a
//! reset. So each reset increases the generation number, and every connection with a lower number
//! ends.

use tokio::net::TcpStream;

use super::kind::Fault;

/// How a connection ends, at both sides.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Termination {
    /// As when a process ends: with a FIN, or with a reset if unread data is left.
    #[default]
    Close,
    /// With a reset (RST).
    Reset,
}

impl Termination {
    /// How `fault` ends connections; `None` if it does not end them at once.
    pub(super) fn by(fault: Option<Fault>) -> Option<Termination> {
        match fault {
            Some(Fault::Reset) => Some(Termination::Reset),
            Some(Fault::Refuse) => Some(Termination::Close),
            _ => None,
        }
    }

    /// Ends one side of the connection.
    pub(super) fn apply(self, stream: TcpStream) {
        if self == Termination::Reset {
            // A linger time of zero means RST instead of FIN, see `socket(7)`. An error means that
            // the connection is closed already.
            let _ = stream.set_zero_linger();
        }
        drop(stream);
    }
}

/// The current fault, and which connections have to end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FaultState {
    pub(super) fault: Option<Fault>,
    /// Connections of an earlier [generation](super::listener::ProxyListener::close) have to end.
    pub(super) generation: u64,
    /// How the connections of earlier generations end.
    pub(super) termination: Termination,
}

impl FaultState {
    /// How a connection of this generation has to end now; `None` if it continues.
    pub(super) fn termination_of(&self, generation: u64) -> Option<Termination> {
        if generation < self.generation {
            Some(self.termination)
        } else {
            Termination::by(self.fault)
        }
    }
}
