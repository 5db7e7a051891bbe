//! A server that the test itself is, with a proxy before it, and ways to wait that end.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use testbed::FaultProxy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How long anything may take: no promise of the proxy, only the end of a test's patience.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long we look whether something arrives that should not. Too short a look misses a mistake, and never invents
/// one.
pub const LOOK: Duration = Duration::from_millis(100);

/// Longer than any test waits.
pub const NEVER: Duration = Duration::from_hours(1);

pub struct Network {
    pub server: TcpListener,
    pub proxy: FaultProxy,
}

impl Network {
    pub async fn new() -> Network {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = FaultProxy::before(server.local_addr().unwrap())
            .await
            .unwrap();
        Network { server, proxy }
    }

    /// A network with an echo for a server.
    pub async fn with_echo() -> FaultProxy {
        let Network { server, proxy } = Network::new().await;
        tokio::spawn(async move {
            loop {
                let (mut client, _) = server.accept().await.unwrap();
                tokio::spawn(async move {
                    let (mut from, mut to) = client.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        proxy
    }

    /// A new connection: the client's end and the server's. Not for two at a time, which might be mixed up.
    pub async fn connect(&self) -> (TcpStream, TcpStream) {
        let client = connect(self.proxy.address())
            .await
            .expect("the proxy lets clients in");
        (client, self.accept().await)
    }

    /// The server's end of a connection that a client has opened.
    pub async fn accept(&self) -> TcpStream {
        let (server, _) = soon("connecting to the server", self.server.accept())
            .await
            .unwrap();
        server.set_nodelay(true).unwrap();
        server
    }
}

pub async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let client = soon("connecting to the proxy", TcpStream::connect(address)).await?;
    // What is sent is on its way when `send` returns, and not held back until the bytes before it are acknowledged.
    client.set_nodelay(true)?;
    Ok(client)
}

/// The result of something that must end.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("{what} took more than {PATIENCE:?}"))
}

/// Waits for something that becomes true by itself.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon(what, wait).await;
}

pub async fn send(to: &mut TcpStream, bytes: &[u8]) {
    soon("sending", to.write_all(bytes))
        .await
        .expect("the connection is open");
}

pub async fn receive(from: &mut TcpStream, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    soon("receiving", from.read_exact(&mut bytes))
        .await
        .unwrap_or_else(|error| panic!("expected {size} bytes, then came: {error}"));
    bytes
}

/// Asserts that what is sent at one end arrives at the other, in both directions.
pub async fn assert_works(client: &mut TcpStream, server: &mut TcpStream) {
    send(client, b"question").await;
    assert_eq!(receive(server, 8).await, b"question");
    send(server, b"answer").await;
    assert_eq!(receive(client, 6).await, b"answer");
}

/// Asserts that an echo behind the address answers.
pub async fn assert_echoes(address: SocketAddr) {
    let mut client = connect(address).await.expect("the proxy lets clients in");
    send(&mut client, b"hello").await;
    assert_eq!(receive(&mut client, 5).await, b"hello");
}

/// Asserts that nothing arrives, neither bytes nor an end.
pub async fn assert_silent(stream: &mut TcpStream) {
    let mut byte = [0];
    if let Ok(read) = tokio::time::timeout(LOOK, stream.read(&mut byte)).await {
        panic!("nothing should come through, but there came {read:?} (Ok(0) is a close)");
    }
}

/// All that still comes, and how it ends: `None` is an orderly close.
pub async fn rest(stream: &mut TcpStream) -> (Vec<u8>, Option<ErrorKind>) {
    let mut bytes = Vec::new();
    let end = soon("waiting for the end", stream.read_to_end(&mut bytes)).await;
    (bytes, end.err().map(|error| error.kind()))
}

pub async fn assert_closed(stream: &mut TcpStream) {
    assert_eq!(
        rest(stream).await,
        (vec![], None),
        "expected an orderly close"
    );
}

pub async fn assert_reset(stream: &mut TcpStream) {
    let reset = (vec![], Some(ErrorKind::ConnectionReset));
    assert_eq!(
        rest(stream).await,
        reset,
        "expected a reset (None is an orderly close)"
    );
}

/// Asserts that a new client gets a reset, which may come so soon that connecting fails with it.
pub async fn assert_new_ones_are_reset(address: SocketAddr) {
    match connect(address).await {
        Ok(mut client) => assert_reset(&mut client).await,
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}
