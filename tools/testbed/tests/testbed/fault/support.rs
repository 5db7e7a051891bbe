//! A server in the test with a proxy in front of it, and waiting with time limits.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use testbed::FaultProxy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The limit for everything that a test waits for.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long a test checks that nothing arrives. A shorter time may miss an error, but cannot report
/// a false one.
pub const SILENCE: Duration = Duration::from_millis(100);

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

    /// A proxy in front of an echo server.
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

    /// A new connection: the client's end and the server's. Not for two calls at the same time,
    /// which could mix up their ends.
    pub async fn connect(&self) -> (TcpStream, TcpStream) {
        let client = connect(self.proxy.address())
            .await
            .expect("the proxy accepts clients");
        (client, self.accept().await)
    }

    /// The server's end of the next connection.
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
    // Without Nagle's algorithm the data is on its way when `send` returns.
    client.set_nodelay(true)?;
    Ok(client)
}

/// The result of a future that must end.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(TIMEOUT, future)
        .await
        .unwrap_or_else(|_| panic!("{what} took more than {TIMEOUT:?}"))
}

/// Waits until the condition is true.
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
        .unwrap_or_else(|error| panic!("expected {size} bytes, but got: {error}"));
    bytes
}

/// Asserts that data arrives in both directions.
pub async fn assert_works(client: &mut TcpStream, server: &mut TcpStream) {
    send(client, b"question").await;
    assert_eq!(receive(server, 8).await, b"question");
    send(server, b"answer").await;
    assert_eq!(receive(client, 6).await, b"answer");
}

/// Asserts that the echo server behind the address answers.
pub async fn assert_echoes(address: SocketAddr) {
    let mut client = connect(address).await.expect("the proxy accepts clients");
    send(&mut client, b"hello").await;
    assert_eq!(receive(&mut client, 5).await, b"hello");
}

/// Asserts that neither bytes nor an end arrive.
pub async fn assert_silent(stream: &mut TcpStream) {
    let mut byte = [0];
    if let Ok(read) = tokio::time::timeout(SILENCE, stream.read(&mut byte)).await {
        panic!("nothing should arrive, but {read:?} did (Ok(0) is a close)");
    }
}

/// Everything that still arrives, and how it ends: `None` is an orderly close.
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

/// Asserts that a new client gets a reset, maybe already while it connects.
pub async fn assert_new_client_is_reset(address: SocketAddr) {
    match connect(address).await {
        Ok(mut client) => assert_reset(&mut client).await,
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}
