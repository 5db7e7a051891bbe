//! The proxy's address, where clients come in: open, or shut so that they are refused.
//!
//! A shut door must keep its address, and a port that nobody listens on belongs to whoever asks next. So a second
//! socket holds the port: it is bound to it and never listens. A client is then refused by the kernel, exactly as if
//! the server's process had ended.
//!
//! Left out: systems other than Linux keep the port only while the door is open. There, two sockets on one port mean
//! something else, and with bad luck another program gets the port while the door is shut.

use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// How many clients may wait to be let in, before the kernel leaves the next one unanswered.
const QUEUE: u32 = 1024;

/// How long a listener may outlive its closing. It takes milliseconds, unless the machine is very busy.
const OUTLIVED: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Door {
    address: SocketAddr,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// `None` while the door is shut.
    listener: Option<TcpListener>,
    /// Holds the port. `None` once the door is gone, and where the system would not understand.
    holder: Option<TcpSocket>,
    /// How many times the door was shut.
    era: u64,
}

impl Door {
    /// An open door on a free port of 127.0.0.1.
    pub(super) fn build() -> io::Result<Door> {
        let holder = bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let address = holder.local_addr()?;
        let (listener, holder) = if cfg!(target_os = "linux") {
            (bind(address)?.listen(QUEUE)?, Some(holder))
        } else {
            (holder.listen(QUEUE)?, None)
        };
        let state = State {
            listener: Some(listener),
            holder,
            era: 0,
        };
        Ok(Door {
            address,
            state: Mutex::new(state),
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next client, and the era in which it came. Cancel safe. While the door is shut nothing wakes the caller; it
    /// has to ask again when the door is open.
    pub(super) async fn accept(&self) -> io::Result<(TcpStream, u64)> {
        poll_fn(|context| {
            // The era is read under the same lock: nobody gets past a door that is shut at this moment with the next
            // number.
            let state = self.state();
            let Some(listener) = &state.listener else {
                return Poll::Pending;
            };
            listener
                .poll_accept(context)
                .map_ok(|(client, _)| (client, state.era))
        })
        .await
    }

    /// Shuts the door, if it is not shut yet, and begins a new era, which is returned. Who waited to be let in gets a
    /// reset; who was let in belongs to an earlier era from now on.
    pub(super) fn shut(&self) -> u64 {
        let mut state = self.state();
        state.listener = None;
        state.era += 1;
        state.era
    }

    /// Opens the door at the same address, if it is not open. Call it inside the runtime.
    pub(super) fn open(&self) -> io::Result<()> {
        let mut state = self.state();
        let deadline = Instant::now() + OUTLIVED;
        while state.listener.is_none() {
            match bind(self.address).and_then(|socket| socket.listen(QUEUE)) {
                Ok(listener) => state.listener = Some(listener),
                // Another thread of ours may be starting a process, which has copies of all our files until it becomes another
                // program. In such a copy the old listener lives on for a moment.
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

    /// Gives the port back.
    pub(super) fn remove(&self) {
        let mut state = self.state();
        state.listener = None;
        state.holder = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("nothing panics while it holds this lock")
    }
}

/// Reusing the address lets two sockets have one port as long as one of them at most listens, and lets the door open
/// again although old connections of the port are still in `TIME_WAIT`. See `socket(7)`, `SO_REUSEADDR`.
fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::fd::AsFd;
    use std::sync::Arc;

    use tokio::runtime::Handle;

    use super::*;

    #[tokio::test]
    async fn a_door_opens_again_although_a_copy_of_its_listener_lives_a_moment_longer() {
        let door = Arc::new(Door::build().unwrap());
        // As a process has it that is just being started.
        let copy = door
            .state()
            .listener
            .as_ref()
            .unwrap()
            .as_fd()
            .try_clone_to_owned()
            .unwrap();
        door.shut();

        let (opening, runtime) = (Arc::clone(&door), Handle::current());
        let opened = thread::spawn(move || {
            let _runtime = runtime.enter();
            opening.open()
        });
        // It holds the lock as long as it tries.
        while door.state.try_lock().is_ok() && !opened.is_finished() {
            thread::yield_now();
        }
        drop(copy);

        opened.join().unwrap().unwrap();
    }
}
