//! A TCP proxy that breaks things on purpose: put it before a server, and take the network away while clients use it.
//!
//! It stands between a client and any server on loopback, and carries bytes faithfully until it is told of a [`Fault`].
//! [`FaultProxy`] here is the switch. A `door` lets connections in or refuses them; each `connection` is a task with
//! two `line`s, one for each direction, and a line's `queue` says when a fault lets what through.
//!
//! Left out: more than one fault at a time, a fault in one direction only, UDP. Opening a connection is not delayed,
//! only what is sent on it. Lost and reordered packets are left out because TCP hides both: a program sees them as
//! latency. And the proxy's own kernel acknowledges what it receives, so keep-alive probes and `TCP_USER_TIMEOUT` do
//! not notice a black hole; cut the server's container off its network to see those at work.

mod connection;
mod door;
mod line;
mod orders;
mod queue;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use self::door::Door;
use self::orders::{End, Orders};

/// How long to wait after the system would not give us a connection: it is out of file descriptors, most likely.
const BREATHER: Duration = Duration::from_millis(10);

/// What goes wrong. Every fault is for all connections, each on its own, and for both directions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// All that is sent arrives late, in order, and at full speed: a long cable, not a thin one.
    Latency {
        /// The least that it is late.
        delay: Duration,
        /// Up to this much is added, at random, to each chunk. A chunk that catches up with the one before waits for
        /// it.
        jitter: Duration,
    },
    /// A thin cable.
    Bandwidth {
        /// How many bytes pass in a second, in each direction; 0 counts as 1.
        bytes_per_second: u64,
    },
    /// Open connections get a TCP reset (RST), at both ends. New ones are accepted, and then get one too.
    Reset,
    /// Nothing passes, nothing is closed; new connections are accepted and hang. After it all that was held arrives, as
    /// TCP would have sent it again and again.
    Blackhole,
    /// The end of a direction (FIN) is passed on late: a peer that looks alive and has nothing more to say.
    SlowClose {
        /// How late.
        delay: Duration,
    },
    /// Each connection is reset in the middle of its work.
    CutAfter {
        /// How many bytes still pass, both directions together, counted from the injection or the connection's start.
        bytes: u64,
    },
    /// The server is down: open connections are closed, as when its process ends, and new ones are refused.
    Refuse,
}

/// How many bytes have passed, over all connections that there ever were.
///
/// What a peer has received has been counted, so a test that has read an answer need not wait for the number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transferred {
    /// From clients to the server.
    pub to_server: u64,
    /// From the server to clients.
    pub to_client: u64,
}

/// A proxy before one server. It works in the background, whatever the runtime of its user does. Dropped, it closes
/// its connections and gives up its port.
///
/// ```
/// # use std::io::ErrorKind;
/// # use testbed::{Fault, FaultProxy};
/// use tokio::net::{TcpListener, TcpStream};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
///
/// let server = TcpListener::bind("127.0.0.1:0").await?;
/// let proxy = FaultProxy::before(server.local_addr()?).await?;
///
/// proxy.inject(Fault::Refuse);
/// let refused = TcpStream::connect(proxy.address()).await.unwrap_err();
/// assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
///
/// proxy.heal();
/// let client = TcpStream::connect(proxy.address()).await?;
/// let (_connection, _) = server.accept().await?;
/// # drop(client);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FaultProxy {
    door: Arc<Door>,
    /// Every connection listens here, and so does the task that lets them in: [`connections`](Self::connections) counts
    /// on that. They all end when the sender is dropped.
    orders: watch::Sender<Orders>,
    meters: Arc<Meters>,
    runtime: Handle,
}

impl FaultProxy {
    /// Listens on a free port of 127.0.0.1, and connects to `server` for each client that comes. A server that cannot
    /// be reached is noticed by the client, whose connection is closed, and not here.
    pub async fn before(server: SocketAddr) -> io::Result<FaultProxy> {
        let runtime = crate::docker::runtime().clone();
        let (orders, reception) = watch::channel(Orders::default());
        let meters = Arc::new(Meters::default());
        let at_work = Arc::clone(&meters);
        // A listener belongs to the runtime in which it is made.
        let start = async move {
            let door = Arc::new(Door::build()?);
            tokio::spawn(let_in(Arc::clone(&door), server, reception, at_work));
            Ok::<_, io::Error>(door)
        };
        let door = runtime.spawn(start).await??;
        Ok(FaultProxy {
            door,
            orders,
            meters,
            runtime,
        })
    }

    /// Where clients connect to. It stays the same for the proxy's whole life.
    pub fn address(&self) -> SocketAddr {
        self.door.address()
    }

    /// From now on, for open and for new connections, and in place of the fault before. What is sent after this returns
    /// meets the new fault; what is on its way starts afresh under it, as if it had just been sent.
    pub fn inject(&self, fault: Fault) {
        self.order(Some(fault));
    }

    /// Ends the fault. Connections that are still open go on, and what was held up arrives.
    pub fn heal(&self) {
        self.order(None);
    }

    /// How many connections are open now. One that ends is counted until the proxy has closed both its sides, so wait
    /// for the number that you expect.
    pub fn connections(&self) -> usize {
        // One is the task that lets connections in.
        self.orders.receiver_count().saturating_sub(1)
    }

    /// How much has passed.
    pub fn bytes(&self) -> Transferred {
        Transferred {
            to_server: self.meters.to_server.load(Ordering::SeqCst),
            to_client: self.meters.to_client.load(Ordering::SeqCst),
        }
    }

    fn order(&self, fault: Option<Fault>) {
        let _runtime = self.runtime.enter();
        // Inside, so that of two threads which inject at the same time one does all of it first.
        self.orders.send_modify(|orders| {
            // Also when such a fault ends: who came during it goes with it, even if we had no time to notice them.
            let end = End::by(fault).or(End::by(orders.fault));
            if let Some(end) = end {
                orders.era = self.door.shut();
                orders.end = end;
            }
            if fault != Some(Fault::Refuse) {
                self.door
                    .open()
                    .expect("the proxy's port is reserved while it refuses connections");
            }
            orders.fault = fault;
        });
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        // Here and not with the last `Arc`, which the other tasks let go of a moment later: the port is free now.
        self.door.remove();
    }
}

/// Counts for [`Transferred`].
#[derive(Debug, Default)]
struct Meters {
    to_server: AtomicU64,
    to_client: AtomicU64,
}

/// Accepts connections until the proxy is dropped.
async fn let_in(
    door: Arc<Door>,
    server: SocketAddr,
    mut orders: watch::Receiver<Orders>,
    meters: Arc<Meters>,
) {
    loop {
        tokio::select! {
            changed = orders.changed() => match changed {
                // The door may have been opened: go and stand behind it again.
                Ok(()) => {}
                Err(_) => return,
            },
            came = door.accept() => match came {
                Ok((client, era)) => {
                    tokio::spawn(connection::run(client, server, era, orders.clone(), Arc::clone(&meters)));
                }
                Err(_) => tokio::time::sleep(BREATHER).await,
            },
        }
    }
}
