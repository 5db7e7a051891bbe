//! One client's connection: a task that owns both sockets and forwards bytes between them.
//!
//! Both directions run in this one task, so that one place decides when and how the connection
//! ends.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::watch;

use super::ByteCounters;
use super::kind::Fault;
use super::relay::{Relay, Step};
use super::state::{FaultState, Termination};

/// Serves a client of this generation until its connection ends.
pub(super) async fn run(
    mut client: TcpStream,
    server: SocketAddr,
    generation: u64,
    mut state: watch::Receiver<FaultState>,
    counters: Arc<ByteCounters>,
) {
    let termination = match connect(server, generation, &mut state).await {
        Ok(mut server) => {
            let termination =
                forward(&mut client, &mut server, generation, &mut state, &counters).await;
            termination.apply(server);
            termination
        }
        Err(termination) => termination,
    };
    termination.apply(client);
}

/// Connects to the server. During a black hole it waits. The error says how the client's connection
/// ends without a server.
async fn connect(
    server: SocketAddr,
    generation: u64,
    state: &mut watch::Receiver<FaultState>,
) -> Result<TcpStream, Termination> {
    // Pinned outside of the loop: a changed fault must not start a second connection to the server.
    let mut connecting = pin!(TcpStream::connect(server));
    loop {
        let now = *state.borrow_and_update();
        if let Some(termination) = now.termination_of(generation) {
            return Err(termination);
        }
        tokio::select! {
            changed = state.changed() => changed.map_err(|_| Termination::Close)?,
            connected = &mut connecting, if now.fault != Some(Fault::Blackhole) => {
                return connected.map_err(|error| match error.kind() {
                    ErrorKind::ConnectionReset => Termination::Reset,
                    _ => Termination::Close,
                });
            }
        }
    }
}

/// Forwards bytes in both directions until both have ended, a fault ends the connection, or a peer
/// is lost.
async fn forward(
    client: &mut TcpStream,
    server: &mut TcpStream,
    generation: u64,
    state: &mut watch::Receiver<FaultState>,
    counters: &ByteCounters,
) -> Termination {
    for stream in [&*client, &*server] {
        // Forward bytes at once instead of gathering them. An error means that the peer has closed.
        let _ = stream.set_nodelay(true);
    }
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let mut upstream = Relay::new(from_client, to_server, &counters.to_server);
    let mut downstream = Relay::new(from_server, to_client, &counters.to_client);

    // One turn for each change of the fault.
    loop {
        let now = *state.borrow_and_update();
        if let Some(termination) = now.termination_of(generation) {
            return termination;
        }
        upstream.set_fault(now.fault);
        downstream.set_fault(now.fault);
        let mut bytes_left = match now.fault {
            Some(Fault::CutAfter { bytes }) => bytes,
            _ => u64::MAX,
        };

        // One turn for each step.
        loop {
            if bytes_left == 0 {
                return Termination::Reset;
            }
            if upstream.has_ended() && downstream.has_ended() {
                return Termination::Close;
            }
            tokio::select! {
                // The fault is checked first, between any two steps. One step either reads or
                // writes, so data sent after an injection is never written before the new fault is
                // seen.
                biased;
                changed = state.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return Termination::Close,
                },
                (step, opposite) = step_of_either(&mut upstream, &mut downstream, bytes_left) => {
                    match step {
                        Step::Forwarded(bytes) => bytes_left -= bytes,
                        Step::ReceiverLost => opposite.lose_sender(),
                        Step::Reset => return Termination::Reset,
                    }
                }
            }
        }
    }
}

/// The next step of one of the two relays, and the relay opposite to it. If both are ready, the
/// choice is random.
async fn step_of_either<'a, 'b>(
    one: &'a mut Relay<'b>,
    other: &'a mut Relay<'b>,
    limit: u64,
) -> (Step, &'a mut Relay<'b>) {
    tokio::select! {
        step = one.step(limit) => (step, other),
        step = other.step(limit) => (step, one),
    }
}
