//! A TCP proxy that injects network faults between clients and a server on 127.0.0.1.
//!
//! Without a [`Fault`] it forwards bytes unchanged. [`FaultProxy`] is the public handle. A
//! `ProxyListener` accepts or refuses connections. Each connection is a task with two `Relay`s, one
//! per direction, and each relay has a `DelayQueue` that decides when bytes may pass.
//!
//! Left out: several faults at once, a fault in one direction only, UDP, and a delay of connecting
//! itself. Lost and reordered packets are left out because TCP hides both: a program only sees
//! latency. The proxy's kernel acknowledges what it receives, so keep-alive probes and
//! `TCP_USER_TIMEOUT` do not notice a black hole. To see those, disconnect a container from its
//! network.

mod connection;
mod delay_queue;
mod kind;
mod listener;
mod relay;
mod state;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

pub use self::kind::Fault;

use self::listener::ProxyListener;
use self::state::{FaultState, Termination};

/// The pause after a failed `accept`. The process is probably out of file descriptors.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(10);

/// How many bytes have passed, over all connections since the proxy was created.
///
/// Bytes are counted before the receiver gets them. A test that has read a reply sees the final
/// number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transferred {
    /// From clients to the server.
    pub to_server: u64,
    /// From the server to clients.
    pub to_client: u64,
}

/// A proxy in front of one server. It runs on the testbed's runtime, so it works while a test
/// blocks its own runtime. Dropping it closes its connections and frees its port.
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
    listener: Arc<ProxyListener>,
    /// Every connection has a receiver, and so has the accept loop.
    /// [`connections`](Self::connections) counts them. All tasks end when this sender is dropped.
    state: watch::Sender<FaultState>,
    counters: Arc<ByteCounters>,
    runtime: Handle,
}

impl FaultProxy {
    /// Listens on a free port of 127.0.0.1, and connects to `server` for each client. If the server
    /// is unreachable, the client's connection is closed.
    pub async fn before(server: SocketAddr) -> io::Result<FaultProxy> {
        FaultProxy::listen_on(Ipv4Addr::LOCALHOST.into(), server).await
    }

    /// Like [`before`](Self::before), on another address of this machine.
    pub(crate) async fn listen_on(address: IpAddr, server: SocketAddr) -> io::Result<FaultProxy> {
        let runtime = crate::docker::runtime().clone();
        let (state, receiver) = watch::channel(FaultState::default());
        let counters = Arc::new(ByteCounters::default());
        let task_counters = Arc::clone(&counters);
        // A listener belongs to the runtime in which it is created.
        let start = async move {
            let listener = Arc::new(ProxyListener::bind(address)?);
            let accepting = Arc::clone(&listener);
            tokio::spawn(accept_connections(
                accepting,
                server,
                receiver,
                task_counters,
            ));
            Ok::<_, io::Error>(listener)
        };
        let listener = runtime.spawn(start).await??;
        Ok(FaultProxy {
            listener,
            state,
            counters,
            runtime,
        })
    }

    /// The address for clients. It never changes.
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Replaces the current fault, for open and for new connections. Data sent after this call
    /// meets the new fault. Data on its way is treated as if it had just been sent.
    pub fn inject(&self, fault: Fault) {
        self.set_fault(Some(fault));
    }

    /// Ends the fault. Open connections continue, and held data arrives.
    pub fn heal(&self) {
        self.set_fault(None);
    }

    /// The number of open connections. A connection counts until the proxy has closed both its
    /// sides, so a test waits for the number that it expects.
    pub fn connections(&self) -> usize {
        // One receiver belongs to the accept loop.
        self.state.receiver_count().saturating_sub(1)
    }

    /// How many bytes have passed.
    pub fn bytes(&self) -> Transferred {
        Transferred {
            to_server: self.counters.to_server.load(Ordering::SeqCst),
            to_client: self.counters.to_client.load(Ordering::SeqCst),
        }
    }

    fn set_fault(&self, fault: Option<Fault>) {
        let _runtime = self.runtime.enter();
        // All changes happen inside, so that two threads that inject at once do not mix their
        // steps.
        self.state.send_modify(|state| {
            // Also when such a fault ends: connections that arrived during it end with it, even if
            // the accept loop has not seen them yet.
            let termination = Termination::by(fault).or(Termination::by(state.fault));
            if let Some(termination) = termination {
                state.generation = self.listener.close();
                state.termination = termination;
            }
            if fault != Some(Fault::Refuse) {
                self.listener
                    .open()
                    .expect("the proxy's port is reserved while it refuses connections");
            }
            state.fault = fault;
        });
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        // The accept loop drops its `Arc` a moment later. The port must be free now.
        self.listener.release_port();
    }
}

/// The counters behind [`Transferred`].
#[derive(Debug, Default)]
struct ByteCounters {
    to_server: AtomicU64,
    to_client: AtomicU64,
}

/// Accepts connections until the proxy is dropped.
async fn accept_connections(
    listener: Arc<ProxyListener>,
    server: SocketAddr,
    mut state: watch::Receiver<FaultState>,
    counters: Arc<ByteCounters>,
) {
    loop {
        tokio::select! {
            changed = state.changed() => match changed {
                // The listener may have been opened again: call `accept` again.
                Ok(()) => {}
                Err(_) => return,
            },
            accepted = listener.accept() => match accepted {
                Ok((client, generation)) => {
                    let counters = Arc::clone(&counters);
                    tokio::spawn(connection::run(
                        client,
                        server,
                        generation,
                        state.clone(),
                        counters,
                    ));
                }
                Err(_) => tokio::time::sleep(ACCEPT_RETRY_DELAY).await,
            },
        }
    }
}
