//! A TCP proxy that stops a client between two of its commands, to force a race or a crash there.
//!
//! It is for a client that waits for each reply before it sends the next command, as a single task
//! with one connection to Redis does. Then each chunk of bytes from the client is one command, or
//! several that the client sends together (a pipeline).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// Longer than each command of a test, so that a command is one chunk.
const CHUNK_SIZE: usize = 64 * 1024;

/// A proxy in front of one server on 127.0.0.1. Dropping it closes all its connections, as if the
/// client had crashed.
#[derive(Debug)]
pub struct PausingProxy {
    address: SocketAddr,
    state: Arc<State>,
    /// The task that accepts connections. It ends when this set is dropped.
    _accepting: JoinSet<()>,
}

/// A planned pause. Dropping it closes the client's connection, and the command is lost.
#[derive(Debug)]
pub struct Pause {
    reached: oneshot::Receiver<()>,
    resume: oneshot::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    connections: AtomicUsize,
    planned: Mutex<Option<PlannedPause>>,
}

#[derive(Debug)]
struct PlannedPause {
    /// How many commands pass before the pause.
    commands_before: usize,
    reached: oneshot::Sender<()>,
    resumed: oneshot::Receiver<()>,
}

impl PausingProxy {
    /// Listens on a free port of 127.0.0.1, and connects to `server` for each client. It runs on
    /// the caller's tokio runtime.
    pub async fn before(server: SocketAddr) -> io::Result<PausingProxy> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::default());
        let mut accepting = JoinSet::new();
        accepting.spawn(accept_connections(listener, server, Arc::clone(&state)));
        Ok(PausingProxy {
            address,
            state,
            _accepting: accepting,
        })
    }

    /// The address for clients.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections clients have opened since the proxy was created.
    pub fn opened_connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Plans to hold the client's command with this number, counted from 1 from now on. It replaces
    /// an earlier plan.
    ///
    /// # Panics
    /// If `command` is 0.
    pub fn pause_before(&self, command: usize) -> Pause {
        assert!(command > 0, "the first command has the number 1");
        let (reached_sender, reached) = oneshot::channel();
        let (resume, resumed) = oneshot::channel();
        *self.state.planned.lock() = Some(PlannedPause {
            commands_before: command - 1,
            reached: reached_sender,
            resumed,
        });
        Pause { reached, resume }
    }
}

impl Pause {
    /// Waits until the proxy holds the command; for ever, if the client sends fewer commands.
    pub async fn reached(&mut self) {
        if (&mut self.reached).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Sends the held command to the server.
    pub fn resume(self) {
        // An error means that the connection has ended.
        let _ = self.resume.send(());
    }
}

impl State {
    /// The planned pause, if it is before the command that has just arrived.
    fn take_pause(&self) -> Option<PlannedPause> {
        let mut planned = self.planned.lock();
        match planned.as_mut()? {
            PlannedPause {
                commands_before: 0, ..
            } => planned.take(),
            plan => {
                plan.commands_before -= 1;
                None
            }
        }
    }
}

async fn accept_connections(listener: TcpListener, server: SocketAddr, state: Arc<State>) {
    let mut connections = JoinSet::new();
    // An error ends the proxy, and the test fails.
    while let Ok((client, _)) = listener.accept().await {
        state.connections.fetch_add(1, Ordering::SeqCst);
        let state = Arc::clone(&state);
        // An error has the same effect as the end of a connection: both sockets are closed.
        connections.spawn(async move { forward(client, server, &state).await });
    }
}

/// Forwards in both directions until one side ends, or until a pause is dropped.
async fn forward(client: TcpStream, server: SocketAddr, state: &State) -> io::Result<()> {
    let server = TcpStream::connect(server).await?;
    // Without delay, so that each command arrives alone.
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let commands = async {
        let mut buffer = vec![0; CHUNK_SIZE];
        loop {
            let size = from_client.read(&mut buffer).await?;
            if size == 0 {
                return Ok(());
            }
            if let Some(pause) = state.take_pause() {
                // An error means that the test waits for nothing, and only holds the command.
                let _ = pause.reached.send(());
                if pause.resumed.await.is_err() {
                    return Ok(());
                }
            }
            to_server.write_all(&buffer[..size]).await?;
        }
    };
    tokio::select! {
        end = commands => end,
        end = tokio::io::copy(&mut from_server, &mut to_client) => end.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that returns all bytes.
    async fn echo_server() -> (SocketAddr, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(async move {
                    let (mut from, mut to) = stream.into_split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        (address, server)
    }

    async fn send(client: &mut TcpStream, command: &[u8; 4]) -> io::Result<[u8; 4]> {
        client.write_all(command).await?;
        let mut reply = [0; 4];
        client.read_exact(&mut reply).await?;
        Ok(reply)
    }

    #[tokio::test]
    async fn second_command_waits_until_it_is_resumed() {
        let (server, _tasks) = echo_server().await;
        let proxy = PausingProxy::before(server).await.unwrap();
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        let mut pause = proxy.pause_before(2);
        assert_eq!(&send(&mut client, b"GET1").await.unwrap(), b"GET1");

        let second = tokio::spawn(async move { send(&mut client, b"GET2").await });
        pause.reached().await;
        assert!(!second.is_finished(), "the server must not have it yet");
        pause.resume();

        assert_eq!(&second.await.unwrap().unwrap(), b"GET2");
        assert_eq!(proxy.opened_connections(), 1);
    }

    #[tokio::test]
    async fn dropped_pause_closes_one_connection() {
        let (server, _tasks) = echo_server().await;
        let proxy = PausingProxy::before(server).await.unwrap();
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        drop(proxy.pause_before(1));
        assert!(
            send(&mut client, b"SET1").await.is_err(),
            "it has no server"
        );

        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(&send(&mut client, b"SET2").await.unwrap(), b"SET2");
        assert_eq!(proxy.opened_connections(), 2);
    }

    #[tokio::test]
    async fn dropped_proxy_closes_its_connections() {
        let (server, _tasks) = echo_server().await;
        let proxy = PausingProxy::before(server).await.unwrap();
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        send(&mut client, b"SET1").await.unwrap();

        drop(proxy);

        assert!(
            send(&mut client, b"SET2").await.is_err(),
            "the proxy is gone"
        );
    }
}
