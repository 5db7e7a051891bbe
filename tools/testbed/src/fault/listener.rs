//! The proxy's listener: open, or closed so that clients are refused.
//!
//! A closed listener must keep its port, or another program could take it. A second socket, the
//! reservation, is therefore bound to the same port and never listens. The kernel then refuses
//! clients as if the server's process had ended.
//!
//! On systems other than Linux two sockets on one port behave differently. There the port is
//! reserved only while the listener is open, and another program may take it while the proxy
//! refuses.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// How many clients may wait to be accepted. The kernel does not answer further ones.
const BACKLOG: u32 = 1024;

/// How long a closed listener may keep its port busy. It takes milliseconds on an idle machine.
const REOPEN_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct ProxyListener {
    address: SocketAddr,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// `None` while the listener is closed.
    listener: Option<TcpListener>,
    /// Keeps the port. `None` after the port was released, and on systems other than Linux.
    reservation: Option<TcpSocket>,
    /// How many times the listener was closed.
    generation: u64,
}

impl ProxyListener {
    /// An open listener on a free port of this address of the machine.
    pub(super) fn bind(address: IpAddr) -> io::Result<ProxyListener> {
        let socket = bind((address, 0).into())?;
        let address = socket.local_addr()?;
        let (listener, reservation) = if cfg!(target_os = "linux") {
            (bind(address)?.listen(BACKLOG)?, Some(socket))
        } else {
            (socket.listen(BACKLOG)?, None)
        };
        let state = State {
            listener: Some(listener),
            reservation,
            generation: 0,
        };
        Ok(ProxyListener {
            address,
            state: Mutex::new(state),
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next client and its generation. Cancel safe. While the listener is closed, nothing wakes
    /// the caller: it has to call this again after the listener was opened.
    pub(super) async fn accept(&self) -> io::Result<(TcpStream, u64)> {
        poll_fn(|context| {
            // The generation is read under the same lock. Otherwise a client from before a `close`
            // could get the generation after it.
            let state = self.state.lock();
            let Some(listener) = &state.listener else {
                return Poll::Pending;
            };
            listener
                .poll_accept(context)
                .map_ok(|(client, _)| (client, state.generation))
        })
        .await
    }

    /// Closes the listener and starts a new generation, which it returns. Waiting clients get a
    /// reset. Accepted clients belong to an earlier generation from now on.
    pub(super) fn close(&self) -> u64 {
        let mut state = self.state.lock();
        state.listener = None;
        state.generation += 1;
        state.generation
    }

    /// Opens the listener at the same address, if it is closed. Call it inside a runtime.
    pub(super) fn open(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        let deadline = Instant::now() + REOPEN_TIMEOUT;
        while state.listener.is_none() {
            match bind(self.address).and_then(|socket| socket.listen(BACKLOG)) {
                Ok(listener) => state.listener = Some(listener),
                // While another thread starts a process, the new process has copies of all our
                // sockets until it calls `exec`. Such a copy keeps the old listener open briefly.
                Err(error)
                    if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline =>
                {
                    thread::sleep(Duration::from_millis(1));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Closes the listener and frees the port.
    pub(super) fn release_port(&self) {
        let mut state = self.state.lock();
        state.listener = None;
        state.reservation = None;
    }
}

/// `SO_REUSEADDR` (see `socket(7)`) allows two sockets on one port as long as at most one listens.
/// It also allows to listen again while old connections of the port are in `TIME_WAIT`.
fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

#[cfg(all(test, unix))]
mod tests {
    use std::net::Ipv4Addr;
    use std::os::fd::AsFd;
    use std::sync::Arc;

    use tokio::runtime::Handle;

    use super::*;

    #[tokio::test]
    async fn listener_reopens_while_a_copy_still_exists() {
        let listener = Arc::new(ProxyListener::bind(Ipv4Addr::LOCALHOST.into()).unwrap());
        // A process that is being started has such a copy.
        let copy = listener
            .state
            .lock()
            .listener
            .as_ref()
            .unwrap()
            .as_fd()
            .try_clone_to_owned()
            .unwrap();
        listener.close();

        let (opening, runtime) = (Arc::clone(&listener), Handle::current());
        let opened = thread::spawn(move || {
            let _runtime = runtime.enter();
            opening.open()
        });
        // `open` holds the lock while it tries.
        while listener.state.try_lock().is_some() && !opened.is_finished() {
            thread::yield_now();
        }
        drop(copy);

        opened.join().unwrap().unwrap();
    }
}
