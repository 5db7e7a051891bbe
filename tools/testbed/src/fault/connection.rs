//! One client's connection: a task that holds both sockets and carries bytes between them, under the orders of the
//! moment.
//!
//! Both directions run in this one task, so that it alone decides when the connection ends, and how.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::watch;

use super::line::{Line, Step};
use super::orders::{End, Orders};
use super::{Fault, Meters};

/// Serves one client, who came in `era`, until the connection ends.
pub(super) async fn run(
    mut client: TcpStream,
    server: SocketAddr,
    era: u64,
    mut orders: watch::Receiver<Orders>,
    meters: Arc<Meters>,
) {
    let end = match connect(server, era, &mut orders).await {
        Ok(mut server) => {
            let end = carry(&mut client, &mut server, era, &mut orders, &meters).await;
            end.put_to(server);
            end
        }
        Err(end) => end,
    };
    end.put_to(client);
}

/// Connects to the server, as soon as anything passes; or says how the client's connection ends without that.
async fn connect(
    server: SocketAddr,
    era: u64,
    orders: &mut watch::Receiver<Orders>,
) -> Result<TcpStream, End> {
    // Pinned outside of the loop: new orders must not make it begin again, and show the server a client that is none.
    let mut connecting = pin!(TcpStream::connect(server));
    loop {
        let now = *orders.borrow_and_update();
        if let Some(end) = now.end_of(era) {
            return Err(end);
        }
        tokio::select! {
            changed = orders.changed() => changed.map_err(|_| End::Close)?,
            connected = &mut connecting, if now.fault != Some(Fault::Blackhole) => {
                return connected.map_err(|error| match error.kind() {
                    ErrorKind::ConnectionReset => End::Reset,
                    _ => End::Close,
                });
            }
        }
    }
}

/// Carries bytes in both directions until both are over, or an order or a lost peer ends it.
async fn carry(
    client: &mut TcpStream,
    server: &mut TcpStream,
    era: u64,
    orders: &mut watch::Receiver<Orders>,
    meters: &Meters,
) -> End {
    for stream in [&*client, &*server] {
        // Bytes are passed on as they came, not gathered into larger packets. An error means that it is closed already.
        let _ = stream.set_nodelay(true);
    }
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let mut there = Line::new(from_client, to_server, &meters.to_server);
    let mut back = Line::new(from_server, to_client, &meters.to_client);

    // Once for each order.
    loop {
        let now = *orders.borrow_and_update();
        if let Some(end) = now.end_of(era) {
            return end;
        }
        there.set_fault(now.fault);
        back.set_fault(now.fault);
        let mut left = match now.fault {
            Some(Fault::CutAfter { bytes }) => bytes,
            _ => u64::MAX,
        };

        // Once for each step.
        loop {
            if left == 0 {
                return End::Reset;
            }
            if there.is_over() && back.is_over() {
                return End::Close;
            }
            tokio::select! {
                // Orders come first, between any two steps. A step takes in or hands on but not both, so what was sent
                // after an order was given is not handed on before the order is seen.
                biased;
                changed = orders.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return End::Close,
                },
                (step, opposite) = either(&mut there, &mut back, left) => match step {
                    Step::Carried(bytes) => left -= bytes,
                    Step::ReceiverLost => opposite.lose_sender(),
                    Step::Reset => return End::Reset,
                },
            }
        }
    }
}

/// The next step of either line, and the line opposite to it. If both are ready, each has its chance.
async fn either<'a, 'b>(
    one: &'a mut Line<'b>,
    other: &'a mut Line<'b>,
    limit: u64,
) -> (Step, &'a mut Line<'b>) {
    tokio::select! {
        step = one.step(limit) => (step, other),
        step = other.step(limit) => (step, one),
    }
}
